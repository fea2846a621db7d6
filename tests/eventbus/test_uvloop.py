"""uvloop differs from asyncio in its classes and in the order of events: the main paths on it too."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
import uvloop

from eventbus.broker import PrivateBroker
from tests.eventbus.conftest import Bus, Ear, free_port, until


@pytest.mark.parametrize("kind", ["mqtt5", "paho"])
def test_messages_pauses_and_a_broker_that_dies(tmp_path: Path, kind: str) -> None:
    async def converse() -> None:
        async with PrivateBroker(tmp_path, port=free_port(), kind="mosquitto") as broker:
            bus = Bus(broker, kind)
            hub = bus.transport("hub", subscriptions=["t/+"], expiry=60)
            device = bus.transport("device")
            ear, device_ear = Ear(hub), Ear(device)
            async with hub, device:
                for i in range(1000):
                    assert device.publish("t/a", b"%d" % i)
                await ear.heard(1000)
                hub.pause()
                assert device.publish("t/a", b"x" * 300_000)
                await until(lambda: not device.statistics().queued)
                assert len(ear.messages) == 1000
                hub.resume()
                await ear.heard(1001)
                os.kill(broker.pid, signal.SIGTERM)
                await until(lambda: device_ear.downs)
                assert device.publish("t/a", b"meanwhile")
                await ear.heard(1002)
            assert ear.payloads[:1000] == [b"%d" % i for i in range(1000)]
            assert ear.payloads[1001] == b"meanwhile"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(converse())
