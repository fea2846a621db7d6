"""What `Transport` promises, for every transport and every broker."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from eventbus.broker import PrivateBroker
from eventbus.transport import BusError, Message
from tests.eventbus.conftest import Bus, Ear, free_port, until


def numbers(start: int, stop: int) -> list[bytes]:
    return [b"%d" % i for i in range(start, stop)]


async def test_messages_arrive_once_and_in_order(bus: Bus) -> None:
    hub = bus.transport("hub", subscriptions=["t/#"])
    ear = Ear(hub)
    async with hub:
        await bus.send("t/a", numbers(0, 500))
        await ear.heard(500)
    assert ear.payloads == numbers(0, 500)
    assert {(m.topic, m.duplicate, m.retained) for m in ear.messages} == {("t/a", False, False)}
    assert ear.ups == [False]
    assert ear.downs == 0


async def test_session_keeps_what_was_sent_while_away(bus: Bus) -> None:
    options = {"subscriptions": ["t/+"], "expiry": 3600}
    async with bus.transport("hub", **options):
        pass
    await bus.send("t/a", numbers(0, 300))
    hub = bus.transport("hub", **options)
    ear = Ear(hub)
    async with hub:
        await ear.heard(300)
    assert ear.payloads == numbers(0, 300)
    assert ear.ups == [True]


async def test_clean_session_keeps_nothing(bus: Bus) -> None:
    async with bus.transport("hub", subscriptions=["t/+"]):
        pass
    await bus.send("t/a", [b"missed"])
    hub = bus.transport("hub", subscriptions=["t/+"])
    ear = Ear(hub)
    async with hub:
        await bus.send("t/a", [b"heard"])
        await ear.heard(1)
    assert ear.payloads == [b"heard"]
    assert ear.ups == [False]


async def test_unacknowledged_messages_come_again_before_newer_ones(bus: Bus) -> None:
    options = {"subscriptions": ["t/+"], "expiry": 3600, "receive_maximum": 10}
    hub = bus.transport("hub", **options)
    ear = Ear(hub, acknowledge=False)
    async with hub:
        await bus.send("t/a", numbers(0, 40))
        await ear.heard(1)
        hub.acknowledge([ear.messages[0].receipt])
        await until(lambda: not hub.statistics().queued)
    await bus.send("t/a", numbers(40, 60))
    seen = ear.payloads
    again = bus.transport("hub", **options)
    ear = Ear(again)
    async with again:
        await ear.heard(59)
    assert ear.payloads == numbers(1, 60)
    assert all(m.duplicate for m in ear.messages if m.payload in seen)


async def test_receipt_of_an_earlier_connection_acknowledges_nothing(bus: Bus) -> None:
    options = {"subscriptions": ["t/+"], "expiry": 3600}
    hub = bus.transport("hub", **options)
    old = Ear(hub, acknowledge=False)
    async with hub:
        await bus.send("t/a", [b"1"])
        await old.heard(1)
        bus_pid = bus.broker.pid
        os.kill(bus_pid, signal.SIGTERM)
        await until(lambda: len(old.ups) == 2)
        await old.heard(2)
        hub.acknowledge([old.messages[0].receipt])
    again = bus.transport("hub", **options)
    ear = Ear(again)
    async with again:
        await ear.heard(1)
    assert ear.payloads == [b"1"]


async def test_broker_restart_loses_nothing_that_was_published_meanwhile(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    hub = bus.transport("hub", subscriptions=["t/+"], expiry=3600)
    device = bus.transport("device")
    ear = Ear(hub)
    device_ear = Ear(device)
    async with hub, device:
        assert device.publish("t/a", b"before")
        await ear.heard(1)
        os.kill(bus.broker.pid, signal.SIGTERM)
        await until(lambda: device_ear.downs)
        for payload in numbers(0, 100):
            assert device.publish("t/a", payload)
        assert not device.publish("t/a", b"qos 0", qos=0)
        await until(lambda: len(ear.ups) == 2 and len(device_ear.ups) == 2)
        assert device.publish("t/a", b"after")
        await ear.heard(102)
        assert device.statistics().dropped == 1
    assert ear.payloads == [b"before", *numbers(0, 100), b"after"]
    assert ear.downs == 1
    lines = [r.getMessage() for r in caplog.records if r.name == "eventbus" and bus.broker.url in r.getMessage()]
    assert len([line for line in lines if " is gone: " in line]) == 2  # one for each session
    assert len([line for line in lines if " is back after " in line]) == 2


async def test_queue_is_bounded_while_the_broker_is_away(bus: Bus) -> None:
    device = bus.transport("device", limits={"max_queued": 50})
    small = bus.transport("small", limits={"max_queued_bytes": 10_000})
    hub = bus.transport("hub", subscriptions=["t/+"], expiry=3600)
    ear = Ear(hub)
    async with hub, device, small:
        os.kill(bus.broker.pid, signal.SIGSTOP)
        accepted = [device.publish("t/a", payload) for payload in numbers(0, 60)]
        assert accepted == [True] * 50 + [False] * 10
        assert [small.publish("t/b", b"x" * 4000) for _ in range(4)] == [True, True, False, False]
        assert (device.statistics().queued, device.statistics().dropped) == (50, 10)
        assert small.statistics().queued == 2
        assert 8000 < small.statistics().queued_bytes <= 10_000
        os.kill(bus.broker.pid, signal.SIGCONT)
        await ear.heard(52)
        await until(lambda: not device.statistics().queued and not small.statistics().queued)
        assert small.statistics().queued_bytes == 0
        assert device.publish("t/a", b"room again")
        await ear.heard(53)
    assert [m.payload for m in ear.messages if m.topic == "t/a"] == [*numbers(0, 50), b"room again"]


async def test_half_open_connection_is_noticed(bus: Bus) -> None:
    hub = bus.transport("hub", keepalive=2)
    ear = Ear(hub)
    async with hub:
        os.kill(bus.broker.pid, signal.SIGSTOP)
        try:
            await until(lambda: ear.downs, within=2 * 1.5 + 0.5)
        finally:
            os.kill(bus.broker.pid, signal.SIGCONT)
        await until(lambda: len(ear.ups) == 2)


async def test_idle_connection_stays(bus: Bus) -> None:
    keepalive = 1 if bus.kind == "mqtt5" else 3  # nats-server rounds: it gives 1 s no more than 1 s
    hub = bus.transport("hub", keepalive=keepalive)
    ear = Ear(hub)
    async with hub:
        await asyncio.sleep(keepalive * 1.5 + 0.1)
    assert ear.downs == 0


async def test_large_payload(bus: Bus) -> None:
    payload = os.urandom(600_000)
    hub = bus.transport("hub", subscriptions=["t/+"])
    ear = Ear(hub)
    async with hub, bus.transport("device") as device:
        assert device.publish("t/a", payload)
        await ear.heard(1)
    assert ear.payloads == [payload]


async def test_subscriptions_come_and_go(bus: Bus) -> None:
    hub = bus.transport("hub", subscriptions=["end"], expiry=3600)
    ear = Ear(hub)
    async with hub:
        await hub.subscribe(["a/+", "b/+"])
        await bus.send("a/1", [b"1"])
        await ear.heard(1)
        await hub.unsubscribe(["a/+"])
        await bus.send("a/1", [b"2"])
        await bus.send("b/1", [b"3"])
        await bus.send("end", [b"4"])
        await ear.heard(3)
        os.kill(bus.broker.pid, signal.SIGKILL)  # what was added is subscribed again, what was removed is not
        await until(lambda: len(ear.ups) == 2)
        await bus.send("a/1", [b"5"])
        await bus.send("b/1", [b"6"])
        await until(lambda: b"6" in ear.payloads)
    assert sorted(ear.payloads) == [b"1", b"3", b"4", b"6"]


async def test_pause_delivers_nothing_and_resume_everything(bus: Bus) -> None:
    hub = bus.transport("hub", subscriptions=["t/+"])
    other = bus.transport("other", subscriptions=["t/+"])
    ear, witness = Ear(hub), Ear(other)
    async with hub, other:
        hub.pause()
        await bus.send("t/a", numbers(0, 100))
        await witness.heard(100)
        assert ear.payloads == []
        hub.resume()
        await ear.heard(100)
    assert ear.payloads == numbers(0, 100)


async def test_pause_outlives_a_reconnect(bus: Bus) -> None:
    hub = bus.transport("hub", subscriptions=["t/+"], expiry=3600, keepalive=1)
    other = bus.transport("other", subscriptions=["t/+"], expiry=3600)
    ear, witness = Ear(hub), Ear(other)
    async with hub, other:
        hub.pause()
        os.kill(bus.broker.pid, signal.SIGTERM)
        await until(lambda: len(witness.ups) == 2)
        if bus.kind == "mqtt5":  # it notices by its pings; paho only by reading, which is what a pause stops
            await until(lambda: len(ear.ups) == 2)
        await bus.send("t/a", numbers(0, 10))
        await witness.heard(10)
        assert ear.payloads == []
        hub.resume()
        await ear.heard(10)
    assert ear.payloads == numbers(0, 10)


async def test_stored_messages_are_marked(bus: Bus) -> None:
    await bus.send("t/a", [b"stored"], retain=True)
    hub = bus.transport("hub", subscriptions=["t/+"])
    ear = Ear(hub)
    async with hub:
        await ear.heard(1)
        await bus.send("t/a", [b"fresh"], retain=True)
        await ear.heard(2)
    assert [(m.payload, m.retained) for m in ear.messages] == [(b"stored", True), (b"fresh", False)]


async def test_leaving_flushes(bus: Bus) -> None:
    hub = bus.transport("hub", subscriptions=["t/+"])
    ear = Ear(hub)
    async with hub:
        async with bus.transport("device") as device:
            for payload in numbers(0, 1000):
                assert device.publish("t/a", payload)
        await ear.heard(1000)
    assert ear.payloads == numbers(0, 1000)


async def test_leaving_a_dead_broker_is_bounded(bus: Bus) -> None:
    async with asyncio.timeout(8):
        async with bus.transport("device") as device:
            os.kill(bus.broker.pid, signal.SIGSTOP)
            device.publish("t/a", b"never")
    os.kill(bus.broker.pid, signal.SIGCONT)


async def test_failing_callback_comes_out_of_the_body(bus: Bus) -> None:
    def fail(messages: list[Message]) -> None:
        raise LookupError("a bug")

    async def body() -> None:
        hub = bus.transport("hub", subscriptions=["t/+"])
        hub.on_messages = fail
        async with hub:
            await bus.send("t/a", [b"1"])
            await asyncio.sleep(10)

    with pytest.raises(LookupError, match="a bug"):
        await body()
    assert not asyncio.current_task().cancelling()


async def test_failure_of_the_body_stays_what_it_is(bus: Bus) -> None:
    with pytest.raises(LookupError, match="of the body"):
        async with bus.transport("hub"):
            raise LookupError("of the body")


@pytest.mark.parametrize("topic", ["a/+", "a/#", "", "a\0b", "\ud800", "x" * 70_000])
async def test_impossible_topic_is_dropped(bus: Bus, topic: str) -> None:
    async with bus.transport("device") as device:
        assert not device.publish(topic, b"x")
        assert device.statistics().dropped == 1
        assert device.publish("possible", b"x")
        await until(lambda: not device.statistics().queued)


async def test_absent_broker_is_waited_for(tmp_path: Path, bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    hub = bus.transport("hub", url=f"mqtt://127.0.0.1:{port}")
    entering = asyncio.create_task(hub.__aenter__())
    await until(lambda: "cannot be reached yet" in caplog.text)
    async with PrivateBroker(tmp_path / "late", port=port, kind=bus.broker.kind):
        await asyncio.wait_for(entering, 15)
        assert hub.statistics().connected
        await hub.__aexit__(None, None, None)


async def test_entering_can_be_given_up(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    hub = bus.transport("hub", url=f"mqtt://127.0.0.1:{free_port()}")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), hub:
            pass


async def test_address_is_checked(bus: Bus) -> None:
    with pytest.raises(BusError, match="mqtt://HOST:PORT"):
        bus.transport("hub", url="localhost:1883")
