"""The Bluetooth fields of a manifest as two typed forms: `protocol.configData` and `visitors.configData`.

Other spellings, KubeEdge's among them, are put into these by `spelling`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from mappers.ble.codec import Order, Type
from mappers.ble.converter import DataConverter
from mappers.ble.uuids import full_uuid

_NAMES = {"characteristic_uuid": "characteristicUUID", "service_uuid": "serviceUUID"}


def _camel(name: str) -> str:
    """As in a manifest; UUID stays in capitals, as KubeEdge has it."""
    return _NAMES.get(name) or re.sub("_(.)", lambda found: found[1].upper(), name)


class BleConfig(Struct, frozen=True, forbid_unknown_fields=True, rename=_camel, kw_only=True):
    """Which device, and through which adapter."""

    address: str
    """The device's address, `F0:F1:F2:F3:F4:F5`."""
    adapter: str = "hci0"
    """An adapter of the system (`hci0`), or a controller of one's own by its transport (`serial:/dev/ttyACM0`)."""
    slots: Annotated[int, Meta(ge=1, le=200)] = 5
    """Devices the adapter may have connected at a time; of several devices that disagree, the largest counts."""
    timeout: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """Seconds an answer is waited for; a connection, with all its services, may take four times as long."""
    silence: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    """Seconds without a word after which it is gone; None: 60 for a device that is never connected, else never."""
    connect: Literal["auto", "never"] = "auto"
    """auto: connected when a property needs it."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"([0-9A-F]{2}:){5}[0-9A-F]{2}", self.address):
            raise ValueError(f"macAddress {self.address!r} is no address such as F0:F1:F2:F3:F4:F5")


class BleVisitor(Struct, frozen=True, forbid_unknown_fields=True, rename=_camel, kw_only=True):
    """Where a property comes from, and how it is read out of the bytes there."""

    characteristic_uuid: str | None = None
    service_uuid: str | None = None
    """The service of the characteristic; needed where several have it."""
    manufacturer_data: Annotated[int, Meta(ge=0, le=0xFFFF)] | None = None
    """The company whose data in the advertisement it is."""
    service_data: str | None = None
    """The service whose data in the advertisement it is."""
    rssi: bool = False
    """The strength of the last advertisement, dBm."""
    last_seen: bool = False
    """When the last advertisement came, Unix milliseconds."""
    type: Type | None = None
    order: Order = "little"
    offset: Annotated[int, Meta(ge=0, le=511)] = 0
    length: Annotated[int, Meta(ge=1, le=512)] | None = None
    notify: Literal["auto", "never"] = "auto"
    """auto: a characteristic that can notify is not polled."""
    data_converter: DataConverter | None = None
    data_write: Mapping[str, bytes] | None = None
    """The bytes to write for a desired value."""

    def __post_init__(self) -> None:
        for uuid in (self.characteristic_uuid, self.service_uuid, self.service_data):
            if uuid is not None:
                full_uuid(uuid)

    @property
    def characteristic(self) -> str | None:
        """The characteristic's full UUID."""
        return full_uuid(self.characteristic_uuid) if self.characteristic_uuid else None

    @property
    def service(self) -> str | None:
        """The full UUID of the service that has it, where one is named."""
        return full_uuid(self.service_uuid) if self.service_uuid else None

    @property
    def advertised(self) -> bool:
        """It is in advertisements: no connection is needed."""
        return self.characteristic_uuid is None
