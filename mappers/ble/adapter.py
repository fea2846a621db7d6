"""What a Bluetooth adapter can do, whichever library drives it: hear advertisements, and connect.

Errors: LinkLost (or OSError) when the adapter or the connection is of no use any more, Refused when a device
answers that it will not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mappers.mapper import LinkLost


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What a device says to everybody."""

    address: str
    """In capitals, with colons."""
    rssi: int
    """dBm."""
    name: str = ""
    manufacturer_data: Mapping[int, bytes] = field(default_factory=dict)
    """By company."""
    service_data: Mapping[str, bytes] = field(default_factory=dict)
    """By full UUID of the service."""
    handle: Any = None
    """The library's own name of the device; connecting takes it back."""


@dataclass(frozen=True, slots=True, eq=False)
class Characteristic:
    """One characteristic of a connected device."""

    uuid: str
    service: str
    """Both in full."""
    properties: frozenset[str]
    """`read`, `write`, `write-without-response`, `notify`, `indicate`."""
    handle: Any
    """The library's own."""

    @property
    def readable(self) -> bool:
        return "read" in self.properties

    @property
    def writable(self) -> bool:
        return not self.properties.isdisjoint({"write", "write-without-response"})

    @property
    def notifies(self) -> bool:
        return not self.properties.isdisjoint({"notify", "indicate"})


class Connection(ABC):
    """One connected device."""

    characteristics: Sequence[Characteristic] = ()

    @abstractmethod
    async def read(self, characteristic: Characteristic) -> bytes:
        """Its value as of now."""

    @abstractmethod
    async def write(self, characteristic: Characteristic, data: bytes) -> None:
        """With response unless it only takes them without."""

    @abstractmethod
    async def subscribe(self, characteristic: Characteristic, on_value: Callable[[bytes], None]) -> None:
        """From now on `on_value` is called with every value that the device notifies or indicates."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect. Does not raise, and is bounded in time."""


class Adapter(ABC):
    """One adapter: `open` once, `close` once."""

    remembers: ClassVar[bool] = False
    """What it says of a device's characteristics may be out of date: the system remembers them."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    async def open(self, on_advertisement: Callable[[Advertisement], None], on_lost: Callable[[str], None]) -> None:
        """Scan from now on. LinkLost or OSError when it is not there or switched off. `on_lost` is called once with
        the reason when that comes later."""

    @abstractmethod
    async def free(self, address: str) -> None:
        """End a connection to a device that the system holds and nobody here has: it would never advertise. Does not
        raise, and is bounded in time."""

    @abstractmethod
    async def forget(self, address: str) -> None:
        """Look afresh what a device has when it is connected next. Does not raise, and is bounded in time."""

    @abstractmethod
    async def connect(self, seen: Advertisement, patience: float, on_disconnect: Callable[[str], None]) -> Connection:
        """Connect to the device that said this, and look what it has. TimeoutError after `patience` seconds, which
        do not count while others are being connected. `on_disconnect` is called once with the reason when it ends
        without `Connection.close`. When it is cancelled, nothing stays connected."""

    @abstractmethod
    async def close(self) -> None:
        """Stop; also when it is half open or lost. Does not raise."""


def adapter_named(name: str) -> Adapter:
    """The adapter for a name in a manifest: `hci0` is the system's, `transport:address` a controller of one's own.
    LinkLost with what to install when the library is not there."""
    if ":" in name:
        try:
            from mappers.ble.bumble_adapter import BumbleAdapter  # noqa: PLC0415 - an optional library
        except ImportError as error:
            raise LinkLost(f"the adapter {name} needs the package bumble: pip install 'twinhub[hci]'") from error
        return BumbleAdapter(name)
    from mappers.ble.bleak_adapter import BleakAdapter  # noqa: PLC0415 - only who connects pays

    return BleakAdapter(name)
