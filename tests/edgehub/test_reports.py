"""An entry of the outbox as a message: written as text, and equal to what the rows of the wire would make of it."""

from __future__ import annotations

from collections import deque

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edgehub.fresh_copies import newest
from edgehub.reports import batch, report
from link import contents, rows
from link.limits import BATCH_MESSAGES
from link.message import decode
from twin.documents import DeviceState, MsgTwin, TwinValue, TwinVersion
from twin.outbox import OutboxEntry

values = st.text(max_size=20)
twins = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.builds(
        lambda value, edge: MsgTwin(actual=TwinValue(value), optional=True, actual_version=TwinVersion(0, edge)),
        values,
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=3,
)
devices = st.sampled_from(["default/pump", 'a"b/\\c', "dev/ü"])


def entry(seq: int, device: str, twin: dict[str, MsgTwin]) -> OutboxEntry:
    return OutboxEntry(seq, device, "twin", msgspec.json.encode(twin).decode())


@given(device=devices, twin=twins)
def test_a_twin_is_the_row_of_the_wire(device: str, twin: dict[str, MsgTwin]) -> None:
    written = entry(7, device, twin)
    [read] = decode(report(device, "twin", written.body, "7", 123))
    row = rows.edge_updated(device, written.body, 123, "7")
    assert (read.header, read.route) == (row.header, row.route)
    assert contents.twins(read) == twin


@given(device=devices, state=st.builds(DeviceState, values, values, values))
def test_a_state_is_the_row_of_the_wire(device: str, state: DeviceState) -> None:
    [read] = decode(report(device, "state", msgspec.json.encode(state).decode(), "7", 123))
    row = rows.state_update(device, state, 123, "7")
    assert (read.header, read.route) == (row.header, row.route)
    assert contents.state(read) == state


@given(
    bodies=st.lists(twins, min_size=1, max_size=30),
    room=st.integers(1, 3000),
    most=st.integers(1, 2 * BATCH_MESSAGES),
)
def test_batches_hold_everything_in_order_within_the_limits(
    bodies: list[dict[str, MsgTwin]], room: int, most: int
) -> None:
    waiting = deque(entry(n, "default/pump", body) for n, body in enumerate(bodies, start=1))
    numbers: list[int] = []
    while waiting:
        frame, taken = batch(waiting, room, most, 1)
        messages = decode(frame)
        assert [int(m.header.msg_id) for m in messages] == [seq for seq, _ in taken]
        assert len(messages) <= min(most, BATCH_MESSAGES)
        assert len(taken) == 1 or sum(size for _, size in taken) <= room
        numbers += [seq for seq, _ in taken]
    assert numbers == list(range(1, len(bodies) + 1))


@given(bodies=st.lists(st.tuples(devices, twins), max_size=30), room=st.integers(1, 5000))
def test_fresh_copies_are_the_newest_of_each_property(
    bodies: list[tuple[str, dict[str, MsgTwin]]], room: int
) -> None:
    entries = [entry(n, device, body) for n, (device, body) in enumerate(bodies, start=1)]
    latest = {(device, name): twin for device, body in bodies for name, twin in body.items()}
    told: dict[tuple[str, str], MsgTwin | None] = {}
    for text in newest(reversed(entries), room, 1):
        [message] = decode(text)
        device = message.route.resource.removeprefix("device/").removesuffix("/twin/edge_updated")
        for name, twin in contents.twins(message).items():
            assert (device, name) not in told, "once"
            told[device, name] = twin
    assert all(latest[key] == twin for key, twin in told.items())
    if room == 5000 and len(bodies) <= 5:
        assert told.keys() == latest.keys()
    assert bool(told) == bool(bodies)
