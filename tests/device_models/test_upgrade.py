"""v1alpha2 becomes v1beta1: the mapping, the units, and the way back to the user's lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from device_models import Declarations, ProtocolSchema, load

HERE = Path(__file__).parent

Declare = Callable[..., Declarations]

DEVICE = """
apiVersion: devices.kubeedge.io/v1alpha2
kind: DeviceModel
metadata: {name: m}
spec:
  properties:
    - {name: p, type: {int: {accessMode: ReadWrite}}}
---
apiVersion: devices.kubeedge.io/v1alpha2
kind: Device
metadata: {name: d}
spec:
  deviceModelRef: {name: m}
  protocol: {customizedProtocol: {protocolName: external}}
  propertyVisitors:
    - propertyName: p
      collectCycle: CYCLE
status:
  twins: TWINS
"""


def declared_with(declare: Declare, cycle: int = 0, twins: str = "[]") -> Declarations:
    return declare(DEVICE.replace("CYCLE", str(cycle)).replace("TWINS", twins))


def test_manifests_become_what_stands_in_the_file(protocols: dict[str, ProtocolSchema]) -> None:
    documents = load(HERE / "manifests/v1alpha2", protocols).documents
    expected = list(yaml.safe_load_all((HERE / "manifests/upgraded.yaml").read_text(encoding="utf-8")))
    for document in expected:
        assert documents[f"{document['kind']}/default/{document['metadata']['name']}"] == document


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item) if key not in {"apiVersion", "collectCycle", "reportCycle"} else ()
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif value is not None:
        yield str(value)


def test_no_value_is_lost(protocols: dict[str, ProtocolSchema]) -> None:
    upgraded = load(HERE / "manifests/v1alpha2", protocols).documents
    kept = Counter(leaf for document in upgraded.values() for leaf in leaves(document))
    extra = " ".join(leaf for leaf in kept if leaf.startswith("{"))  # the annotation
    for file in (HERE / "manifests/v1alpha2").iterdir():
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            for leaf in leaves(document):
                assert kept[leaf] or leaf in extra or leaf.lower() in extra


@pytest.mark.parametrize(
    ("cycle", "seconds", "warned"), [(0, 1.0, False), (250_000_000, 0.25, False), (5000, 5.0, True)]
)
def test_cycles_are_nanoseconds_unless_that_is_absurd(
    declare: Declare, cycle: int, seconds: float, warned: bool
) -> None:
    declared = declared_with(declare, cycle)
    assert declared.devices["default/d"].properties[0].collect_cycle == seconds
    assert [problem.line for problem in declared.problems] == ([17] if warned else [])


def test_the_first_wish_counts_and_none_is_lost(declare: Declare) -> None:
    twins = "[{propertyName: p, desired: {value: 1}}, {propertyName: p, desired: {value: 2}}]"
    declared = declared_with(declare, twins=twins)
    assert declared.devices["default/d"].properties[0].desired == "1"
    assert declared.documents["Device/default/d"]["status"]["twins"][1]["desired"] == {"value": "2"}


def test_an_error_after_the_upgrade_stands_where_the_user_wrote_it(declare: Declare) -> None:
    problem = declared_with(declare, twins="\n  - propertyName: p\n    desired:\n      value: x\n").problems[0]
    assert str(problem).startswith("a.yaml:22: status.twins[0].desired.value: the value is not int or integer")
