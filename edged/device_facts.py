"""What a pod gets to know of the device it is bound to, whatever protocol that speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from device_models import Device
from edged.wanted import BoundDevice
from eventbus.topics import of_device

__all__ = ["address_of", "bound"]

_WHOLE = ("url", "endpoint", "address", "macaddress", "serialport", "tty")
_HOST = ("host", "ip", "hostname")


def bound(device: Device, broker: Mapping[str, str]) -> BoundDevice:
    """The device as environment variables. `broker`: those that say where, and as whom, its twin is spoken to."""
    env = {
        "TWINHUB_DEVICE_ID": device.id,
        "TWINHUB_DEVICE_TOPIC": of_device(device.id, "").rstrip("/"),
        "TWINHUB_DEVICE_ADDRESS": address_of(device.config),
        **broker,
    }
    return BoundDevice(device.id, {name: value for name, value in env.items() if value})


def address_of(config: Mapping[str, Any]) -> str:
    """The first thing in a device's configuration that says where it is: an URL, a HOST:PORT, a serial line. Empty
    where nothing does. Without a password."""
    for level in _levels(config):
        known = {key.casefold(): value for key, value in level.items() if isinstance(value, str | int)}
        for key in _WHOLE:
            if known.get(key):
                return _without_password(str(known[key]))
        for key in _HOST:
            if known.get(key):
                return f"{known[key]}:{known['port']}" if known.get("port") else str(known[key])
    return ""


def _levels(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Outer mappings first."""
    level = [config]
    while level:
        yield from level
        level = [inner for one in level for inner in one.values() if isinstance(inner, Mapping)]


def _without_password(text: str) -> str:
    parts = urlsplit(text)
    if "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
