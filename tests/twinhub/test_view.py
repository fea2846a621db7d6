import msgspec
import pytest

from twin.documents import MsgTwin, TwinChange, TwinDocument, TwinValue, ValueMetadata
from twinhub.client import Message
from twinhub.view import View

TOPIC = "$hw/events/device/default/pump/twin/update/document"


def speed(text: str, at: int = 0) -> MsgTwin:
    return MsgTwin(actual=TwinValue(text, ValueMetadata(timestamp=at)))


def document(name: str, current: MsgTwin | None) -> Message:
    return Message(TOPIC, msgspec.json.encode(TwinDocument("", 0, {name: TwinChange(None, current)})))


def test_a_change_is_seen_and_an_equal_reading_only_renews_the_age() -> None:
    view = View()
    view.put("default/pump", {"speed": speed("1200", 1_000)})
    assert [change.name for change in view.feed(document("speed", speed("1210", 2_000)))] == ["speed"]
    assert view.feed(document("speed", speed("1210", 9_000))) == []
    assert view.lines(now=10.0)[1].split() == ["default/pump", "speed", "1210", "good", "1.0", "s"]


def test_a_deleted_property_leaves_the_table() -> None:
    view = View()
    view.put("default/pump", {"speed": speed("1200")})
    (change,) = view.feed(document("speed", None))
    assert change.twin is None
    assert len(view.lines(0)) == 1


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'{"twin":5}', b"[" * 100_000, b"\xff"])
def test_what_is_no_document_is_skipped(payload: bytes) -> None:
    assert View().feed(Message(TOPIC, payload)) == []
    assert View().feed(Message("another/topic", payload)) == []
