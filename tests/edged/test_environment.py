from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.environment import Environment, expanded
from edged.pod import Container, Metadata
from edged.sources import ConfigMap, Secret, Sources
from edged.wanted import CannotPlan

METADATA = Metadata(name="alarm", namespace="plant", labels={"app": "a", "x/y": "z"}, annotations={"note": "n"})
FIELDS = {"metadata.name": "alarm", "status.hostIP": "10.0.0.5"}
SOURCES = Sources(
    {"plant/levels": ConfigMap({"high": "80", "low.er": "5", "1st": "x", "a b": "y"}, {"raw": b"\xff"})},
    {"plant/door": Secret({"code": b"1234", "raw": b"\xff", "nul": b"a\0b"}), "other/door": Secret({"code": b"0"})},
)


def env(
    *entries: dict[str, Any], env_from: list[Any] | None = None, first: Mapping[str, str] | None = None
) -> dict[str, str]:
    data = {"name": "c", "image": "i", "env": entries, "envFrom": env_from or []}
    return Environment(METADATA, FIELDS, SOURCES, first or {}).of(msgspec.convert(data, Container))


def key(kind: str, name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {f"{kind}KeyRef": {"name": name, "key": key, **more}}}


def field(path: str) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}


def test_later_goes_before_earlier() -> None:
    entries = [{"name": "high", "value": "own"}, {"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    found = env(*entries, env_from=[{"configMapRef": {"name": "levels"}}], first={"high": "device", "D": "d"})
    assert found["high"] == "own"
    assert found["A"] == "2"
    assert found["D"] == "d"


def test_what_cannot_be_a_variable_is_left_out_of_all_keys() -> None:
    assert env(env_from=[{"configMapRef": {"name": "levels"}}]) == {"high": "80", "low.er": "5"}
    prefixed = env(env_from=[{"configMapRef": {"name": "levels"}, "prefix": "L_"}])
    assert prefixed == {"L_high": "80", "L_low.er": "5", "L_1st": "x"}


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        (key("configMap", "levels", "high"), "80"),
        (key("secret", "door", "code"), "1234"),
        (field("metadata.name"), "alarm"),
        (field("status.hostIP"), "10.0.0.5"),
        (field("metadata.labels['x/y']"), "z"),
        (field("metadata.annotations['note']"), "n"),
        (field("metadata.labels['none']"), ""),
    ],
)
def test_a_variable_is_taken_from_somewhere(entry: dict[str, Any], value: str) -> None:
    assert env(entry) == {"X": value}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (key("configMap", "none", "high"), "ConfigMap plant/none is not there"),
        (key("configMap", "levels", "none"), "ConfigMap plant/levels has no key none"),
        (key("configMap", "levels", "raw"), "ConfigMap plant/levels has no key raw"),
        (key("secret", "none", "code"), "Secret plant/none is not there"),
        (key("secret", "door", "raw"), "the value of raw in Secret door is not text; mount it as a file"),
        (key("secret", "door", "nul"), "the value of the variable X has a character U+0000; mount it as a file"),
    ],
)
def test_what_is_not_there_keeps_the_container_from_being_made(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(CannotPlan) as caught:
        env(entry)
    assert (caught.value.reason, str(caught.value)) == ("CreateContainerConfigError", words)
    assert caught.value.container == "c"


def test_what_is_optional_may_be_missing() -> None:
    assert env(key("configMap", "none", "a", optional=True), key("secret", "door", "a", optional=True)) == {}
    assert env(env_from=[{"secretRef": {"name": "none", "optional": True}}]) == {}
    with pytest.raises(CannotPlan, match="Secret plant/none is not there"):
        env(env_from=[{"secretRef": {"name": "none"}}])


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y$2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(NONE)", "$(NONE)"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("$$", "$"),
        ("$(A)$$(A)$(A)", "1$(A)1"),
    ],
)
def test_references_are_expanded(text: str, result: str) -> None:
    assert expanded(text, {"A": "1", "B": "$2"}) == result


def test_only_what_stands_before_is_known() -> None:
    found = env(
        {"name": "A", "value": "$(B)"}, {"name": "B", "value": "$(high)"}, {"name": "C", "value": "<$(B)>"},
        env_from=[{"configMapRef": {"name": "levels"}}],
    )  # fmt: skip
    assert (found["A"], found["B"], found["C"]) == ("$(B)", "80", "<80>")


@given(st.text())
def test_what_is_escaped_comes_back(text: str) -> None:
    assert expanded(text.replace("$", "$$"), {"A": "1"}) == text
