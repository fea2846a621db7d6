"""Devices of every protocol, recorded and replayed: polled or speaking by themselves, they say the same again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from eventbus.device_side import DeviceSide
from mappers.protocols import PROTOCOLS, BrokenMapper
from mappers.recorder import noting
from mappers.recording import header_of
from mappers.replay.mapper import OVER
from mappers.tape import Tape
from mappers.testing.replaying import replaying
from mappers.testing.rig import NUMBER, Rig
from mappers.testing.running import hurry, running
from mappers.testing.side import MemorySide


def _rigs() -> dict[str, Rig]:
    """By protocol; a second name of one has the same rig."""
    found: dict[str, Rig] = {}
    for protocol in PROTOCOLS.values():
        with suppress(BrokenMapper):
            rig: Rig = protocol.part("rig").RIG
            found[rig.protocol] = rig
    return found


RIGS = _rigs()


def number_is(side: MemorySide, device_id: str, number: int) -> Callable[[], bool]:
    return lambda: float(side.value(device_id, NUMBER) or -1) == number


def values(side: MemorySide, device_id: str, name: str) -> list[tuple[str | None, str, str]]:
    return [(reading.value, reading.quality, reading.reason) for reading in side.readings(device_id, name)]


@pytest.mark.parametrize("protocol", sorted(RIGS))
async def test_a_device_and_its_replay_say_the_same(protocol: str, tmp_path: Path) -> None:
    file = tmp_path / "it.jsonl"
    live = MemorySide()
    async with RIGS[protocol].stands(1) as [stand]:
        device = stand.device
        await stand.show(1)
        with hurry():
            async with noting(device, Tape(file, header_of(device)), side=cast(DeviceSide, live)):
                for number in (1, 2):
                    await stand.show(number)
                    await live.until(number_is(live, device.id, number))
                await stand.silence()
                await live.until(lambda: live.state_of(device.id) == "offline")
                await stand.whole()
                await stand.show(3)
                await live.until(number_is(live, device.id, 3))
                await stand.silence()  # or a last reading may be on the tape, and not reported yet
                await live.until(lambda: live.state_of(device.id) == "offline")
                heard = {prop.name: values(live, device.id, prop.name) for prop in device.properties}
    async with running("replay", [replaying(device, file, speed=2)]) as side:
        await side.until(lambda: any(reading.reason == OVER for reading in side.readings(device.id, NUMBER)))
    assert {prop.name: values(side, device.id, prop.name)[:-1] for prop in device.properties} == heard
