"""What a model says of its properties."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from device_models import AccessMode, DataType, Declarations, Property

Declare = Callable[..., Declarations]
DeclareProperty = Callable[..., Property]


def test_defaults(declare_property: DeclareProperty) -> None:
    prop = declare_property(model="description: d", accessMode="unit", ReadWrite="K")
    assert (prop.type, prop.access, prop.unit, prop.description) == (DataType.FLOAT, AccessMode.READ_ONLY, "K", "d")
    assert (prop.minimum, prop.maximum, prop.desired, prop.conversion, prop.deadband) == (None,) * 5
    assert (prop.collect_cycle, prop.report_to_cloud, prop.visitor) == (1.0, True, {})


@pytest.mark.parametrize(
    ("written", "limits"),
    [
        ("minimum: 0, maximum: 10.5", (0.0, 10.5)),
        ("minimum: '-1e3'", (-1000.0, None)),
        ("minimum: '', maximum: null", (None, None)),
        ("minimum: 5, maximum: 5", (5.0, 5.0)),
    ],
)
def test_limits_are_text_or_numbers(
    declare_property: DeclareProperty, written: str, limits: tuple[float | None, float | None]
) -> None:
    prop = declare_property(model=written)
    assert (prop.minimum, prop.maximum) == limits


@pytest.mark.parametrize("type_", list(DataType))
def test_every_type_can_be_declared(declare_property: DeclareProperty, type_: DataType) -> None:
    assert declare_property(FLOAT=type_.value).type is type_


def test_a_wrong_extension_is_told_even_of_a_model_without_devices(declare: Declare) -> None:
    declared = declare(
        """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: m}
spec:
  properties:
    - name: p
      type: INT
      visitors: {configData: {twinhub: {scale: 0}}}
"""
    )
    assert [problem.path for problem in declared.problems] == ["spec.properties[0].visitors.configData.twinhub.scale"]
