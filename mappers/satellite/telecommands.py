"""Telecommands and what the satellite reports of them: service 1, request verification (ECSS-E-ST-70-41C). No I/O."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from mappers.mapper import Refused
from mappers.satellite.packets import LAST_COUNT
from mappers.satellite.places import Order

__all__ = ["VERIFICATION", "Telecommands"]

VERIFICATION = 1
"""The service that reports acceptance, start, progress and completion."""
REQUEST = 4
"""Bytes of a request identification: the first of the telecommand's primary header."""
ACCEPTANCE_FAILED, START_FAILED, PROGRESS_FAILED, COMPLETED, COMPLETION_FAILED = 2, 4, 6, 7, 8
_STAGES = {START_FAILED: "start", PROGRESS_FAILED: "go on with", COMPLETION_FAILED: "complete"}


class _Request(NamedTuple):
    order: Order
    failure_bytes: int
    outcome: asyncio.Future[None]


class Telecommands:
    """Numbers telecommands and pairs each with the reports of its verification."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        """The next sequence count by application."""
        self._requests: dict[bytes, _Request] = {}
        """Those that are not completed, by request identification."""

    def issue(self, apid: int, order: Order, data: bytes, failure_bytes: int) -> tuple[bytes, asyncio.Future[None]]:
        """The packet to send, and what becomes of it: done when it is completed. Its exception is ValueError when
        the satellite does not accept it as it is, Refused when it cannot carry it out now. Raises ValueError where
        the package spacepackets is missing."""
        packet = _packet(apid, self._counts.get(apid, 0), order, data)
        self._counts[apid] = (self._counts.get(apid, 0) + 1) & LAST_COUNT
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests[packet[:REQUEST]] = _Request(order, failure_bytes, outcome)
        outcome.add_done_callback(lambda _: self._requests.pop(packet[:REQUEST], None))
        return packet, outcome

    def hear(self, subservice: int, data: bytes) -> None:
        """A report of service 1. Those of others' telecommands are none of ours."""
        request = self._requests.get(data[:REQUEST])
        if request is None or request.outcome.done():
            return
        if subservice == COMPLETED:
            request.outcome.set_result(None)
        elif subservice == ACCEPTANCE_FAILED:
            why = request.order.failure(_code(request, data))
            request.outcome.set_exception(ValueError(f"the satellite does not accept the telecommand ({why})"))
        elif subservice in _STAGES:
            why = request.order.failure(_code(request, data, step=subservice == PROGRESS_FAILED))
            request.outcome.set_exception(Refused(f"the satellite does not {_STAGES[subservice]} it ({why})"))


def _code(request: _Request, data: bytes, *, step: bool = False) -> int:
    """The code of failure; a report on progress names the step before it, which takes the same number of bytes."""
    at = REQUEST + (request.failure_bytes if step else 0)
    return int.from_bytes(data[at : at + request.failure_bytes], "big")


def _packet(apid: int, count: int, order: Order, data: bytes) -> bytes:
    try:
        from spacepackets.ecss.tc import PusTc  # noqa: PLC0415 - only who has a satellite needs the package
    except ImportError:
        raise ValueError("telecommands need the package spacepackets: pip install 'twinhub[satellite]'") from None
    command = PusTc(order.service, order.subservice, apid=apid, seq_count=count, app_data=data)
    return bytes(command.pack())
