"""The real framework runs without a bus, and what is shorter for tests is as before afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from device_models import Device
from mappers import link, station, wishes
from mappers.configuration import ConfigurationErrors
from mappers.modbus.rig import RIG
from mappers.testing.rig import NUMBER, SETTING
from mappers.testing.running import running


def pauses() -> list[Any]:
    return [link.FIRST_DELAY, link.LONGEST_DELAY, station.LONGEST_PAUSE, wishes.FIRST_PAUSE, wishes.LONGEST_PAUSE]


async def test_it_tells_what_a_device_says_and_hears_wishes() -> None:
    before = pauses()
    async with RIG.stands(1) as (stand,):
        device_id = stand.device.id
        await stand.show(7)
        async with running("modbus", [stand.device]) as side:
            assert pauses() != before
            await side.until(lambda: side.value(device_id, NUMBER) == "7.0")
            assert side.state_of(device_id) == "online"
            assert side.quality(device_id, NUMBER) == "good"
            assert [heard.reading for heard in side.heard(device_id, NUMBER)] == side.readings(device_id, NUMBER)
            side.wish(device_id, **{SETTING: "12"})
            await side.until(lambda: side.value(device_id, SETTING) == "12")
            await stand.stop()
            await side.until(lambda: side.quality(device_id, NUMBER) == "bad")
            assert side.value(device_id, NUMBER) == "7.0"
            last = side.last(device_id, NUMBER)
            assert last is not None
            assert last.reason
    assert pauses() == before


async def test_what_never_comes_is_a_timeout() -> None:
    async with running("modbus", []) as side:
        with pytest.raises(TimeoutError):
            await side.until(lambda: side.value("default/nobody", NUMBER), within=0.05)
        assert side.last("default/nobody", NUMBER) is None
        assert side.quality("default/nobody", NUMBER) == ""


async def test_a_wrong_device_is_told() -> None:
    before = pauses()
    with pytest.raises(ConfigurationErrors, match="prot"):
        async with running("modbus", [Device("default", "d", "m", "modbus", {"prot": 1}, ())]):
            pass
    assert pauses() == before
