"""What is lost comes back by itself, once: no subscription, item or session too many or too few."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from asyncua import ua

from mappers.opcua.rig import RIG, OpcuaStand
from mappers.testing.rig import NUMBER, SETTING
from mappers.testing.running import running
from mappers.testing.side import MemorySide, until

ITEMS = 2


class Bed:
    """A stand with a mapper running for it, and a look into the server."""

    def __init__(self, stand: OpcuaStand, side: MemorySide) -> None:
        self.stand = stand
        self.side = side
        self.server: Any = stand._housed.boiler._server

    async def shows(self, number: float) -> None:
        await self.stand.show(number)
        await until(lambda: self.side.value(self.stand.device.id, NUMBER) == str(float(number)))
        await until(lambda: self.side.quality(self.stand.device.id, NUMBER) == "good")

    async def on_the_server(self, work: Callable[[Any], Any]) -> Any:
        async def do() -> Any:
            done = work(self.server.iserver)
            return await done if asyncio.iscoroutine(done) else done

        return await self.stand._housed.do(do())

    async def counts(self) -> tuple[int, int]:
        """Subscriptions, and monitored items in them."""

        def count(server: Any) -> tuple[int, int]:
            subscriptions = server.subscription_service.subscriptions.values()
            items = [len(each.monitored_item_srv._monitored_items) for each in subscriptions]
            return len(items), sum(items)

        return await self.on_the_server(count)  # type: ignore[no-any-return]

    async def whole(self) -> None:
        """There is one subscription with all items, and no other."""
        async with asyncio.timeout(20):
            while await self.counts() != (1, ITEMS):
                await asyncio.sleep(0.02)


@asynccontextmanager
async def bed() -> AsyncIterator[Bed]:
    async with RIG.stands(1) as (stand,):
        assert isinstance(stand, OpcuaStand)
        async with running("opcua", [stand.device]) as side:
            test = Bed(stand, side)
            await test.shows(1)
            await test.whole()
            yield test


async def test_dropped_again_and_again_it_has_one_subscription() -> None:
    """The server does not know at first that the others are lost; they do not outlive their time."""
    with patch("mappers.opcua.subscriptions.LIFETIME", 0.5):
        await _dropped()


async def _dropped() -> None:
    async with bed() as test:
        for number in range(2, 6):
            await test.stand.drop()
            await test.shows(number)
        await test.whole()


async def test_a_deleted_subscription_is_noticed_and_made_again() -> None:
    async with bed() as test:
        await test.on_the_server(
            lambda server: server.subscription_service.delete_subscriptions(
                list(server.subscription_service.subscriptions)
            )
        )
        await test.shows(2)
        await test.whole()


async def test_an_ended_subscription_is_noticed_and_made_again() -> None:
    """The server says so, with a status change."""
    async with bed() as test:

        async def end(server: Any) -> None:
            for each in server.subscription_service.subscriptions.values():
                await each.monitored_item_srv.trigger_statuschange(ua.StatusCode(ua.StatusCodes.BadTimeout))

        await test.on_the_server(end)
        heard = test.side.heard(test.stand.device.id, NUMBER)
        await until(lambda: any("BadTimeout" in each.reading.reason for each in heard))
        await test.shows(2)
        await test.whole()


async def test_a_missing_message_is_noticed() -> None:
    async with bed() as test:

        def lose(server: Any) -> None:
            for each in server.subscription_service.subscriptions.values():
                each._notification_seq += 1

        await test.on_the_server(lose)
        heard = test.side.heard(test.stand.device.id, NUMBER)
        await until(lambda: any("is missing" in each.reading.reason for each in heard))
        await test.shows(2)
        await test.whole()


async def test_a_server_whose_subscription_falls_silent_is_left(caplog: Any) -> None:
    """Its connection stands, and it answers: only the messages of the subscription do not come."""
    async with bed() as test:

        def mute(server: Any) -> None:
            for each in server.subscription_service.subscriptions.values():
                each._task.cancel()

        await test.on_the_server(mute)
        await until(lambda: any("nothing heard from the server" in message for message in caplog.messages))
        await test.shows(2)
        await test.whole()


async def test_a_closed_session_is_noticed() -> None:
    async with bed() as test:

        async def close(server: Any) -> None:
            for each in list(server.subscription_service.subscriptions.values()):
                await each.session.close_session(True) if hasattr(each, "session") else None
            for protocol in list(test.server.bserver.clients):
                if protocol.processor.session is not None:
                    await protocol.processor.session.close_session(True)

        await test.on_the_server(close)
        await test.shows(2)
        await test.whole()


async def test_the_secure_channel_is_renewed_in_time() -> None:
    with patch("mappers.opcua.session.CHANNEL_LIFETIME", 2000):
        async with bed() as test:
            proxy = test.stand.wire
            connections = proxy.connections
            for number in range(2, 14):
                await test.shows(number)
                await asyncio.sleep(0.3)
            assert proxy.connections == connections
            test.side.wish(test.stand.device.id, **{SETTING: "44"})
            await until(lambda: test.side.value(test.stand.device.id, SETTING) == "44")


async def test_what_is_only_read_comes_back_too() -> None:
    async with RIG.stands(1) as (stand,):
        thing = replace(stand.device, config={**stand.device.config, "subscribe": "never"})
        async with running("opcua", [thing]) as side:
            await until(lambda: side.quality(thing.id, NUMBER) == "good")
            await stand.stop()
            await until(lambda: side.state_of(thing.id) == "offline")
            side.wish(thing.id, **{SETTING: "77"})
            await stand.start()
            await stand.show(78)
            await until(lambda: side.value(thing.id, NUMBER) == "78.0" and side.value(thing.id, SETTING) == "77")
