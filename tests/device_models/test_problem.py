"""How problems read, sort and are collected."""

from __future__ import annotations

import pytest

from device_models.problem import Path, Place, Problem, Report, dotted, nearest, suggestion


def test_a_problem_reads_like_a_compiler_s() -> None:
    problem = Problem("a.yaml", 7, "spec.name", "it is wrong", "write another")
    assert str(problem) == "a.yaml:7: spec.name: it is wrong; write another"


def test_what_is_not_known_is_left_out() -> None:
    assert str(Problem("folder", 0, "", "is empty")) == "folder: is empty"


def test_problems_are_sorted_by_file_and_line_and_told_once() -> None:
    report = Report()
    for file, line in (("b", 1), ("a", 10), ("a", 9), ("a", 9)):
        report.error(Place(file, line), "x")
    report.warning(Place("a", 1, ("spec",)), "y")
    assert [(problem.file, problem.line) for problem in report.sorted()] == [("a", 1), ("a", 9), ("a", 10), ("b", 1)]
    assert len(report) == 4


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("spec", "properties", 0, "name"), "spec.properties[0].name"),
        (("metadata", "labels", "a.b/c"), 'metadata.labels["a.b/c"]'),
        (("items", 1, 2), "items[1][2]"),
    ],
)
def test_paths(path: Path, text: str) -> None:
    assert dotted(path) == text


def test_the_nearest_word_is_found_whatever_its_capitals() -> None:
    known = ["ReadWrite", "ReadOnly", "INT"]
    assert nearest("readwrit", known) == "ReadWrite"
    assert nearest("integer", known) == "INT"
    assert nearest("zzz", known) is None
    assert suggestion("zzz", known) == "write one of: ReadWrite, ReadOnly, INT"
    assert suggestion("zzz", []) == "remove it"


def test_what_was_refused_is_not_missing() -> None:
    report = Report()
    assert not report.may_have("DeviceModel", "default", "m")
    report.refuse("DeviceModel", "default", "m")
    assert report.may_have("DeviceModel", "default", "m")
    assert not report.may_have("DeviceModel", "default", "n")
    report.lack()
    assert report.may_have("DeviceModel", "default", "n")


def test_a_problem_is_one_line_that_commands_no_terminal() -> None:
    problem = Problem("plant.yaml", 3, "spec.x", "'a\x1b[31m\nplant.yaml:4: all is well' is not possible here")
    assert str(problem) == "plant.yaml:3: spec.x: 'a·[31m·plant.yaml:4: all is well' is not possible here"
