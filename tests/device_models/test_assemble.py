"""Model, instance and protocol become one complete device."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from device_models import Conversion, Deadband, Declarations, Property

Declare = Callable[..., Declarations]
DeclareProperty = Callable[..., Property]

MODEL = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: m}
spec:
  protocolConfigData: {port: 502, timeouts: {a: 1, b: 2}}
  properties:
    - name: p
      type: INT
      accessMode: ReadWrite
      maximum: 10
      visitors:
        configData: {register: HoldingRegister, offset: 1, twinhub: {scale: 2, deadband: 1}}
    - name: q
      type: INT
      visitors:
        configData: {register: InputRegister, offset: 2}
"""
DEVICE = """
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: d}
spec:
  deviceModelRef: {name: m}
  protocol: {protocolName: ModBus, configData: {ip: 10.0.0.1, timeouts: {b: 3}}}
"""


def test_without_a_list_all_properties_of_the_model_are_taken(declare: Declare) -> None:
    device = declare(MODEL, DEVICE).devices["default/d"]
    assert [prop.name for prop in device.properties] == ["p", "q"]
    assert device.config == {"port": 502, "timeouts": {"a": 1, "b": 3}, "ip": "10.0.0.1"}
    assert device.protocol == "modbus"


def test_else_those_that_are_listed_in_their_order(declare: Declare) -> None:
    device = declare(MODEL, DEVICE + "  properties: [{name: q}, {name: p}]\n").devices["default/d"]
    assert [prop.name for prop in device.properties] == ["q", "p"]


def test_visitors_and_the_extension_are_merged_key_by_key(declare: Declare) -> None:
    entry = "{name: p, visitors: {configData: {offset: '7', twinhub: {offset: -1, scale: 3}}}}"
    (prop,) = declare(MODEL, DEVICE + f"  properties: [{entry}]\n").devices["default/d"].properties
    assert prop.visitor == {"register": "HoldingRegister", "offset": 7}
    assert prop.conversion == Conversion(scale=3, offset=-1)
    assert prop.deadband == Deadband(absolute=1)


def test_merging_leaves_the_documents_alone(declare: Declare) -> None:
    declared = declare(MODEL, DEVICE + "  properties: [{name: p, visitors: {configData: {offset: '7'}}}]\n")
    entry = declared.documents["Device/default/d"]["spec"]["properties"][0]
    assert entry == {"name": "p", "visitors": {"configData": {"offset": "7"}}}
    model = declared.documents["DeviceModel/default/m"]["spec"]
    assert model["properties"][0]["visitors"]["configData"]["twinhub"] == {"scale": 2, "deadband": 1}
    assert model["protocolConfigData"] == {"port": 502, "timeouts": {"a": 1, "b": 2}}


@pytest.mark.parametrize(
    ("replaced", "by", "problem"),
    [
        ("port: 502", "port: x", "a.yaml:6: spec.protocolConfigData.port: 'x' is not a whole number"),
        ("offset: 1,", "offset: x,", "a.yaml:13: spec.properties[0].visitors.configData.offset: 'x' is not a whole"),
        ("offset: 1,", "", "a.yaml:13: spec.properties[0].visitors.configData: 'offset' is missing"),
    ],
)
def test_an_error_in_the_model_s_words_stands_in_the_model(
    declare: Declare, replaced: str, by: str, problem: str
) -> None:
    problems = [str(one) for one in declare(MODEL.replace(replaced, by), DEVICE).problems]
    assert len(problems) == 1
    assert problems[0].startswith(problem)


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        (DEVICE.replace("ip: 10.0.0.1", "ip: []"), "b.yaml:7: spec.protocol.configData.ip: a list is not text"),
        (DEVICE.replace("ip: 10.0.0.1", "a: 1"), "b.yaml:7: spec.protocol.configData: one of 'ip', 'tcp', 'com'"),
        (
            DEVICE + "  properties:\n    - name: p\n      visitors: {configData: {offset: x}}\n",
            "b.yaml:10: spec.properties[0].visitors.configData.offset: 'x' is not a whole number",
        ),
        (
            DEVICE + "  properties:\n    - name: p\n      desired: {value: 11}\n",
            "b.yaml:10: spec.properties[0].desired.value: 11 is above the maximum of 10",
        ),
        (
            DEVICE + "  properties:\n    - name: q\n      desired: {value: 1}\n",
            "b.yaml:10: spec.properties[0].desired.value: the property is read-only",
        ),
    ],
)
def test_an_error_in_the_instance_s_words_stands_in_the_instance(declare: Declare, device: str, problem: str) -> None:
    declared = declare(MODEL, device)
    assert str(declared.problems[0]).startswith(problem)
    assert declared.devices == {}


def test_what_is_missing_everywhere_is_missing_in_the_instance(declare: Declare) -> None:
    model = MODEL.replace("offset: 1,", "")
    problems = declare(model, DEVICE + "  properties:\n    - name: p\n").problems
    assert [str(problem) for problem in problems] == [
        "b.yaml:9: spec.properties[0].visitors.configData: 'offset' is missing; add 'offset'"
    ]


@pytest.mark.parametrize(
    ("written", "seconds", "warned"),
    [
        ("", 1.0, False),
        ("collectCycle: 0", 1.0, False),
        ("collectCycle: 250", 0.25, False),
        ("collectCycle: '250'", 0.25, False),
        ("collectCycle: 9999999", 9999.999, False),
        ("collectCycle: 10000000", 0.01, True),
        ("collectCycle: 10000000000", 10.0, True),
    ],
)
def test_cycles_are_milliseconds_unless_that_is_absurd(
    declare: Declare, written: str, seconds: float, warned: bool
) -> None:
    declared = declare(MODEL, DEVICE + f"  properties:\n    - name: p\n      {written}\n")
    assert declared.devices["default/d"].properties[0].collect_cycle == seconds
    assert [(one.line, one.severity) for one in declared.problems] == ([(10, "warning")] if warned else [])


@pytest.mark.parametrize(("written", "desired"), [("5", "5"), ("'5.50'", "5.50"), ("-0.5", "-0.5"), ("''", None)])
def test_a_wish_is_text(declare_property: DeclareProperty, written: str, desired: str | None) -> None:
    assert declare_property(entry=f"desired: {{value: {written}}}").desired == desired


def test_equal_devices_are_warned_of_each_and_built_once(declare: Declare) -> None:
    entry = "  properties:\n    - name: p\n      collectCycle: 1000000000\n    - name: q\n"
    declared = declare(MODEL, DEVICE + entry, (DEVICE + entry).replace("name: d}", "name: e}"))
    assert [problem.file for problem in declared.problems] == ["b.yaml", "c.yaml"]
    first, second = declared.devices.values()
    assert first.properties[1] is second.properties[1]


def test_a_method_names_properties_that_can_be_written(declare: Declare) -> None:
    methods = "  methods: [{name: good, propertyNames: [p]}, {name: bad, propertyNames: [q, pp]}]\n"
    declared = declare(MODEL, DEVICE + methods)
    assert "default/d" in declared.devices
    assert [(problem.severity, problem.path, problem.message) for problem in declared.problems] == [
        ("warning", "spec.methods[1].propertyNames[0]", "the property 'q' can only be read"),
        ("warning", "spec.methods[1].propertyNames[1]", "the model has no property 'pp' to be written"),
    ]
