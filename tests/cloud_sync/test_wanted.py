"""What a node shall have, and what is known of a device whose protocol or settings the cloud does not know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud_sync.registry import Registry
from cloud_sync.step import Held
from device_models import ProtocolSchema
from twin.store import open_store

PROTOCOLS = {"modbus": ProtocolSchema({"type": "object", "required": ["slaveID"]})}
V1BETA1 = "devices.kubeedge.io/v1beta1"
PUMP, MODEL = "Device/default/pump-01", "DeviceModel/default/pump"


def model(name: str = "pump", maximum: str = "3000") -> dict[str, Any]:
    speed = {"name": "speed", "type": "INT", "accessMode": "ReadWrite", "minimum": "0", "maximum": maximum}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": V1BETA1, "kind": "DeviceModel", "metadata": metadata, "spec": {"properties": [speed]}}


def device(name: str = "pump-01", of: str = "pump", protocol: str = "external") -> dict[str, Any]:
    spec = {"deviceModelRef": {"name": of}, "nodeName": "press-shop", "protocol": {"protocolName": protocol}}
    return {"apiVersion": V1BETA1, "kind": "Device", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    async with open_store(tmp_path / "catalogue.db") as store, Registry(store, PROTOCOLS) as opened:
        yield opened


def wanted(registry: Registry) -> list[tuple[str, str]]:
    """(key, origin)."""
    return [(one.key, one.origin) for one in registry.wanted("press-shop")]


async def test_the_devices_of_the_cloud_and_the_models_they_name(registry: Registry) -> None:
    await registry.apply([model(), model("valve"), device()])
    await registry.edges.declare("press-shop", device("of-the-edge"))
    assert wanted(registry) == [(MODEL, ""), (PUMP, "")]
    assert registry.wanted("paint-shop") == []


async def test_a_device_stays_wanted_when_its_model_is_withdrawn(registry: Registry) -> None:
    await registry.apply([model(), device()])
    await registry.delete(MODEL)
    assert wanted(registry) == [(PUMP, "")]


async def test_a_model_of_the_edges_own_goes_before_the_clouds(registry: Registry) -> None:
    await registry.apply([model(maximum="10"), device()])
    await registry.edges.declare("press-shop", model(maximum="20"))
    assert wanted(registry) == [(MODEL, "press-shop"), (PUMP, "")]
    typed = registry.typed_device("default/pump-01")
    assert typed is not None
    assert typed.properties[0].maximum == 20


@pytest.mark.parametrize("protocol", ["modbus", "opcua"])
async def test_settings_that_do_not_fit_or_are_not_known_are_a_condition_and_no_more(
    registry: Registry, protocol: str
) -> None:
    await registry.add_node("press-shop")
    await registry.apply([model(), device(protocol=protocol)])
    assert [condition.type for condition in registry.conditions(PUMP)] == ["Invalid"]
    typed = registry.typed_device("default/pump-01")
    assert typed is not None
    assert typed.properties[0].writable


async def test_what_a_node_confirmed_with_another_journal_it_may_have_lost(registry: Registry) -> None:
    held = Held("uid", 7, {})
    await registry.held.confirm("press-shop", PUMP, held, "a" * 32)
    assert await registry.held.confirmed("press-shop", "a" * 32) == {PUMP: held}
    for another in ("b" * 32, ""):
        assert await registry.held.confirmed("press-shop", another) == {PUMP: held._replace(version=0)}
