"""Telecommands are numbered and paired with what the satellite reports of them."""

from __future__ import annotations

import pytest
from spacepackets.ecss.req_id import RequestId
from spacepackets.ecss.tc import PusTc

from mappers.mapper import Refused
from mappers.satellite.places import Order
from mappers.satellite.telecommands import Telecommands

ORDER = Order(20, 3, b"\x01\x00\x02", "int16", named=True)
FOREIGN = ORDER._replace(named=False)


def request(packet: bytes) -> bytes:
    return RequestId.from_pus_tc(PusTc.unpack(packet)).pack()


async def test_a_library_reads_what_is_sent() -> None:
    telecommands = Telecommands()
    packets = [telecommands.issue(100, ORDER, ORDER.data(-7), 2)[0] for _ in range(2)]
    for count, packet in enumerate(packets):
        read = PusTc.unpack(packet)
        assert (read.apid, read.seq_count, read.service, read.message_subtype) == (100, count, 20, 3)
        assert bytes(read.app_data) == b"\x01\x00\x02\xff\xf9"
        assert read.pus_tc_sec_header.ack_flags == 0b1111


async def test_completion_completes_it_and_acceptance_alone_does_not() -> None:
    telecommands = Telecommands()
    packet, outcome = telecommands.issue(100, ORDER, ORDER.data(1), 2)
    for subservice in (1, 3, 5):
        telecommands.hear(subservice, request(packet))
        assert not outcome.done()
    telecommands.hear(7, request(packet))
    assert await outcome is None


async def test_reports_of_others_are_none_of_ours() -> None:
    telecommands = Telecommands()
    first, outcome = telecommands.issue(100, ORDER, ORDER.data(1), 2)
    _, other = telecommands.issue(101, ORDER, ORDER.data(1), 2)
    telecommands.hear(7, b"\x1f\xff\xff\xff")
    telecommands.hear(7, b"")
    telecommands.hear(2, request(first) + b"\x00\x05")
    assert outcome.done()
    assert not other.done()
    with pytest.raises(ValueError, match="code 5, the data do not fit"):
        await outcome
    telecommands.hear(7, request(first))  # it is forgotten by now


@pytest.mark.parametrize(
    ("subservice", "order", "rest", "text"),
    [
        (4, ORDER, b"\x00\x14", "does not start it .code 20, the battery is too low"),
        (6, FOREIGN, b"\x00\x02\x00\x14", "does not go on with it .code 20.$"),
        (8, FOREIGN, b"\x00\x14", "does not complete it .code 20.$"),
        (8, FOREIGN, b"", "does not complete it .code 0.$"),
    ],
)
async def test_a_failure_on_the_way_may_succeed_later(subservice: int, order: Order, rest: bytes, text: str) -> None:
    telecommands = Telecommands()
    packet, outcome = telecommands.issue(100, order, order.data(1), 2)
    telecommands.hear(subservice, request(packet) + rest)
    with pytest.raises(Refused, match=text):
        await outcome


async def test_counts_begin_again_after_the_last() -> None:
    telecommands = Telecommands()
    telecommands._counts[100] = 0x3FFF
    packets = [telecommands.issue(100, ORDER, b"", 2)[0] for _ in range(2)]
    assert [PusTc.unpack(packet).seq_count for packet in packets] == [0x3FFF, 0]


@pytest.mark.parametrize("value", ["text", b"bytes", float("nan"), float("inf"), 40_000, -40_000, 1e300])
def test_what_does_not_fit_is_never_sent(value: object) -> None:
    with pytest.raises(ValueError):
        ORDER.data(value)  # type: ignore[arg-type]
