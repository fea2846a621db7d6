"""A stand whose device is at the end of a wire: what happens to the wire is the same for every protocol."""

from __future__ import annotations

from typing import Protocol

from mappers.testing.rig import Stand


class Wire(Protocol):
    """A `Proxy` or a `Line`."""

    async def silence(self) -> None: ...

    async def slow(self, seconds: float) -> None: ...

    async def garble(self) -> None: ...

    async def drop(self) -> None: ...

    async def whole(self) -> None: ...


class WiredStand(Stand):
    """What remains is the device itself: `show`, `setting`, `stop` and `start`."""

    wire: Wire

    async def silence(self) -> None:
        await self.wire.silence()

    async def slow(self, seconds: float) -> None:
        await self.wire.slow(seconds)

    async def garbage(self) -> None:
        await self.wire.garble()

    async def drop(self) -> None:
        await self.wire.drop()

    async def whole(self) -> None:
        await self.wire.whole()
