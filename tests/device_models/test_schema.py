"""Scalars are brought into shape, and what is known to be good is not validated again."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from device_models import schemas
from device_models.schema import Schema, schema_of

NAMES = ["Device", "DeviceModel", "Device.v1alpha2", "DeviceModel.v1alpha2", "DeviceTemplate", "twinhub"]


@pytest.mark.parametrize(
    ("wanted", "value", "softened"),
    [
        ("string", 5, "5"),
        ("string", 0.1, "0.1"),
        ("string", True, "true"),
        ("string", [1], [1]),
        ("integer", "502", 502),
        ("integer", "-1", -1),
        ("integer", 3.0, 3),
        ("integer", 3.5, 3.5),
        ("integer", "010", "010"),
        ("integer", "0x10", "0x10"),
        ("integer", "9" * 30, "9" * 30),
        ("integer", "9" * 5000, "9" * 5000),
        ("number", "0.5", 0.5),
        ("number", "1e3", 1000.0),
        ("number", "1e999", "1e999"),
        ("number", " 1", " 1"),
        ("number", True, True),
        ("boolean", "yes", True),
        ("boolean", "OFF", False),
        ("boolean", "1", "1"),
        ("boolean", 1, 1),
    ],
)
def test_scalars_become_what_is_wanted_where_nothing_is_lost(wanted: str, value: Any, softened: Any) -> None:
    got = Schema({"type": wanted}).soften(value)
    assert got == softened
    assert type(got) is type(softened)


def test_softening_goes_into_mappings_and_lists() -> None:
    schema = Schema(
        {
            "properties": {
                "texts": {"type": "array", "items": {"type": "string"}},
                "gone": {"type": "object"},
                "kept": {"type": ["object", "null"]},
                "any": True,
            },
            "additionalProperties": {"type": "integer"},
        }
    )
    data = {"texts": [1, None, "a"], "gone": None, "kept": None, "any": None, "other": "5", "more": None}
    assert schema.soften(data) == {"texts": ["1", None, "a"], "kept": None, "any": None, "other": 5, "more": None}


def test_what_is_good_is_remembered_and_what_is_bad_is_told_again() -> None:
    schema = Schema({"type": "array", "items": {"type": "integer"}})
    for _ in range(2):
        assert schema.findings([1, 2]) == ()
        assert [finding.path for finding in schema.findings([1, "a", 2, "b"])] == [(1,), (3,)]


def test_memory_does_not_confuse_schemas_or_values() -> None:
    schema = Schema(
        {
            "properties": {
                "a": {"type": "array", "items": {"type": "integer"}},
                "b": {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}},
            }
        }
    )
    assert schema.findings({"a": [1]}) == ()
    assert [finding.path for finding in schema.findings({"b": [1, 1]})] == [("b", 1)]
    assert schema.findings({"a": [1.0]}) == ()
    assert [finding.path for finding in schema.findings({"a": [True]})] == [("a", 0)]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device_models.schema._REMEMBERED", 10)
    schema = Schema({"type": "integer"})
    for number in range(100):
        assert schema.findings(number) == ()
    assert len(schema._known_good._seen) <= 10


def test_a_bad_schema_is_refused_when_it_is_compiled() -> None:
    with pytest.raises(SchemaError):
        Schema({"type": "text"})


@pytest.mark.parametrize("name", NAMES)
def test_the_schemas_of_the_kinds_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(schemas.read(name))
    assert schema_of(name) is schema_of(name)


@pytest.mark.parametrize("name", ["pump-1\n", "-a", "a-", "a..b", "a" * 254, "Ä", "a_b", "a/b", "", "a b", "A"])
def test_names_that_kubernetes_refuses(name: str) -> None:
    document = {
        "apiVersion": "x",
        "kind": "Device",
        "metadata": {"name": "a.b-1"},
        "spec": {"deviceModelRef": {"name": "a"}, "protocol": {"protocolName": "p"}},
    }
    assert schema_of("Device").findings(document) == ()
    document = copy.deepcopy(document)
    document["metadata"] = {"name": name}
    assert [finding.path for finding in schema_of("Device").findings(document)] == [("metadata", "name")]


def test_a_long_name_is_refused_quickly() -> None:
    schema = Schema({"pattern": schemas.read("Device")["properties"]["metadata"]["properties"]["name"]["pattern"]})
    assert schema.findings("a" * 2_000_000 + "!")
