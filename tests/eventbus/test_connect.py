from __future__ import annotations

import os
import signal

import pytest

from eventbus.broker import PrivateBroker
from eventbus.connect import transport
from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.paho_transport import PahoTransport
from eventbus.refusal import ProtocolRefusedError
from eventbus.transport import BusError, Session
from tests.eventbus.conftest import Bus, Ear, until


def test_the_asked_one() -> None:
    session = Session("mqtt://127.0.0.1", "c")
    assert isinstance(transport(session, "mqtt5"), Mqtt5Transport)
    assert isinstance(transport(session, "paho"), PahoTransport)


def test_address_is_checked_at_once() -> None:
    with pytest.raises(BusError, match="mqtt://HOST:PORT"):
        transport(Session("localhost", "c"))


async def test_broker_without_mqtt5_refuses_it(nats: PrivateBroker) -> None:
    with pytest.raises(ProtocolRefusedError, match="does not speak MQTT 5"):
        async with transport(Session(nats.url, "c"), "mqtt5"):
            pass


async def test_auto_speaks_mqtt5_with_mosquitto(mosquitto: PrivateBroker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await converse(mosquitto)
    assert "using MQTT 3.1.1" not in caplog.text


async def test_auto_speaks_the_older_version_with_nats(nats: PrivateBroker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await converse(nats)
    assert "using MQTT 3.1.1" in caplog.text


async def converse(broker: PrivateBroker) -> None:
    """Every method of the interface, once."""
    client = transport(Session(broker.url, "c", subscriptions=["t/+"], expiry=60))
    ear = Ear(client)
    async with client:
        assert client.publish("t/a", b"1")
        await ear.heard(1)
        await client.subscribe(["u/+"])
        await client.unsubscribe(["t/+"])
        client.pause()
        await Bus(broker, "").send("u/a", [b"2"])
        client.resume()
        await ear.heard(2)
        os.kill(broker.pid, signal.SIGTERM)
        await until(lambda: ear.downs and client.statistics().connected)
    assert ear.payloads == [b"1", b"2"]
