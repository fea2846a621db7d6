"""A session that is given up while it is made."""

from __future__ import annotations

import asyncio

from mappers.opcua.config import OpcuaConfig
from mappers.opcua.session import Session

STEPS = 30
"""Turns of the event loop after which a connection stands."""


async def test_it_can_be_given_up_at_any_moment() -> None:
    """Also in the very turn in which the connection is made: a cancellation that is lost there is lost for ever."""
    silent = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1")
    port = silent.sockets[0].getsockname()[1]
    async with silent:
        for steps in range(STEPS):
            session = Session(OpcuaConfig(url=f"opc.tcp://127.0.0.1:{port}/", timeout=60))
            opening = asyncio.create_task(session.open())
            for _ in range(steps):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.wait([opening], timeout=10)
            assert opening.cancelled()
            await session.close()
