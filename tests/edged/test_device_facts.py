"""What a pod gets to know of its device."""

from __future__ import annotations

from typing import Any

import pytest

from device_models import Device
from edged.device_facts import address_of, bound


@pytest.mark.parametrize(
    ("config", "address"),
    [
        ({"tcp": {"host": "10.0.0.9", "port": 502}}, "10.0.0.9:502"),
        ({"communicateType": "TCP", "ip": "10.0.0.9", "port": "502"}, "10.0.0.9:502"),
        ({"host": "10.0.0.9"}, "10.0.0.9"),
        ({"url": "opc.tcp://10.0.0.9:4840/a"}, "opc.tcp://10.0.0.9:4840/a"),
        ({"url": "opc.tcp://user:secret@10.0.0.9:4840"}, "opc.tcp://10.0.0.9:4840"),
        ({"serialPort": "/dev/ttyS0", "baudRate": 9600}, "/dev/ttyS0"),
        ({"com": {"serialPort": "/dev/ttyS0"}}, "/dev/ttyS0"),
        ({"macAddress": "C0:FF:EE:00:00:01"}, "C0:FF:EE:00:00:01"),
        ({"unit": 3}, ""),
        ({}, ""),
    ],
)
def test_the_address_is_found(config: dict[str, Any], address: str) -> None:
    assert address_of(config) == address


def test_a_bound_device() -> None:
    device = Device("line-2", "pump", "pump", "modbus", config={"ip": "10.0.0.9"})
    assert bound(device, {"TWINHUB_BROKER": "mqtt://127.0.0.1:1883"}).env == {
        "TWINHUB_DEVICE_ID": "line-2/pump",
        "TWINHUB_DEVICE_TOPIC": "$hw/events/device/line-2/pump",
        "TWINHUB_DEVICE_ADDRESS": "10.0.0.9",
        "TWINHUB_BROKER": "mqtt://127.0.0.1:1883",
    }
    assert "TWINHUB_DEVICE_ADDRESS" not in bound(Device("a", "b", "c", "external"), {}).env
