"""Templates: one body and a table become devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from device_models import Declarations, ProtocolSchema, load, template

Declare = Callable[..., Declarations]

HERE = Path(__file__).parent
MODEL = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: m}
spec: {properties: [{name: p, type: STRING, accessMode: ReadWrite}]}
---
"""
TEMPLATE = """
apiVersion: twinhub.io/v1alpha1
kind: DeviceTemplate
metadata: {name: t}
spec:
  template:
    metadata: {name: "d{nr}"}
    spec:
      deviceModelRef: {name: m}
      protocol: {protocolName: external, configData: {value: "VALUE"}}
      properties: [{name: p, desired: {value: "WISH"}}]
  SOURCE
"""


def config_of(declare: Declare, value: str, source: str, **files: str) -> Any:
    declared = declare(MODEL + TEMPLATE.replace("VALUE", value).replace("SOURCE", source), **files)
    assert declared.ok, [str(problem) for problem in declared.problems]
    return declared.devices["default/d1"].config["value"]


def test_each_row_becomes_a_device(protocols: dict[str, ProtocolSchema]) -> None:
    declared = load(HERE / "manifests/templates", protocols)
    assert set(declared.devices) == {"farm/tank-1", "farm/tank-2", "farm/barrel-1", "farm/barrel-2"}
    first, second = declared.devices["farm/tank-1"], declared.devices["farm/tank-2"]
    assert first.config == {"ip": "10.0.1.1", "port": 502, "password": "0042", "slow": True}
    assert second.config == {"ip": "10.0.1.2", "port": 1502, "password": "1234", "slow": False}
    assert (first.properties[0].desired, second.properties[0].desired) == ("50.5", "7")
    assert first.description == 'yard; north, {not} a {"json": 1} placeholder'
    assert declared.devices["farm/barrel-1"].config == {"nr": 1, "text": "007"}
    assert declared.devices["farm/barrel-2"].config == {"nr": 2, "text": True}


def test_the_documents_hold_the_template_and_its_devices(protocols: dict[str, ProtocolSchema]) -> None:
    documents = load(HERE / "manifests/templates", protocols).documents
    assert "{nr}" in documents["DeviceTemplate/farm/tanks"]["spec"]["template"]["metadata"]["name"]
    assert documents["Device/farm/tank-1"]["apiVersion"] == "devices.kubeedge.io/v1beta1"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("5", 5),
        ("-0.5", -0.5),
        ("0", 0),
        ("true", True),
        ("007", "007"),
        ("1.10", "1.10"),
        ("1e3", "1e3"),
        ("-0", "-0"),
        ("12345678901234567890", "12345678901234567890"),
        (" padded ", "padded"),
        ("", ""),
    ],
)
def test_a_cell_is_a_number_only_if_the_same_text_comes_back(declare: Declare, cell: str, value: Any) -> None:
    got = config_of(declare, "{x}", "instancesFrom: t.csv", t_csv=f"nr,x\n1,{cell}\n")
    assert got == value
    assert type(got) is type(value)
    assert config_of(declare, "<{x}>", "instancesFrom: t.csv") == f"<{cell.strip()}>"


@pytest.mark.parametrize(
    ("cell", "value"), [("7", 7), ("'7'", "7"), ("1.5", 1.5), ("yes", "yes"), ("true", True), ("'x{nr}'", "x{nr}")]
)
def test_an_instance_keeps_the_types_of_yaml(declare: Declare, cell: str, value: Any) -> None:
    got = config_of(declare, "{x}", f"instances: [{{nr: 1, x: {cell}}}]")
    assert got == value
    assert type(got) is type(value)


def test_text_around_a_placeholder_and_double_braces(declare: Declare) -> None:
    source = "instances: [{nr: 1, x: true}]"
    assert config_of(declare, "{x}-{nr} {{nr}} {} {1}", source) == "true-1 {nr} {} {1}"


def test_a_wish_stays_text(declare: Declare) -> None:
    declared = declare(MODEL + TEMPLATE.replace("WISH", "{nr}").replace("SOURCE", "instances: [{nr: 1}]"))
    assert declared.devices["default/d1"].properties[0].desired == "1"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "t.csv:1: a column has no name"),
        ("nr,nr\n1,1\n", "t.csv:1: the column 'nr' is here twice"),
        ("nr,x,\n1,1,1\n", "t.csv:1: a column has no name"),
        ("nr,x\n1\n", "t.csv:2: the row has 1 cells, and there are 2 columns"),
        ('nr,x\n1,"a\nb"\n2\n', "t.csv:4: the row has 1 cells"),
        (
            "nr,x\n1,ab\n",
            "a.yaml:16: spec.template.spec.protocol.configData.value: there is no column 'y'; the columns are: nr, x",
        ),
        (f"nr,x\n1,{'a' * 140_000}\n", "t.csv:2: this is not CSV: field larger than field limit"),
        (f"nr,y\n1,{'a' * 1025}\n", "t.csv:2: y: the value of 'y' is too long; write at most 1,024 characters"),
    ],
)
def test_a_bad_table_is_told_with_its_line(declare: Declare, table: str, words: str) -> None:
    text = MODEL + TEMPLATE.replace("VALUE", "{y}").replace("SOURCE", "instancesFrom: t.csv")
    problems = declare(text, t_csv=table).problems
    assert [str(problem) for problem in problems if words in str(problem)], [str(problem) for problem in problems]


def test_a_table_that_is_not_text_is_told(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"nr\n\xff\n")
    problems = declare(MODEL + TEMPLATE.replace("SOURCE", "instancesFrom: t.csv")).problems
    assert [str(problem) for problem in problems] == ["t.csv:2: this is not UTF-8 text; save the file as UTF-8"]


def test_a_template_cannot_make_templates(declare: Declare) -> None:
    text = TEMPLATE.replace("    metadata: {name", "    kind: DeviceTemplate\n    metadata: {name")
    problems = declare(MODEL + text.replace("SOURCE", "instances: [{nr: 1}]")).problems
    assert "spec.template.kind: 'DeviceTemplate' is not possible here; write 'Device'" in str(problems[0])


def test_what_a_template_makes_is_limited(declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "MAX_SIZE", 3000)
    rows = "\n".join(f"    - {{nr: {number}}}" for number in range(100))
    declared = declare(MODEL + TEMPLATE.replace("SOURCE", f"instances:\n{rows}"))
    assert "the template makes too many or too large devices" in str(declared.problems[0])
    assert 0 < len(declared.devices) < 100


def test_a_text_that_multiplies_itself_is_refused(declare: Declare) -> None:
    text = MODEL + TEMPLATE.replace("VALUE", "{nr}" * 2000).replace("SOURCE", "instances: [{nr: 1}]")
    assert "the text is too long to be filled in" in str(declare(text).problems[0])
