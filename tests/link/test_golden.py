"""Everything that a real edge and a real cloud wrote to each other is understood, and written alike."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from link import acknowledgement, contents, enrolment, handshake, resources, rows
from link.message import BadFrame, Message, decode, encode
from link.resources import Kind

GOLDEN = Path(__file__).parent / "golden" / "kubeedge_hub.jsonl"
LINES: list[dict[str, Any]] = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
FRAMES = [line for line in LINES if line["kind"] == "message" and "message" in line]
UP, DOWN = "edge-to-cloud", "cloud-to-edge"
FOREIGN = "foreign client"
"""Cases whose messages up are not KubeEdge's."""
ANOTHER = "ACK with another source and group"


def wire(line: dict[str, Any]) -> bytes:
    """The frame as it was on the wire."""
    return json.dumps(line["message"], ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def message(line: dict[str, Any]) -> Message:
    [decoded] = decode(wire(line))
    return decoded


def name(line: dict[str, Any]) -> str:
    return f"{line['case']} {line['step']}"


def by_resource(direction: str, *parts: str, operation: str = "") -> Iterator[tuple[dict[str, Any], Message]]:
    """The frames of one row of the catalogue; at least one, else the test would prove nothing."""
    found = 0
    for line in FRAMES:
        known = message(line)
        right = line["direction"] == direction and operation in ("", known.route.operation)
        if right and any(part in known.route.resource for part in parts):
            found += 1
            yield line, known
    assert found


def said(known: Message) -> tuple[type, Any]:
    """The content: what JSON has it as, and what it is; where it is a text of JSON, then what the text says."""
    outer = msgspec.json.decode(known.content)
    is_json = isinstance(outer, str) and outer.startswith("{")
    return type(outer), json.loads(outer) if is_json else outer


def as_recorded(ours: Message, recorded: Message, *, event_id: bool = False) -> None:
    """Ours is the recorded one, but for the message id and time, and for the event_id where that is random."""
    assert ours.route == recorded.route
    assert ours.header.resourceversion == recorded.header.resourceversion
    form, content = said(ours)
    recorded_form, recorded_content = said(recorded)
    if event_id:
        assert list(content) == list(recorded_content), "the same fields, in the same order"
        assert len(content.pop("event_id")) == len(recorded_content.pop("event_id"))
    assert (form, content) == (recorded_form, recorded_content)


# ---- frames


def test_the_recording_is_whole():
    assert len(FRAMES) == 155
    assert {line["direction"] for line in FRAMES} == {UP, DOWN}


@pytest.mark.parametrize("line", FRAMES, ids=name)
def test_a_frame_is_decoded_and_encoded_to_the_same_bytes(line):
    again = encode(message(line))
    if line["case"] == "foreign client: unknown fields":
        expected = json.loads(wire(line))
        del expected["header"]["more"], expected["extra"]
        assert json.loads(again) == expected
    elif FOREIGN in line["case"] and line["direction"] == UP:
        assert json.loads(again) == line["message"], "its fields are in an order of its own"
    else:
        assert again == wire(line)


def test_what_was_no_json_is_a_bad_frame():
    [text] = [line["text"] for line in LINES if line["kind"] == "message" and "text" in line]
    with pytest.raises(BadFrame):
        decode(text)


def test_only_the_confirmations_have_a_parent():
    for line in FRAMES:
        known = message(line)
        assert acknowledgement.is_acknowledgement(known) == (known.route.operation == "response"), name(line)


# ---- acknowledgements


def acknowledgements() -> dict[str, Message]:
    """Of messages to an edge, by their id: what edgecore itself answered first."""
    found: dict[str, Message] = {}
    for line in FRAMES:
        parent = message(line).header.parent_msg_id
        if line["direction"] == UP and parent:
            found.setdefault(parent, message(line))
    return found


@pytest.mark.parametrize("line", [f for f in FRAMES if f["direction"] == DOWN], ids=name)
def test_an_acknowledgement_is_wanted_where_a_real_edge_gave_one_and_written_alike(line):
    asked = message(line)
    recorded = acknowledgements().get(asked.header.msg_id)
    assert acknowledgement.wants_acknowledgement(asked) == (recorded is not None)
    if recorded is not None and FOREIGN not in line["case"]:
        ours = acknowledgement.acknowledge(asked)
        as_recorded(ours, recorded)
        assert ours.header.parent_msg_id == asked.header.msg_id
        assert ours.header.msg_id


def test_a_real_cloud_took_an_acknowledgement_of_another_route_too():
    [(line, given)] = [(li, m) for li, m in by_resource(UP, "pump-08", operation="response") if ANOTHER in li["case"]]
    assert given.route.source == "myhub"
    assert acknowledgement.is_acknowledgement(given), name(line)


# ---- resources


def test_every_resource_is_taken_apart_as_meant():
    found = {message(line).route.resource: resources.parse(message(line).route.resource) for line in FRAMES}
    expected = {
        "null/node/edge-7": (Kind.NODE, "null/edge-7"),
        "default/device/pump-01": (Kind.DEVICE, "default/pump-01"),
        "default/device/pump-02": (Kind.DEVICE, "default/pump-02"),
        "default/device/pump-08": (Kind.DEVICE, "default/pump-08"),
        "default/devicemodel/pump-model": (Kind.MODEL, "default/pump-model"),
        "device/default/pump-01/twin/edge_updated": (Kind.EDGE_UPDATED, "default/pump-01"),
        "device/default/pump-08/twin/edge_updated": (Kind.EDGE_UPDATED, "default/pump-08"),
        "device/default/nosuch/twin/edge_updated": (Kind.EDGE_UPDATED, "default/nosuch"),
        "device/default/pump-01/state/update": (Kind.STATE_UPDATE, "default/pump-01"),
        "device/default/pump-08/state/update": (Kind.STATE_UPDATE, "default/pump-08"),
    }
    without_name = {resources.KEEPALIVE, resources.MEMBERSHIP, resources.MEMBERSHIP_DETAIL, resources.TWIN}
    uploads = {"$hw/events/upload/line-1", "app/user/alarm", "SYS/dis/upload_records", "x"}
    assert found.keys() == expected.keys() | without_name | uploads
    for resource, (kind, device_id) in expected.items():
        assert (found[resource].kind, found[resource].id) == (kind, device_id)
    assert {found[resource].kind for resource in without_name | uploads} == {Kind.OTHER}


# ---- the rows


def test_keepalive():
    for _, recorded in by_resource(UP, resources.KEEPALIVE, operation="keepalive"):
        as_recorded(rows.keepalive(), recorded)


def test_membership_detail():
    for _, recorded in by_resource(UP, resources.MEMBERSHIP_DETAIL):
        ours = rows.membership_detail("edge-7", said(recorded)[1]["timestamp"])
        as_recorded(ours, recorded, event_id=True)


def test_edge_updated():
    for line, recorded in by_resource(UP, Kind.EDGE_UPDATED):
        _, update = said(recorded)
        device_id = resources.parse(recorded.route.resource).id
        ours = rows.edge_updated(device_id, json.dumps(update["twin"]), update["timestamp"])
        assert contents.twins(ours) == contents.twins(recorded)
        if FOREIGN not in line["case"]:
            as_recorded(ours, recorded, event_id=True)


def test_state_update():
    for line, recorded in by_resource(UP, Kind.STATE_UPDATE):
        state = contents.state(recorded)
        ours = rows.state_update(f"default/{state.name}", state, said(recorded)[1]["timestamp"])
        assert contents.state(ours) == state
        if FOREIGN not in line["case"]:
            as_recorded(ours, recorded, event_id=True)


def test_confirm():
    reports = {message(line).header.msg_id: message(line) for line in FRAMES if line["direction"] == UP}
    for _, recorded in by_resource(DOWN, resources.TWIN, operation="response"):
        ours = rows.confirm(reports[recorded.header.parent_msg_id])
        as_recorded(ours, recorded)
        assert ours.header.parent_msg_id == recorded.header.parent_msg_id


def test_membership():
    for _, recorded in by_resource(DOWN, resources.MEMBERSHIP):
        update = contents.membership(recorded)
        ours = rows.membership(update)
        as_recorded(ours, recorded)
        assert bytes(ours.content) == bytes(recorded.content)
        assert ours.header.timestamp == update.timestamp


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.MODEL])
def test_declared_objects(kind):
    operations = set()
    for _, recorded in by_resource(DOWN, f"/{kind}/"):
        resource = resources.parse(recorded.route.resource)
        ours = rows.declared_object(
            kind, recorded.route.operation, resource.namespace, resource.name, contents.manifest(recorded)
        )
        operations.add(recorded.route.operation)
        if recorded.route.source == "devicecontroller":
            as_recorded(ours, recorded)
            assert bytes(ours.content) == bytes(recorded.content)
        assert ours.header.resourceversion == recorded.header.resourceversion
    assert operations == {"insert", "update", "delete"}


