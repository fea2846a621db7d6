"""Ports by what they are, not by the order in which they were plugged in."""

from __future__ import annotations

from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from mappers.mapper import LinkLost
from mappers.serial.ports import choose, device_file, stable_name, usb_name


def port(device: str, serial_number: str | None = None, vid: int | None = 0x0403) -> ListPortInfo:
    info = ListPortInfo(device)
    info.vid, info.pid, info.serial_number = vid, 0x6001 if vid else None, serial_number
    return info


def chosen(name: str, *ports: ListPortInfo) -> str:
    wanted = usb_name(name)
    assert wanted is not None
    return choose(wanted, ports)


def test_a_device_file_is_itself() -> None:
    assert usb_name("/dev/ttyUSB0") is None
    assert device_file("/dev/ttyUSB0") == "/dev/ttyUSB0"


def test_a_usb_instrument_is_found_wherever_it_is() -> None:
    assert chosen("usb:0403:6001:A", port("/dev/ttyUSB0", "B"), port("/dev/ttyUSB1", "A")) == "/dev/ttyUSB1"
    assert chosen("usb:0403:6001:A", port("/dev/ttyUSB0", "A")) == "/dev/ttyUSB0"
    assert chosen("usb:0403:6001", port("/dev/ttyS0", vid=None), port("/dev/ttyUSB3", "C")) == "/dev/ttyUSB3"


def test_one_that_is_not_plugged_in_may_come() -> None:
    with pytest.raises(LinkLost, match="no such USB port is plugged in"):
        chosen("usb:0403:6001:A", port("/dev/ttyUSB0", "B"))
    with pytest.raises(LinkLost, match="no such USB port is plugged in"):
        device_file("usb:ffff:ffff")


def test_of_several_none_is_guessed() -> None:
    with pytest.raises(LinkLost, match="write the serial number, too: A, B"):
        chosen("usb:0403:6001", port("/dev/ttyUSB0", "A"), port("/dev/ttyUSB1", "B"))


@pytest.mark.parametrize("name", ["usb:", "usb:0403", "usb:0403:60011", "usb:xyzw:6001"])
def test_malformed_names(name: str) -> None:
    with pytest.raises(ValueError, match="write usb:VID:PID"):
        usb_name(name)


def test_the_name_that_stays(tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    by_id = tmp_path / "by-id"
    assert stable_name(port(str(device), "A"), by_id) == "usb:0403:6001:A"
    assert stable_name(port(str(device)), by_id) == "usb:0403:6001"
    assert stable_name(port(str(device), vid=None), by_id) == str(device)
    by_id.mkdir()
    (by_id / "usb-FTDI_A-if00").symlink_to(device)
    assert stable_name(port(str(device), "A"), by_id) == str(by_id / "usb-FTDI_A-if00")
