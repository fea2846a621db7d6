"""What the tests of this room share: a protocol to validate against, and a way to declare a text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from device_models import Declarations, Property, ProtocolSchema, load

MODBUS = ProtocolSchema(
    config={
        "type": "object",
        "properties": {
            "ip": {"type": "string", "description": "an address such as 10.0.0.1"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535},
            "slaveID": {"type": "integer"},
            "password": {"type": "string"},
            "slow": {"type": "boolean"},
            "timeouts": {"type": "object"},
            "tcp": {
                "type": "object",
                "properties": {"ip": {"type": "string"}, "port": {"type": "integer"}},
                "additionalProperties": False,
            },
            "com": {"type": "object"},
            "collectTimeout": {"type": "integer"},
            "customizedValues": {"type": "object"},
        },
        "anyOf": [{"required": ["ip"]}, {"required": ["tcp"]}, {"required": ["com"]}],
        "additionalProperties": False,
    },
    visitor={
        "type": "object",
        "properties": {
            "register": {"enum": ["CoilRegister", "DiscreteInputRegister", "InputRegister", "HoldingRegister"]},
            "offset": {"type": "integer", "minimum": 0, "maximum": 65535},
            "limit": {"type": "integer"},
            "scale": {"type": "number"},
            "isSwap": {"type": "boolean"},
            "isRegisterSwap": {"type": "boolean"},
            "customizedValues": {"type": "object"},
        },
        "required": ["register", "offset"],
        "additionalProperties": False,
    },
)
FREE = ProtocolSchema()
PROTOCOLS = {"modbus": MODBUS, "opcua": FREE, "bluetooth": FREE, "smokeSignals": FREE}

Declare = Callable[..., Declarations]


@pytest.fixture
def protocols() -> dict[str, ProtocolSchema]:
    return PROTOCOLS


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Write texts as files (`a.yaml` if not named) into an empty folder and load it; paths are relative to it."""

    def declare(*texts: str, **files: str) -> Declarations:
        monkeypatch.chdir(tmp_path)
        for number, text in enumerate(texts):
            Path(f"{chr(ord('a') + number)}.yaml").write_text(text, encoding="utf-8")
        for name, text in files.items():
            Path(name.replace("_", ".")).write_text(text, encoding="utf-8")
        return load(Path(), PROTOCOLS)

    return declare


MODEL = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: m}
spec:
  properties:
    - {name: p, type: FLOAT, accessMode: ReadWrite, PROPERTY}
---
"""
DEVICE = """
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: d}
spec:
  deviceModelRef: {name: m}
  protocol: {protocolName: external}
  properties:
    - {name: p, ENTRY}
"""


@pytest.fixture
def declare_property(declare: Declare) -> Callable[..., Property]:
    """The one property of a device, from further keys of the model's and of the instance's property."""

    def declare_property(model: str = "", entry: str = "", **replaced: Any) -> Property:
        text = MODEL.replace("PROPERTY", model) + DEVICE.replace("ENTRY", entry)
        for old, new in replaced.items():
            text = text.replace(old, new)
        declared = declare(text)
        assert declared.ok, [str(problem) for problem in declared.problems]
        return declared.devices["default/d"].properties[0]

    return declare_property