@pytest.mark.parametrize("kind", [Kind.POD, Kind.CONFIG_MAP, Kind.SECRET])
def test_objects_of_kubernetes_come_as_a_recorded_node_does(kind):
    [recorded] = [
        recorded
        for line, recorded in by_resource(DOWN, f"/{Kind.NODE}/")
        if line["case"] == "connect" and recorded.route.operation == "update"
    ][:1]
    metadata = {"namespace": "default", "name": "web", "resourceVersion": recorded.header.resourceversion}
    ours = rows.declared_object(kind, "update", "default", "web", {"metadata": metadata})
    assert ours.header.resourceversion == recorded.header.resourceversion
    assert ours.route == msgspec.structs.replace(recorded.route, resource=f"default/{kind}/web")
    assert acknowledgement.wants_acknowledgement(ours)


def test_a_twin_deleted_at_the_edge_is_never_a_null():
    """A real cloud's process ends at a null."""
    for line, recorded in by_resource(UP, Kind.EDGE_UPDATED):
        is_null = None in contents.twins(recorded).values()
        assert is_null == (line["case"] == "foreign client: null twin (deletion)"), name(line)
    [(_, deleted)] = [
        (li, m) for li, m in by_resource(UP, Kind.EDGE_UPDATED) if li["case"] == "twin deleted at the edge"
    ]
    [twin] = contents.twins(deleted).values()
    assert twin is not None
    assert twin.metadata is not None
    assert twin.metadata.type == "deleted"


