"""Run the mappers of a protocol for some devices, with the real framework and without a bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import cast
from unittest.mock import patch

from device_models import Device
from eventbus.device_side import DeviceSide
from mappers.protocols import PROTOCOLS, Protocol
from mappers.runner import MapperRunner
from mappers.testing.side import MemorySide


@asynccontextmanager
async def running(protocol: str | Protocol, devices: Iterable[Device]) -> AsyncIterator[MemorySide]:
    """Mappers of this protocol (by `protocolName`, or one that is not installed) serve these devices until the
    context ends. Pauses between attempts are short, so that tests are quick."""
    chosen = PROTOCOLS[protocol] if isinstance(protocol, str) else protocol
    side = MemorySide()
    with hurry():
        async with MapperRunner(chosen, devices, cast(DeviceSide, side)):
            yield side


@contextmanager
def hurry() -> Iterator[None]:
    """Attempts to come back follow each other closely while this lasts."""
    with (
        patch("mappers.link.FIRST_DELAY", 0.02),
        patch("mappers.link.LONGEST_DELAY", 0.2),
        patch("mappers.station.LONGEST_PAUSE", 0.2),
        patch("mappers.wishes.FIRST_PAUSE", 0.05),
        patch("mappers.wishes.LONGEST_PAUSE", 0.2),
    ):
        yield
