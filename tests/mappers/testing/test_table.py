"""The page of protocols is what the code says, and the kit runs for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from mappers.modbus.rig import ModbusRig
from mappers.protocols import Protocol
from mappers.testing.conformance import Conformance
from mappers.testing.table import CHECKS, Subject, built_in, page, subjects

ROOT = Path(__file__).parents[3]
FOUND = subjects(built_in())


def test_the_page_is_what_the_generator_prints() -> None:
    printed = page(FOUND)
    assert (ROOT / "docs/protocols/README.md").read_text() == printed, (
        "run `python -m mappers.testing.table > docs/protocols/README.md`"
    )


@pytest.mark.parametrize("name", [subject.names[0] for subject in FOUND])
def test_what_the_page_says_of_a_protocol_is_tested(name: str) -> None:
    [subject] = [subject for subject in FOUND if subject.names[0] == name]
    folder = subject.protocol.package.rpartition(".")[2]
    kit = (ROOT / "tests/mappers" / folder / "test_conformance.py").read_text()
    assert f"from {subject.protocol.package}.rig import RIG" in kit
    assert "class TestConformance(Conformance):" in kit


def test_all_protocols_of_devices_are_in_it() -> None:
    recordings = {"replay"}
    in_it = {name for subject in FOUND for name in subject.names}
    assert in_it == {name for protocol in built_in() for name in protocol.names} - recordings


@pytest.mark.parametrize("subject", FOUND, ids=lambda subject: subject.names[0])
def test_nothing_is_excused_that_is_no_check(subject: Subject) -> None:
    assert subject.rig.cannot.keys() <= CHECKS.keys()
    assert subject.rig.protocol in subject.names
    assert all(subject.rig.cannot.values())


def test_the_kit_s_page_names_each_check() -> None:
    text = (ROOT / "docs/conformance.md").read_text()
    assert all(f"| `{check}` |" in text for check in CHECKS)


def test_what_a_protocol_cannot_becomes_a_note() -> None:
    class Excused(ModbusRig):
        cannot: ClassVar = {"test_drop": "it has no connections", "test_slow": "it has no connections"}

    [subject] = [s for s in FOUND if "modbus" in s.names]
    printed = page([subject._replace(rig=Excused())])
    assert "| `drop` | skipped (1) |" in printed
    assert "| `slow` | skipped (1) |" in printed
    assert "| `restart` | passes |" in printed
    assert "\n1. it has no connections\n" in printed


def test_a_protocol_with_two_names_comes_once() -> None:
    path = "mappers.modbus.mapper:ModbusMapper"
    [subject] = subjects([Protocol("modbus", path, also=("modbus-tcp",))])
    assert subject.names == ("modbus", "modbus-tcp")
    assert "| [modbus, modbus-tcp](modbus.md) |" in page([subject])


def test_abilities_are_those_of_the_class() -> None:
    [modbus] = [s for s in FOUND if "modbus" in s.names]
    assert modbus.does("read")
    assert not modbus.does("listen")
    assert not modbus.has("discover")
    assert modbus.has("simulator")
    assert not modbus.tells_time()
    assert len(CHECKS) == len([name for name in vars(Conformance) if name.startswith("test_")]) == 10
