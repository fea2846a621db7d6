"""uvloop differs from asyncio in its classes and in the order of events: the main paths on it too."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
import uvloop

from eventbus.broker import PrivateBroker
from eventbus.endpoint import Endpoint
from eventbus.mqtt5_connection import Mqtt5Connection
from eventbus.transport import Session
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
                while len(ear.ups) < 2:  # a hub pauses for each commit, also on a connection that is just closing
                    hub.pause()
                    hub.acknowledge([ear.messages[-1].receipt])
                    hub.resume()
                    await asyncio.sleep(0)
                await ear.heard(1002)
            assert ear.payloads[:1000] == [b"%d" % i for i in range(1000)]
            assert ear.payloads[1001] == b"meanwhile"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(converse())


def test_writing_to_a_connection_that_has_just_ended_is_harmless() -> None:
    async def outrun_the_session() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        try:
            await write_late(Session(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", "c"))
        finally:
            server.close()

    async def write_late(session: Session) -> None:
        endpoint = Endpoint.of(session)
        connection = await endpoint.open(Mqtt5Connection(lambda _: None, lambda: None, endpoint, 1000))
        await connection.lost
        await asyncio.sleep(0.01)
        connection.write(b"late")
        connection.hold()
        connection.release()
        connection.keep_alive(1)
        await connection.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(outrun_the_session())
