"""A whole edge that has joined a cloud: what the cloud declares is served beside what is declared here."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from stub_cloud import StubCloud, joined, until

from cloud_sync.authority import Authority
from edgehub.identity import Identity
from link.handshake import Channel
from link.resources import Kind
from link.rows import declared_object
from twinhub.edge import Edge
from twinhub.manifests import Manifests, read_manifests
from twinhub.settings import BrokerSettings, Settings

MODEL: dict[str, Any] = {
    "kind": "DeviceModel",
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "metadata": {"name": "fan-model", "namespace": "default"},
    "spec": {"properties": [{"name": "speed", "type": "INT", "accessMode": "ReadWrite"}]},
}
FAN: dict[str, Any] = {
    "kind": "Device",
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "metadata": {"name": "fan", "namespace": "default"},
    "spec": {
        "deviceModelRef": {"name": "fan-model"},
        "protocol": {"protocolName": "external"},
        "properties": [{"name": "speed", "desired": {"value": "30"}}],
    },
}
LOCAL = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: lamp-model}
spec: {properties: [{name: bright, type: INT, accessMode: ReadWrite}]}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: lamp}
spec: {deviceModelRef: {name: lamp-model}, protocol: {protocolName: external}}
"""


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[StubCloud]:
    async with StubCloud(Authority.open(tmp_path / "authority"), plain=True) as cloud:
        yield cloud


@pytest.fixture
def manifests(tmp_path: Path) -> Manifests:
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "lamp.yaml").write_text(LOCAL)
    return read_manifests(tmp_path / "plant")


def fan(desired: str, name: str = "fan") -> Any:
    device = copy.deepcopy(FAN)
    device["metadata"]["name"] = name
    device["spec"]["properties"][0]["desired"]["value"] = desired
    return declared_object(Kind.DEVICE, "update", "default", name, device)


NODE = ("default/devicemodel/node.edge-7", "default/device/node.edge-7")
"""What stands for the node is told as well."""


def members(edge: Edge) -> Sequence[str]:
    """But the one that stands for the node."""
    return [member.id for member in edge._keeper.members() if member.id != "default/node.edge-7"]


def wished(edge: Edge, device: str = "default/fan") -> str | None:
    twin = (edge._keeper.get(device) or {}).get("speed")
    return twin.expected.value if twin and twin.expected else None


def hub(tmp_path: Path, port: int, identity: Identity) -> Edge:
    (tmp_path / "state").mkdir(exist_ok=True)
    settings = Settings(broker=BrokerSettings(port=port))
    return Edge(settings, tmp_path / "plant", tmp_path / "state", 1, identity)


async def test_devices_of_both_are_served_and_wishes_of_a_plain_cloud_are_imposed_once(
    tmp_path: Path, cloud: StubCloud, manifests: Manifests, unused_tcp_port: int
) -> None:
    identity = joined(tmp_path / "identity", cloud.authority, cloud.port)
    async with hub(tmp_path, unused_tcp_port, identity) as edge:
        await edge.start(manifests)
        link = await cloud.link()
        await link.send(declared_object(Kind.MODEL, "insert", "default", "fan-model", MODEL))
        await link.send(fan("30"))
        await until(lambda: members(edge) == ["default/fan", "default/lamp"])
        await until(lambda: wished(edge) == "30")
        edge._hub.wish("default/fan", {"speed": "31"})
        await link.send(fan("30", "other"))
        await until(lambda: "default/other" in members(edge))
        assert wished(edge) == "31", "an old wish does not come back"
        await link.send(fan("32"))
        await until(lambda: wished(edge) == "32")
        assert len(edge.collectors()) == 1
    await cloud.stop()
    async with hub(tmp_path, unused_tcp_port, identity) as edge:
        await edge.start(manifests)
        assert members(edge) == ["default/fan", "default/lamp", "default/other"]
        assert wished(edge) == "32"
        await edge.apply(Manifests((), (), {}))
        assert members(edge) == ["default/fan", "default/other"]


async def test_what_is_declared_here_is_told_and_told_again_after_an_edit(
    tmp_path: Path, cloud: StubCloud, manifests: Manifests, unused_tcp_port: int
) -> None:
    cloud.plain = False
    identity = joined(tmp_path / "identity", cloud.authority, cloud.port)
    async with hub(tmp_path, unused_tcp_port, identity) as edge:
        await edge.start(manifests)
        link = await cloud.link()
        await cloud.link(Channel.BUS)

        def declared() -> list[str]:
            told = [m.route.resource for m in link.messages if m.route.source == "twinhub"]
            return [one for one in told if one not in NODE]

        first = ["twinhub/declared", "default/devicemodel/lamp-model", "default/device/lamp"]
        await until(lambda: declared() == first)
        await edge.apply(
            manifests._replace(documents=dict(list((manifests.documents or {}).items())[:1]), devices=())
        )
        await until(lambda: declared() == [*first, *first[:2]])
        assert link.hello.node == "edge-7"


async def test_a_broken_folder_leaves_the_cloud_s_devices_to_the_cloud(
    tmp_path: Path, cloud: StubCloud, manifests: Manifests, unused_tcp_port: int
) -> None:
    identity = joined(tmp_path / "identity", cloud.authority, cloud.port)
    async with hub(tmp_path, unused_tcp_port, identity) as edge:
        await edge.start(manifests)
        link = await cloud.link()
        await link.send(declared_object(Kind.MODEL, "insert", "default", "fan-model", MODEL))
        await link.send(fan("30"))
        await until(lambda: wished(edge) == "30")
    async with hub(tmp_path, unused_tcp_port, identity) as edge:
        assert edge.known is not None
        await edge.start(edge.known)
        assert members(edge) == ["default/fan", "default/lamp"]
        link = await cloud.link(number=2)
        gone = declared_object(Kind.DEVICE, "delete", "default", "fan", FAN)
        await link.send(gone)
        await until(lambda: members(edge) == ["default/lamp"])
