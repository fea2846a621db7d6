"""The way back from a value to where it was written."""

from __future__ import annotations

import pytest

from device_models.manifest import Manifest, exists
from device_models.problem import Path, Place

DATA = {"kind": "Device", "metadata": {"name": "n"}, "spec": {"list": [{"a": None}]}}


def here(path: Path) -> Place:
    return Place("f", 1, path)


def test_names() -> None:
    assert Manifest(DATA, "f", here).key == "Device/default/n"
    assert Manifest({**DATA, "metadata": {"name": "n", "namespace": "s"}}, "f", here).key == "Device/s/n"


def test_the_longest_mapped_prefix_counts() -> None:
    moved = Manifest(DATA, "f", here).moved({}, {("a",): ("x",), ("a", "b"): ("y", 0), ("c",): ()})
    assert moved.locate(("a", "b", "d")).path == ("y", 0, "d")
    assert moved.locate(("a", "c")).path == ("x", "c")
    assert moved.locate(("c", "e")).path == ("e",)
    assert moved.locate(("other",)).path == ("other",)


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ((), True),
        (("spec", "list", 0, "a"), True),
        (("spec", "list", 1), False),
        (("spec", "list", "a"), False),
        (("spec", 0), False),
        (("kind", "x"), False),
    ],
)
def test_whether_a_value_exists(path: Path, there: bool) -> None:
    assert exists(DATA, path) is there
