"""Each way to violate a schema has its sentence."""

from __future__ import annotations

from typing import Any

import pytest

from device_models.schema import Schema

KEYS = {"properties": {"port": {"type": "integer", "description": "a TCP port"}, "host": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "data", "sentences"),
    [
        ({**KEYS, "required": ["port"]}, {}, ["'port' is missing; add port: a TCP port"]),
        (
            {**KEYS, "required": ["host", "port"]},
            {},
            ["'host' is missing; add 'host'", "'port' is missing; add port: a TCP port"],
        ),
        (
            {**KEYS, "additionalProperties": False, "patternProperties": {"^x-": True}},
            {"prot": 1, "x-a": 2, "zzz": 3},
            [
                "prot: this key is not known here; did you mean port?",
                "zzz: this key is not known here; write one of: port, host",
            ],
        ),
        ({"additionalProperties": False}, {"a": 1}, ["a: this key is not known here; remove it"]),
        (KEYS, {"port": "x"}, ["port: 'x' is not a whole number; write a TCP port"]),
        (KEYS, {"host": [1]}, ["host: a list is not text; write text"]),
        ({"type": ["string", "null"]}, {}, ["a mapping is not text; write text"]),
        ({"type": "null"}, 1, ["1 is not nothing; write nothing"]),
        ({"enum": ["even", "odd", 1]}, "evn", ["'evn' is not one of the choices; did you mean even?"]),
        ({"enum": ["even", 1]}, True, ["true is not one of the choices; write one of: even, 1"]),
        ({"const": "x"}, "y", ["'y' is not possible here; write 'x'"]),
        (
            {"not": {"const": 0}, "description": "a number that is not 0"},
            0,
            ["0 is not allowed; write a number that is not 0"],
        ),
        ({"properties": {"a": {"not": {}}}}, {"a": 1}, ["a: 1 is not allowed; write something else"]),
        (False, 1, ["this is not allowed here; remove it"]),
        ({"minimum": 1}, 0, ["0 is below 1; write at least 1"]),
        ({"maximum": 1}, 2, ["2 is above 1; write at most 1"]),
        ({"exclusiveMinimum": 1}, 1, ["1 is not above 1; write more than 1"]),
        ({"exclusiveMaximum": 1}, 1, ["1 is not below 1; write less than 1"]),
        ({"multipleOf": 2}, 3, ["3 is no multiple of 2; write a multiple of 2"]),
        ({"minLength": 2}, "a", ["this has 1 characters; write at least 2 characters"]),
        ({"maxItems": 1}, [1, 2], ["this has 2 entries; write at most 1 entries"]),
        ({"minProperties": 1}, {}, ["this has 0 keys; write at least 1 keys"]),
        ({"pattern": "^a"}, "b", ["'b' is not possible here; write a text that matches ^a"]),
        (
            {"dependentRequired": {"user": ["pin"], "x": ["y"]}},
            {"user": 1},
            ["'pin' is missing, which 'user' needs; add 'pin'"],
        ),
        (
            {"oneOf": [{"required": ["ip"]}, {"required": ["com", "baud"]}]},
            {},
            ["one of 'ip', 'com' and 'baud' is missing; add 'ip' or 'com' and 'baud'"],
        ),
        (
            {"oneOf": [{"required": ["ip"]}, {"required": ["com"]}]},
            {"ip": 1, "com": 2},
            ["'ip' and 'com' exclude each other; keep one of them"],
        ),
        (
            {"oneOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"type": "string"}]},
            {"a": "x"},
            ["a: 'x' is not a whole number; write a whole number"],
        ),
        (
            {"oneOf": [{"type": "integer"}, {"minimum": 0}]},
            5,
            ["this fits more than one of the forms that exclude each other"],
        ),
        ({"if": {"required": ["tls"]}, "then": {"required": ["ca"]}}, {"tls": 1}, ["'ca' is missing; add 'ca'"]),
        ({"uniqueItems": True}, [1, 1], ["[1, 1] has non-unique elements"]),
        ({"const": None}, "a" * 100, ["'" + "a" * 59 + "… is not possible here; write null"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_sentences(schema: Any, data: Any, sentences: list[str]) -> None:
    got = [
        f"{'.'.join(map(str, path))}{': ' if path else ''}{message}{'; ' if advice else ''}{advice}"
        for path, message, advice in Schema(schema).findings(data)
    ]
    assert got == sentences


@pytest.mark.parametrize(
    "schema", [{"type": "integer"}, {"enum": ["x"]}, {"pattern": "x"}, {"uniqueItems": True, "type": "string"}]
)
@pytest.mark.parametrize("key", ["password", "privateKey", "authToken", "clientSecret"])
@pytest.mark.parametrize("value", ["hunter2", ["hunter2", "hunter2"]])
def test_secrets_are_never_shown(schema: dict[str, Any], key: str, value: Any) -> None:
    findings = Schema({"properties": {key: schema}}).findings({key: value})
    assert "hunter2" not in str(findings)
