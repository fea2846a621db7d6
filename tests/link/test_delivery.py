from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link import rows
from link.delivery import ATTEMPTS, LATE_IDS, RESEND_AFTER, Delivery, DeliveryFull
from link.message import Message, new_message
from link.resources import Kind
from twin.documents import MembershipUpdate

GOLDEN = Path(__file__).parent / "golden" / "kubeedge_hub.jsonl"


def device(name: str, version: int | None = None, operation: str = "update") -> Message:
    metadata = {} if version is None else {"resourceVersion": str(version)}
    return rows.declared_object(Kind.DEVICE, operation, "default", name, {"metadata": metadata})


def membership() -> Message:
    return rows.membership(MembershipUpdate("", 0, [], None))


def said(messages: list[Message]) -> list[tuple[str, str, str]]:
    """(name, operation, version), in short."""
    return [(m.route.resource.rpartition("/")[2], m.route.operation, m.header.resourceversion) for m in messages]


def ids(messages: list[Message]) -> list[str]:
    return [message.header.msg_id for message in messages]


# ---- as KubeEdge does it


def test_the_times_and_ids_of_a_real_cloud_whose_edge_is_silent():
    """The recorded conversation: five times one id, then another with the newest version, 5 s apart."""
    lines = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    sent = [
        (line["t_ms"] / 1000, line["message"]["header"]["msg_id"], line["message"]["header"]["resourceversion"])
        for line in lines
        if line["case"] == "ACK withheld, then given"
        and line.get("direction") == "cloud-to-edge"
        and "message" in line
    ][:8]
    began = sent[0][0]
    down = Delivery(plain=True)
    down.offer("pump-01", device("pump-01", 189))
    ours: list[tuple[float, str, str]] = []
    for now in range(0, 36, 5):
        ours += [(began + now, m.header.msg_id, m.header.resourceversion) for m in down.due(began + now)]
        if now < 15:
            down.offer("pump-01", device("pump-01", 190 + now // 5))
    assert [version for _, _, version in ours] == [version for _, _, version in sent]
    assert [time for time, _, _ in ours] == pytest.approx([time for time, _, _ in sent], abs=0.1)
    for one in range(8):
        for other in range(8):
            assert (ours[one][1] == ours[other][1]) == (sent[one][1] == sent[other][1])


def test_one_object_at_a_time():
    down = Delivery(plain=True, window=10)
    down.offer("a", device("a", 1))
    down.offer("b", device("b", 1))
    [first] = down.due(0.0)
    assert down.due(4.9) == []
    assert down.deadline(4.9) == RESEND_AFTER
    assert down.acknowledged(first.header.msg_id, 5.0) == [("a", first)]
    assert down.deadline(5.0) == 5.0
    assert said(down.due(5.0)) == [("b", "update", "1")]
    assert len(down) == 1


def test_a_dead_object_goes_to_the_end_and_the_others_are_served():
    down, got = Delivery(plain=True), []
    for name in ("dead", "a", "b"):
        down.offer(name, device(name, 1))
    for now in range(0, 200, 5):
        for message in down.due(float(now)):
            got.append(message.route.resource.rpartition("/")[2])
            if got[-1] != "dead":
                down.acknowledged(message.header.msg_id, float(now))
    assert got[: ATTEMPTS + 3] == ["dead"] * ATTEMPTS + ["a", "b", "dead"]
    assert len(down) == 1
    assert (down.requeued, down.resent) == (7, len(got) - 2 - 8)
    assert down.oldest(200.0) == 200.0


def test_a_dead_object_with_a_newer_version_goes_to_the_end_as_old_as_it_was():
    down = Delivery(plain=True)
    down.offer("dead", device("dead", 1))
    now = give_up(down) - RESEND_AFTER
    down.offer("dead", device("dead", 2))
    down.offer("a", device("a", 1))
    now += RESEND_AFTER
    [a] = down.due(now)
    assert said([a]) == [("a", "update", "1")]
    down.acknowledged(a.header.msg_id, now)
    assert said(down.due(now)) == [("dead", "update", "2")]
    assert down.oldest(now) == now


def test_only_the_newest_version_is_brought():
    down = Delivery(plain=True)
    down.offer("a", device("a", 1))
    down.due(0.0)
    for version in (2, 3, 4):
        down.offer("a", device("a", version))
    assert said(down.due(5.0)) == [("a", "update", "1")], "what is under way stays what it is"
    [(_, confirmed)] = down.acknowledged(down.due(10.0)[0].header.msg_id, 10.0)
    assert confirmed.header.resourceversion == "1"
    assert said(down.due(10.0)) == [("a", "update", "4")]


def test_an_error_or_a_strange_id_confirms_nothing():
    down = Delivery(plain=True)
    down.offer("a", device("a", 1))
    [sent] = down.due(0.0)
    for strange in ("", "x", sent.header.msg_id + "x"):
        assert down.acknowledged(strange, 1.0) == []
    assert down.due(RESEND_AFTER) == [sent]


def give_up(down: Delivery, now: float = 0.0) -> float:
    """Let the one that is under way run out of attempts; the time then."""
    for _ in range(ATTEMPTS):
        [_] = down.due(now)
        now += RESEND_AFTER
    return now


def test_a_late_acknowledgement_of_an_older_id_confirms_what_was_sent_with_it():
    down = Delivery(plain=True)
    old = device("a", 1)
    down.offer("a", old)
    now = give_up(down)
    down.offer("a", device("a", 2))
    [new] = down.due(now)
    assert new.header.msg_id != old.header.msg_id
    assert down.acknowledged(old.header.msg_id, now) == [("a", old)]
    assert len(down) == 1, "the newer version is not confirmed by that"
    assert down.acknowledged(new.header.msg_id, now) == [("a", new)]
    assert len(down) == 0


def test_a_late_acknowledgement_spares_the_next_copy_of_the_same():
    for again_under_way in (True, False):
        down = Delivery(plain=True)
        old = device("a", 1)
        down.offer("a", old)
        if not again_under_way:
            down.offer("b", device("b", 1))
        now = give_up(down)
        [next_] = down.due(now)
        assert (next_.header.msg_id != old.header.msg_id) is True
        assert next_.route.resource.endswith("a") == again_under_way
        assert down.acknowledged(old.header.msg_id, now) == [("a", old)]
        assert len(down) == (0 if again_under_way else 1)


def test_an_older_version_is_not_confirmed_after_a_newer_one():
    down = Delivery(plain=True)
    old = device("a", 1)
    down.offer("a", old)
    now = give_up(down)
    down.offer("a", device("a", 2))
    [new] = down.due(now)
    assert down.acknowledged(new.header.msg_id, now) == [("a", new)]
    assert down.acknowledged(old.header.msg_id, now) == []


# ---- deletes


def test_a_delete_is_not_undone_by_what_is_older():
    down = Delivery(plain=True)
    down.offer("a", device("a", 5, "delete"))
    for version in (4, 5, None):
        down.offer("a", device("a", version))
    assert said(down.due(0.0)) == [("a", "delete", "5")]


@pytest.mark.parametrize("comeback", [device("a", 6), device("a", 1, "insert"), device("a", 2, "delete")])
def test_an_object_may_come_back_after_its_delete(comeback):
    down = Delivery(plain=True)
    down.offer("a", device("a", 5, "delete"))
    down.offer("a", comeback)
    assert down.due(0.0) == [comeback]


def test_a_delete_goes_over_what_waits_and_after_what_is_under_way():
    down = Delivery(plain=True)
    down.offer("a", device("a", 7))
    [first] = down.due(0.0)
    down.offer("a", device("a", 8))
    down.offer("a", device("a", None, "delete"))
    down.acknowledged(first.header.msg_id, 1.0)
    assert said(down.due(1.0)) == [("a", "delete", "")]


# ---- what nobody acknowledges


def test_a_membership_keeps_its_place_and_waits_for_nobody():
    down = Delivery(plain=True)
    down.offer("model", device("model", 1, "delete"))
    down.offer_unacknowledged(membership())
    down.offer("a", device("a", 1, "delete"))
    first = down.due(0.0)
    assert [m.route.resource for m in first] == ["default/device/model", "membership"]
    assert len(down) == 2
    assert said(down.due(5.0)) == [("model", "delete", "1")], "it is sent once on a connection"
    down.acknowledged(first[0].header.msg_id, 6.0)
    assert said(down.due(6.0)) == [("a", "delete", "1")]


def test_a_membership_is_sent_again_on_a_new_connection_unless_what_followed_is_confirmed():
    down = Delivery(plain=True)
    down.offer_unacknowledged(membership())
    down.offer("a", device("a", 1, "insert"))
    first = down.due(0.0)
    down.restart()
    assert ids(down.due(1.0)) == ids(first)
    assert down.acknowledged(first[1].header.msg_id, 2.0) == [("a", first[1])]
    down.restart()
    assert down.due(3.0) == []
    assert (len(down), down.oldest(3.0), down.deadline(3.0)) == (0, 0.0, None)


# ---- our own link


def test_several_are_under_way_and_an_acknowledgement_confirms_all_before_it():
    down = Delivery(plain=False, window=3)
    for name in "abcd":
        down.offer(name, device(name, 1))
    first = down.due(0.0)
    assert said(first) == [("a", "update", "1"), ("b", "update", "1"), ("c", "update", "1")]
    assert [key for key, _ in down.acknowledged(first[1].header.msg_id, 0.1)] == ["a", "b"]
    assert said(down.due(0.1)) == [("d", "update", "1")]
    assert len(down) == 2


def test_a_newer_version_does_not_wait_for_the_older_one_to_be_confirmed():
    down = Delivery(plain=False, window=3)
    down.offer("a", device("a", 1))
    [old] = down.due(0.0)
    down.offer("a", device("a", 2))
    [new] = down.due(0.0)
    assert down.due(RESEND_AFTER) == [new], "the older one is not sent again, least of all after the newer"
    assert down.acknowledged(old.header.msg_id, 6.0) == [("a", old)]
    assert len(down) == 1
    down.restart()
    assert down.due(7.0) == [new]
    assert down.acknowledged(new.header.msg_id, 8.0) == [("a", new)]


def test_a_new_connection_begins_again_in_the_old_order():
    down = Delivery(plain=False, window=3)
    for name in "abcde":
        down.offer(name, device(name, 1))
    first = down.due(0.0)
    down.acknowledged(first[0].header.msg_id, 0.1)
    down.offer("b", device("b", 2))
    down.restart()
    assert said(down.due(1.0)) == [("b", "update", "2"), ("c", "update", "1"), ("d", "update", "1")]
    assert down.oldest(4.0) == 4.0


def test_a_new_connection_begins_with_the_newest_of_what_was_under_way_and_of_what_waits():
    for offered_before in (True, False):
        down = Delivery(plain=False, window=3)
        for version in (1, 2):
            down.offer("a", device("a", version))
            down.due(0.0)
        if offered_before:
            down.offer("a", device("a", 3))
        down.restart()
        assert said(down.due(1.0)) == [("a", "update", "3" if offered_before else "2")]
        assert down.oldest(4.0) == 4.0


# ---- bounds


def test_what_does_not_fit_is_said():
    down = Delivery(plain=True, limit=2)
    down.offer("a", device("a", 1))
    down.offer("b", device("b", 1))
    down.offer("a", device("a", 2))
    with pytest.raises(DeliveryFull, match="2 messages"):
        down.offer("c", device("c", 1))
    with pytest.raises(DeliveryFull):
        down.offer_unacknowledged(membership())
    [sent] = down.due(0.0)
    down.acknowledged(sent.header.msg_id, 0.0)
    down.offer("c", device("c", 1))
    assert len(down) == 2


def test_ids_given_up_are_not_remembered_for_ever():
    down, now = Delivery(plain=True, attempts=1), 0.0
    down.offer("a", device("a", 1))
    first = down.due(now)[0]
    for _ in range(LATE_IDS + 1):
        now += RESEND_AFTER
        down.due(now)
    assert down.acknowledged(first.header.msg_id, now) == []


# ---- properties

KEYS = "abc"
steps = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.sampled_from(KEYS)),
        st.tuples(st.just("delete"), st.sampled_from(KEYS)),
        st.tuples(st.just("membership"), st.just("")),
        st.tuples(st.just("wait"), st.floats(0.1, 6.0)),
        st.tuples(st.just("answer"), st.integers(0, 30)),
        st.tuples(st.just("cut"), st.just("")),
    ),
    max_size=60,
)


