"""Which device file a port is at this moment. Names like `/dev/ttyUSB0` change with the order of plugging; a USB
instrument is found by what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from mappers.mapper import LinkLost

_USB = re.compile(r"usb:([0-9a-fA-F]{4}):([0-9a-fA-F]{4})(?::(.+))?")
BY_ID = Path("/dev/serial/by-id")


class PortInfo(Protocol):
    """What is known of a port; pyserial's `ListPortInfo` is one."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    product: str | None


class UsbName(NamedTuple):
    """`usb:VID:PID[:SERIAL]`, taken apart."""

    vid: int
    pid: int
    serial_number: str | None

    def fits(self, port: PortInfo) -> bool:
        """Whether that is the port."""
        ours = (port.vid, port.pid) == (self.vid, self.pid)
        return ours and self.serial_number in (None, port.serial_number)


def usb_name(name: str) -> UsbName | None:
    """None for a device file. ValueError for a malformed `usb:…`."""
    if not name.startswith("usb:"):
        return None
    found = _USB.fullmatch(name)
    if found is None:
        raise ValueError(
            f"{name} is no USB port; write usb:VID:PID or usb:VID:PID:SERIAL, as in usb:0403:6001:A5XK3RJT"
        )
    return UsbName(int(found[1], 16), int(found[2], 16), found[3])


def device_file(name: str) -> str:
    """The device file of a port, now. LinkLost when it is not plugged in, or when several fit."""
    wanted = usb_name(name)
    return name if wanted is None else choose(wanted, plugged_in())


def choose(wanted: UsbName, ports: Iterable[PortInfo]) -> str:
    """The device file of the one that fits."""
    fitting = [port for port in ports if wanted.fits(port)]
    if not fitting:
        raise LinkLost("no such USB port is plugged in")
    if len(fitting) > 1:
        numbers = ", ".join(str(port.serial_number) for port in fitting)
        raise LinkLost(f"{len(fitting)} such USB ports are plugged in; write the serial number, too: {numbers}")
    return fitting[0].device


def plugged_in() -> Sequence[PortInfo]:
    """All ports of this machine."""
    from serial.tools.list_ports import comports  # noqa: PLC0415 - only who needs it pays

    return list(comports())


def stable_name(port: PortInfo, by_id: Path = BY_ID) -> str:
    """The name that survives plugging in again: the link in `/dev/serial/by-id`, the USB identity, or, where the
    port has neither, its device file."""
    if by_id.is_dir():
        device = Path(port.device).resolve()
        link = next((each for each in sorted(by_id.iterdir()) if each.resolve() == device), None)
        if link is not None:
            return str(link)
    if port.vid is None or port.pid is None:
        return port.device
    return f"usb:{port.vid:04X}:{port.pid:04X}" + (f":{port.serial_number}" if port.serial_number else "")
