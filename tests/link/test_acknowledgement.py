from __future__ import annotations

import pytest

from link import rows
from link.acknowledgement import acknowledge, is_acknowledgement, refuse, wants_acknowledgement
from link.message import Message, decode_content, new_message
from link.resources import Kind
from twin.documents import MembershipUpdate

DEVICE = rows.declared_object(Kind.DEVICE, "update", "default", "pump-01", {"metadata": {"resourceVersion": "5"}})
WISHES = rows.wishes("default/pump-01", "{}", 1)
MEMBERSHIP = rows.membership(MembershipUpdate("", 0, [], None))


@pytest.mark.parametrize("silent", [WISHES, MEMBERSHIP])
def test_between_our_ends_everything_is_acknowledged(silent):
    assert not wants_acknowledgement(silent)
    assert wants_acknowledgement(silent, plain=False)
    assert wants_acknowledgement(DEVICE)
    assert wants_acknowledgement(DEVICE, plain=False)


@pytest.mark.parametrize(
    "message",
    [
        new_message("edgecontroller", "resource", "update", "default/podlist/x"),
        new_message("edgecontroller", "resource", "update", "default/serviceaccounttoken/x"),
        new_message("cloudhub", "resource", "response", "k8s/ca.crt"),
        new_message("router_eventbus", "user", "publish", "a/topic"),
        new_message("taskmanager", "taskmanager", "upgrade", "x"),
    ],
)
def test_what_a_real_cloud_does_not_wait_for(message):
    assert not wants_acknowledgement(message)


@pytest.mark.parametrize("plain", [True, False])
def test_an_answer_is_never_answered(plain):
    for answer in (acknowledge(DEVICE), refuse(DEVICE, "no"), rows.confirm(WISHES)):
        assert not wants_acknowledgement(answer, plain=plain)


def test_a_refusal_says_why_and_confirms_nothing():
    refused = refuse(DEVICE, "no room")
    assert refused.header.parent_msg_id == DEVICE.header.msg_id
    assert refused.route.operation == "error"
    assert decode_content(refused, str) == "no room"
    assert not is_acknowledgement(refused)
    assert is_acknowledgement(acknowledge(DEVICE))


def test_an_answer_to_nothing_confirms_nothing():
    assert not is_acknowledgement(new_message("a", "b", "response", "c"))
    assert not is_acknowledgement(Message())
