from __future__ import annotations

from pathlib import Path

import pytest
from pod_texts import read, told

from edged.declared import DeclaredPods
from edged.sources import LARGEST

WRONG = [
    ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: 5}}", "data.k: the value is not text"),
    ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {..k: x}}", "cannot be the name of a file"),
    (
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: a}, binaryData: {k: YQ==}}",
        "in data as well",
    ),
    ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, spec: {}}", "spec: this key is not known here"),
    ("{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {k: hunter22!}}", "data.k: the value is not base64"),
    ("{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {k: 271828}}", "the value is not text"),
    (
        "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: hunter22}",
        "stringData: this is not a mapping",
    ),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told(text: str, words: str, tmp_path: Path) -> None:
    declared = read(tmp_path, text)
    assert [problem for problem in map(str, declared.problems) if words in problem], told(declared)
    assert "hunter2" not in str(declared.problems)
    assert "271828" not in str(declared.problems)
    assert declared._replace(problems=()) == DeclaredPods()


def test_text_goes_before_base64_and_lines_are_joined(tmp_path: Path) -> None:
    text = """
apiVersion: v1
kind: Secret
metadata: {name: a}
data:
  one: YWFh
  two: |
    YW
    Fh
stringData: {one: bbb}
"""
    declared = read(tmp_path, text)
    assert told(declared) == []
    assert declared.secrets["default/a"].files == {"one": b"bbb", "two": b"aaa"}


def test_an_object_has_a_largest_size(tmp_path: Path) -> None:
    head = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: "
    assert read(tmp_path, f"{head}{'x' * LARGEST}}}}}").config_maps
    declared = read(tmp_path, f"{head}{'x' * LARGEST}, l: y}}}}")
    assert [problem.message for problem in declared.problems] == ["it has 1,048,577 bytes; the most is 1,048,576"]
