"""A protocol on the test bench: simulated devices, and all that may happen to them. Every mapper brings a `rig`
module whose `RIG` is one of these; it needs no pytest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from device_models import Device

NUMBER, SETTING = "number", "setting"
"""The properties that every device of a rig declares: NUMBER (FLOAT, read-only) is read or pushed at least every
100 ms, SETTING (INT, read and write, 0 to 100) can be written. A protocol that cannot write leaves SETTING out and
says so in `cannot`."""


class Stand(ABC):
    """One simulated device that the kit holds, with the wire to it. All methods return when they have taken effect;
    `whole` undoes silence, slowness, garbage and darkness."""

    device: Device
    """As a manifest would declare it, with the properties NUMBER and SETTING; short time-outs (0.3 s or less), so
    that tests are quick."""

    @abstractmethod
    async def show(self, number: float) -> None:
        """What the device itself says NUMBER is, from now on. Whole numbers from 0 to 100 are given."""

    @abstractmethod
    async def setting(self) -> int:
        """What the device itself holds for SETTING."""

    @abstractmethod
    async def silence(self) -> None:
        """A black hole: connections stand and are accepted, nothing is answered or said."""

    @abstractmethod
    async def slow(self, seconds: float) -> None:
        """Every answer, and every word it says by itself, takes so long."""

    @abstractmethod
    async def garbage(self) -> None:
        """What it says is nonsense in its protocol: noise, not wrong values."""

    @abstractmethod
    async def drop(self) -> None:
        """All connections to it end at once; new ones are welcome."""

    @abstractmethod
    async def stop(self) -> None:
        """Power off: nothing is there any more. SETTING may be forgotten."""

    @abstractmethod
    async def start(self) -> None:
        """Power on again, at the same address, whole."""

    @abstractmethod
    async def whole(self) -> None:
        """It behaves well again."""

    def source_times(self) -> Sequence[int] | None:
        """The device's own times of all it said so far (Unix milliseconds), where the protocol carries them; None
        where it does not, and the time of receipt counts."""
        return None

    async def doubt(self) -> None:
        """The device itself calls NUMBER uncertain, from now on until `whole`. Only where `Rig.doubts`."""
        raise NotImplementedError


class Rig(ABC):
    """A protocol on the bench."""

    protocol: ClassVar[str]
    """Its `protocolName`."""
    cannot: ClassVar[Mapping[str, str]] = {}
    """Checks of the kit that make no sense for this protocol, by the name of the test, with the reason in a
    few words: it is printed in the table of protocols."""
    doubts: ClassVar[bool] = False
    """Devices of this protocol can call a value uncertain themselves."""

    @abstractmethod
    def stands(self, count: int) -> AbstractAsyncContextManager[Sequence[Stand]]:
        """So many devices, called `default/<protocol>-0` and on, switched on and whole until the context ends. Their
        links are separate where the protocol has links of one device."""
