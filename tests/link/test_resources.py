from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link import resources
from link.resources import Kind, Resource

WORDS = ("node", "device", "devicemodel", "pod", "secret", "default", "null", "twin", "state", "pump-01")
names = st.sampled_from(WORDS)
OBJECTS = (Kind.DEVICE, Kind.MODEL, Kind.POD, Kind.CONFIG_MAP, Kind.SECRET, Kind.NODE)
REPORTS = (Kind.EDGE_UPDATED, Kind.CLOUD_UPDATED, Kind.STATE_UPDATE)


@given(st.sampled_from(OBJECTS), names, names)
def test_an_object_is_found_whatever_it_is_called(kind, namespace, name):
    assert resources.parse(resources.of_object(kind, namespace, name)) == Resource(kind, namespace, name)


@given(st.sampled_from(REPORTS), names, names)
def test_a_report_is_found_whatever_its_device_is_called(kind, namespace, name):
    found = resources.parse(resources.of_device(f"{namespace}/{name}", kind))
    assert found == Resource(kind, namespace, name)
    assert found.id == f"{namespace}/{name}"


@given(st.sampled_from(OBJECTS), names, names, names)
def test_the_prefix_of_the_cloud_is_passed_over(kind, node, namespace, name):
    inside = f"node/{node}/{resources.of_object(kind, namespace, name)}"
    assert resources.parse(inside) == Resource(kind, namespace, name)


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "/",
        "node",
        "membership",
        "membership/detail",
        "twin",
        "default/podstatus/x",
        "device/default/pump-01/twin/other",
        "device/pump-01/twin/edge_updated",
        "device/default/pump-01/twin/edge_updated/more",
        "$hw/events/upload/line-1",
        resources.DECLARED,
        resources.LOG,
        "/" * 1_000,
    ],
)
def test_anything_else_is_other(resource):
    assert resources.parse(resource) == Resource(Kind.OTHER)


@given(st.text(max_size=50))
def test_no_text_is_too_odd(resource):
    assert isinstance(resources.parse(resource), Resource)