# ---- handshakes and bootstrap

REQUESTS = [line for line in LINES if line["kind"] == "handshake-request"]
SILENT = "foreign client: no ConnectionUse header"


@pytest.mark.parametrize("line", REQUESTS, ids=name)
def test_the_headers_of_a_handshake(line):
    if line["case"] == SILENT:
        with pytest.raises(handshake.BadHandshake, match="Connectionuse"):
            handshake.Hello.read(line["headers"])
        return
    hello = handshake.Hello.read(line["headers"])
    assert hello.plain
    assert (hello.project, hello.channel) == (handshake.PROJECT, handshake.Channel.HUB)
    if line["path"] != "/any/path":
        assert handshake.path(hello) == line["path"]
    ours = {key.lower(): value for key, value in hello.headers().items()}
    assert ours.items() <= {key.lower(): value for key, value in line["headers"]}.items()


def test_a_real_cloud_answers_as_one_of_the_plain_wire():
    answers = [line["headers"] for line in LINES if line["kind"] == "handshake-response"]
    assert answers
    assert {handshake.Welcome.read(headers) for headers in answers} == {handshake.Welcome(plain=True)}


def test_the_bootstrap_of_a_real_edge():
    requests = {
        line["path"]: line for line in LINES if line["kind"] == "http-request" and line["case"] == "bootstrap"
    }
    assert list(requests) == [enrolment.CA_PATH, enrolment.CERTIFICATE_PATH]
    asked = requests[enrolment.CERTIFICATE_PATH]
    headers = {key.lower(): value for key, value in asked["headers"]}
    assert headers[enrolment.NODE_HEADER.lower()] == "edge-7"
    assert f"CN={enrolment.common_name('edge-7')},O={enrolment.NODES}," in asked["subject"]
    assert len(base64.b64decode(asked["body_base64"])) == int(headers["content-length"])
