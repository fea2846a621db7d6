"""Protocols are found whatever their capitals, and `external` needs nobody."""

from __future__ import annotations

import pytest

from device_models import ProtocolSchema
from device_models.protocols import Protocols


def test_names_are_compared_without_capitals() -> None:
    schema = ProtocolSchema()
    protocols = Protocols({"OPCua": schema})
    assert protocols.find("opcUA") == ("OPCua", schema)
    assert protocols.find("opc-ua") is None


def test_external_is_always_there_and_takes_anything() -> None:
    found = Protocols({}).find("External")
    assert found is not None
    name, schema = found
    assert name == "external"
    assert schema.of_config.findings({"anything": [1]}) == schema.of_visitor.findings({}) == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [("modbuss", "did you mean modbus? known are: external, modbus"), ("x", "known are: external, modbus")],
)
def test_what_is_not_known_gets_advice(name: str, words: str) -> None:
    assert Protocols({"modbus": ProtocolSchema()}).advice(name).startswith(words)


def test_schemas_are_compiled_once() -> None:
    schema = ProtocolSchema({"type": "object"})
    assert schema.of_config is schema.of_config