class Scene:
    """A delivery, the connection and the edge; versions rise over all objects together."""

    def __init__(self, plain: bool, window: int) -> None:
        self.down = Delivery(plain=plain, window=window, attempts=2)
        self.now = 0.0
        self.version = 0
        self.wanted: dict[str, int] = {}
        self.arrived: dict[str, int] = {}
        self.confirmed: dict[str, int] = {}
        self.inbox: list[Message] = []

    def offer(self, key: str, operation: str = "update") -> None:
        self.version += 1
        self.wanted[key] = self.version
        self.down.offer(key, device(key, self.version, operation))

    def delete(self, key: str) -> None:
        self.offer(key, "delete")

    def membership(self, _: str) -> None:
        self.down.offer_unacknowledged(membership())

    def wait(self, seconds: float) -> None:
        self.now += seconds
        due = self.down.due(self.now)
        self.inbox += due
        for message in (m for m in due if m.route.resource != "membership"):
            key, version = message.route.resource[-1], int(message.header.resourceversion)
            assert version >= self.arrived.get(key, 0), "an older version after a newer one"
            self.arrived[key] = version

    def answer(self, which: int) -> None:
        if not self.inbox:
            return
        parent = self.inbox[which % len(self.inbox)].header.msg_id
        for key, sent in self.down.acknowledged(parent, self.now):
            version = int(sent.header.resourceversion)
            assert version > self.confirmed.get(key, 0), "confirmed again, or an older one after a newer"
            assert version <= self.arrived[key]
            self.confirmed[key] = version

    def cut(self, _: str) -> None:
        self.inbox.clear()
        self.down.restart()

    def finish(self) -> None:
        """From now on everything is answered."""
        for _ in range(200):
            if len(self.down):
                self.inbox.clear()
                deadline = self.down.deadline(self.now)
                assert deadline is not None
                self.wait(max(0.0, deadline - self.now))
                for which in range(len(self.inbox)):
                    self.answer(which)


@settings(max_examples=150)
@given(st.booleans(), st.integers(1, 4), steps)
def test_an_edge_ends_with_the_newest_of_everything(plain, window, steps):
    """Over a connection that is cut, to an edge that answers late, in any order or never."""
    scene = Scene(plain, window)
    for what, how in steps:
        getattr(scene, what)(how)
    scene.finish()
    assert len(scene.down) == 0
    assert scene.confirmed == scene.wanted == scene.arrived
    assert scene.down.oldest(scene.now) == 0.0


def test_a_message_of_any_kind_can_be_brought():
    down = Delivery(plain=False, window=2)
    bare = new_message("twinhub", "resource", "update", "x")
    down.offer("x", bare)
    assert down.due(0.0) == [bare]
    assert down.acknowledged(bare.header.msg_id, 0.0) == [("x", bare)]
