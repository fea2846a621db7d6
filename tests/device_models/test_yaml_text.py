"""YAML as text: what is read, what is refused, and on which line everything stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from device_models import yaml_text
from device_models.yaml_text import MAX_DEPTH, YamlText

KEYS = st.text(min_size=1, max_size=5).filter(lambda key: key != "<<" and key.isprintable())
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8).filter(str.isprintable),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
)


@given(st.lists(VALUES.filter(lambda value: isinstance(value, dict | list)), min_size=1, max_size=3))
def test_what_another_library_writes_is_read(documents: list[Any]) -> None:
    text = yaml.safe_dump_all(documents, allow_unicode=True)
    read = YamlText(text)
    assert read.faults == []
    assert read.documents == documents


def test_documents_are_counted_with_the_empty_ones() -> None:
    read = YamlText("---\n---\na: 1\n...\n---\n- b\n")
    assert read.documents == [None, {"a": 1}, ["b"]]
    assert [read.line(1, ("a",)), read.line(2, (0,))] == [3, 6]


def test_lines() -> None:
    read = YamlText("a:\n  b: 1\n  c:\n    - x\n    -\n      d: |\n        y\n  e: {f:\n    2}\n  a:\n    3\n")
    lines = {
        (): 1,
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "c"): 3,
        ("a", "c", 0): 4,
        ("a", "c", 1): 6,
        ("a", "c", 1, "d"): 6,
        ("a", "e"): 8,
        ("a", "e", "f"): 9,
        ("a", "a"): 11,
        ("a", "c", 7, "nowhere"): 3,
        ("nowhere",): 1,
    }
    assert {path: read.line(0, path) for path in lines} == lines


def test_aliases_and_merge_keys() -> None:
    read = YamlText("a: &a {x: 1, y: [2]}\nb:\n  <<: *a\n  x: 3\nc: {<<: [{z: 1}, *a]}\nd: *a\ne: &k q\n*k : r\n")
    assert read.faults == []
    a = {"x": 1, "y": [2]}
    assert read.documents == [{"a": a, "b": {"x": 3, "y": [2]}, "c": {"z": 1, **a}, "d": a, "e": "q", "q": "r"}]
    assert read.line(0, ("b", "y")) == 2
    document = read.documents[0]
    assert document["a"]["y"] is not document["d"]["y"]


def test_keys_are_text() -> None:
    assert YamlText("1: a\ntrue: b\n~: c\n2.50: d\n").documents == [{"1": "a", "true": "b", "~": "c", "2.50": "d"}]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' is here twice"),
        ("a:\n\t- b", 2, "a tab stands where YAML wants spaces"),
        ("a: b: c", 1, "this is not YAML: mapping values are not allowed in this context"),
        ("a: 'x", 1, "this is not YAML: found unexpected end of stream"),
        ("a: @x", 1, "this is not YAML: found character that cannot start any token"),
        ("a:\n  - b\n c: d", 3, "this is not YAML: did not find expected key"),
        ('a: "\\ud800"', 1, "this is not YAML: found invalid Unicode character escape code"),
        ("%YAML 2.0\n---\na", 1, "this is not YAML: found incompatible YAML document"),
        ("a: 1\nb: \x00", 2, "there is a control character, U+0000"),
        ("a: \ud800", 1, "there is a control character, U+D800"),
        ("a: *x", 1, "the alias *x stands for nothing that is complete here"),
        ("a: &a\n  b: *a", 2, "the alias *a stands for nothing that is complete here"),
        ("? [a]\n: b", 1, "a key is not plain text"),
        ("? {a: 1}\n: b", 1, "a key is not plain text"),
        ("a: 1\n<<: 2", 2, "'<<' takes the keys of a mapping"),
        ("a: !!python/name:os.system x", 1, "the tag !!python/name:os.system has no meaning in a manifest"),
        ("a: !!set {b}", 1, "the tag !!set has no meaning in a manifest"),
        ("a: -.inf", 1, "-.inf is not a finite number"),
        ("a: 18446744073709551616", 1, "the number does not fit into 64 bits"),
        ("[" * 100_000, 1, f"the values are nested more than {MAX_DEPTH} levels deep"),
        ("- " * 100_000, 1, f"the values are nested more than {MAX_DEPTH} levels deep"),
        ("{a: " * 100_000, 1, f"the values are nested more than {MAX_DEPTH} levels deep"),
        ("? " * 100_000, 1, "a key is not plain text"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_faults(text: str, line: int, message: str) -> None:
    fault = YamlText(text).faults[0]
    assert (fault.line, fault.message) == (line, message)
    assert fault.advice


def test_what_stands_before_a_break_is_read() -> None:
    read = YamlText("a: 1\n---\nb: 2\n---\nc: [\n")
    assert read.documents == [{"a": 1}, {"b": 2}]
    assert len(read.faults) == 1
    assert read.line(1, ("b",)) == 3


def test_after_a_slip_the_rest_is_read() -> None:
    read = YamlText("a: 1\na: {b: 2}\nc: .nan\nd: !x 4\n")
    assert read.documents == [{"a": 1, "c": ".nan", "d": "4"}]
    assert [fault.line for fault in read.faults] == [2, 3, 4]
    assert read.line(0, ("a",)) == 1


def test_the_number_of_values_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_VALUES", 1000)
    assert YamlText("a:\n" + "- x\n" * 997).faults == []
    fault = YamlText("a:\n" + "- x\n" * 2000).faults[0]
    assert (fault.line, fault.message) == (999, "the file has more than 1,000 values")


def test_aliases_that_multiply_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_VALUES", 50_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "more than 50,000 values" in YamlText("\n".join(lines)).faults[0].message


def test_without_libyaml_the_same_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parent / "manifests/v1beta1/pump.yaml").read_text(encoding="utf-8")
    fast = YamlText(text)
    monkeypatch.setattr(yaml_text, "_LOADER", yaml.SafeLoader)
    slow = YamlText(text)
    assert slow.documents == fast.documents
    assert slow.line(1, ("spec", "properties", 1)) == fast.line(1, ("spec", "properties", 1))
    assert YamlText("[" * 100_000).faults[0].message == f"the values are nested more than {MAX_DEPTH} levels deep"
    assert YamlText("a:\n\t- b").faults[0].line == 2


def test_a_document_that_is_not_there_begins_on_the_first_line() -> None:
    assert YamlText("").line(0, ("a",)) == 1
