"""Pods that a cloud declares, run by a hub as people run it: the cloud says what the test tells it."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cable import Cable
from live_cloud import make_cloud
from live_pods import Node, make_node
from stub_cloud import Link, StubCloud, content, joined, until

from cloud_sync.authority import Authority
from eventbus import topics
from link.message import Message
from link.resources import Kind
from link.rows import declared_object
from twin.store import open_store
from twinhub.client import TwinClient

ROUNDS = 4


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[StubCloud]:
    async with StubCloud(Authority.open(tmp_path / "authority")) as cloud:
        yield cloud


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = make_node(tmp_path)
    yield node
    node.end()


@dataclass
class Starts:
    """Each start of the pod web writes what it says and its process into a file."""

    file: Path

    def pod(self, says: str, uid: str = "u-1", **spec: Any) -> dict[str, Any]:
        own = "$$$$"  # in a manifest $$ is $
        script = f"echo {says} {own} >> {self.file}; echo {own} > {self.file.with_name('web.pid')}; exec sleep 1000"
        app = {"name": "app", "image": "host", "imagePullPolicy": "Never", "command": ["sh", "-c", script]}
        whole = {"nodeName": "edge-7", "terminationGracePeriodSeconds": 1, "containers": [app], **spec}
        metadata = {"name": "web", "namespace": "default", "uid": uid, "resourceVersion": "1"}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": whole}

    @property
    def said(self) -> list[str]:
        return [line.split()[0] for line in self._lines]

    @property
    def running(self) -> list[str]:
        return [line.split()[0] for line in self._lines if Path(f"/proc/{line.split()[1]}").exists()]

    @property
    def _lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []


@pytest.fixture
def starts(tmp_path: Path) -> Starts:
    return Starts(tmp_path / "starts")


def message(one: dict[str, Any], operation: str = "update") -> Message:
    kind = {"Pod": Kind.POD, "ConfigMap": Kind.CONFIG_MAP, "Secret": Kind.SECRET}[one["kind"]]
    return declared_object(kind, operation, "default", one["metadata"]["name"], one)


async def confirmed(link: Link, *sent: Message) -> None:
    await link.send(*sent)
    await until(lambda: sent[-1].header.msg_id in link.answered)


def identity(tmp_path: Path, cloud: StubCloud) -> str:
    joined(tmp_path / "identity", cloud.authority, cloud.port)
    return f"--identity={tmp_path / 'identity'}"


async def test_a_pod_outlives_its_cloud_and_a_killed_hub_and_ends_when_it_is_deleted(
    tmp_path: Path, cloud: StubCloud, node: Node, starts: Starts
) -> None:
    option = identity(tmp_path, cloud)
    with node.hub(option) as hub:
        await confirmed(await cloud.link(), message(starts.pod("first")))
        await until(lambda: node.is_up("web"))
        hub.kill()
        hub.wait()
    await cloud.stop()
    with node.hub(option):
        await until(lambda: "default/web  1/1    Running" in node.twinhub("get", "pods").stdout)
        assert starts.said == ["first"]
        await cloud.start()
        await until(lambda: cloud.open())
        link = cloud.open()[0]
        await confirmed(link, message(starts.pod("second")))
        await until(lambda: starts.running == ["second"])
        await confirmed(link, message(starts.pod("second"), "delete"))
        await until(lambda: not starts.running)
        await until(lambda: retained(node, topics.pod_status("default/web")) is None)
        assert "default/web" not in node.twinhub("get", "pods").stdout
        assert starts.said == ["first", "second"]


def retained(node: Node, topic: str) -> bytes | None:
    with TwinClient(node.url) as client:
        client.subscribe([topic])
        return next((message.payload for message in client.messages(0.5)), None)


async def test_a_pod_that_another_node_is_named_for_ends_here(
    tmp_path: Path, cloud: StubCloud, node: Node, starts: Starts
) -> None:
    with node.hub(identity(tmp_path, cloud)):
        link = await cloud.link()
        await confirmed(link, message(starts.pod("here")))
        await until(lambda: starts.running)
        await confirmed(link, message(starts.pod("here", nodeName="edge-8")))
        await until(lambda: not starts.running)


async def test_whenever_the_hub_is_killed_nothing_is_lost_and_nothing_starts_twice(
    tmp_path: Path, cloud: StubCloud, node: Node, starts: Starts
) -> None:
    """The cloud sends an object until it is acknowledged, as it must; it never sends it again after that."""
    option, chance = identity(tmp_path, cloud), random.Random(7)
    for number in range(ROUNDS):
        wanted = message(starts.pod(f"v{number}"))
        while not any(wanted.header.msg_id in link.answered for link in cloud.links):
            with node.hub(option) as hub:
                await send_and_kill(cloud, wanted, hub, chance.uniform(0, 0.6))
    with node.hub(option):
        await until(lambda: node.is_up("web") and starts.running == [f"v{ROUNDS - 1}"])
    assert len(starts.said) == len(set(starts.said)), starts.said


async def send_and_kill(cloud: StubCloud, wanted: Message, hub: subprocess.Popen[bytes], after: float) -> None:
    """The hub dies some time after the object has left, wherever it is by then."""
    await until(lambda: any(link.hello.channel == "hub" for link in cloud.open()))
    link = next(link for link in cloud.open() if link.hello.channel == "hub")
    await link.send(wanted)
    await asyncio.sleep(after)
    hub.kill()
    hub.wait()
    await until(lambda: not cloud.open())


async def test_a_pod_of_the_folder_and_sources_of_the_cloud_meet(
    tmp_path: Path, cloud: StubCloud, node: Node
) -> None:
    """And no secret is shown anywhere."""
    manifest = node.folder / "web.yaml"
    node.declare("web", says="$WORD")
    container = "      image: host\n"
    source = "      env: [{name: WORD, valueFrom: {secretKeyRef: {name: key, key: word}}}]\n"
    manifest.write_text(manifest.read_text().replace(container, container + source))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "default"}}
    with node.hub(identity(tmp_path, cloud)):
        await until(lambda: node.says("web", "reason") == "CreateContainerConfigError")
        await confirmed(await cloud.link(), message({**secret, "data": {"word": "c3dvcmRmaXNo"}}))
        await until(lambda: node.is_up("web"))
        await until(lambda: node.local("logs", "web").stdout == "swordfish\n")
        twins = json.dumps(node.twinhub("describe", "pod", "web").stdout)
    for shown in (twins, node.log.read_text(), *(str(link.frames) for link in cloud.links)):
        assert "swordfish" not in shown
        assert "c3dvcmRmaXNo" not in shown
    for file in node.state.glob("catalogue*"):
        assert file.stat().st_mode & 0o077 == 0


async def test_mistakes_are_said_once_and_the_last_good_form_goes_on(
    tmp_path: Path, cloud: StubCloud, node: Node, starts: Starts
) -> None:
    option, broken = identity(tmp_path, cloud), starts.pod("second", hostPID=True)
    with node.hub(option):
        link = await cloud.link()
        await confirmed(link, message(starts.pod("first")))
        await until(lambda: starts.running)
        await confirmed(link, message(broken))
        await until(lambda: "Pod/default/web: spec.hostPID: " in node.log.read_text())
    with node.hub(option):
        await until(lambda: node.is_up("web"))
        assert starts.said == starts.running == ["first"]
        assert node.log.read_text().count("Pod/default/web: spec.hostPID: ") == 2, "once in each run"


async def test_a_broken_folder_keeps_no_pod_of_the_cloud_from_running_or_ending(
    tmp_path: Path, cloud: StubCloud, node: Node, starts: Starts
) -> None:
    option = identity(tmp_path, cloud)
    with node.hub(option):
        await confirmed(await cloud.link(), message(starts.pod("first")))
        await until(lambda: starts.running)
    (node.folder / "broken.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {}\n")
    before = len(cloud.links)
    with node.hub(option):
        await until(lambda: node.is_up("web"))
        assert starts.said == ["first"]
        await until(lambda: any(link.hello.channel == "hub" for link in cloud.links[before:]))
        link = next(link for link in cloud.links[before:] if link.hello.channel == "hub")
        await confirmed(link, message(starts.pod("first"), "delete"))
        await until(lambda: not starts.running)


async def test_the_cloud_is_told_which_twins_are_of_its_own_pods(
    tmp_path: Path, cloud: StubCloud, node: Node, starts: Starts
) -> None:
    node.declare("own")
    with node.hub(identity(tmp_path, cloud)):
        link = await cloud.link()
        await confirmed(link, message(starts.pod("first")))

        def told(name: str) -> list[Any]:
            return [content(m)["metadata"] for m in link.messages if m.route.resource == f"default/device/{name}"]

        await until(lambda: told("pod.web") and told("pod.own"))
        assert told("pod.web")[-1]["annotations"] == {"twinhub.io/pod-declared": "cloud"}
        assert "annotations" not in told("pod.own")[-1]


async def test_a_node_without_an_engine_says_why_the_cloud_s_pod_does_not_run(
    tmp_path: Path, cloud: StubCloud, starts: Starts
) -> None:
    node = make_node(tmp_path, runtime="none")
    with node.hub(identity(tmp_path, cloud)):
        await confirmed(await cloud.link(), message(starts.pod("never")))
        await until(lambda: (node.says("web", "phase"), node.says("web", "reason")) == ("Pending", "Unschedulable"))
    assert starts.said == []


SOURCES = """\
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {word: swordfish}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: fast}
"""


async def test_what_operators_do_reaches_the_pod_however_the_link_is(
    tmp_path: Path, node: Node, starts: Starts
) -> None:
    """A real cloud: a pod is declared and edited, its hub killed and started without the cloud, and the pod deleted
    while the link was cut."""
    cloud = make_cloud(tmp_path)

    async def operate(*words: str, text: str | None = None) -> None:
        done = await asyncio.to_thread(cloud.twinhub, *words, text=text)
        assert done.returncode == 0, done.stderr

    async def declare(level: int) -> None:
        one = starts.pod("$WORD-$mode-$LEVEL")
        word = {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "key", "key": "word"}}}
        one["spec"]["containers"][0] |= {
            "env": [word, {"name": "LEVEL", "value": str(level)}],
            "envFrom": [{"configMapRef": {"name": "settings"}}],
        }
        one["metadata"] = {"name": "web"}
        await operate("apply", "-f", "-", text=json.dumps(one))

    async with Cable(("127.0.0.1", cloud.link_port)) as cable:
        with cloud.running():
            option = f"--identity={replace(cloud, link_port=cable.port).join('edge-7')}"
            await operate("apply", "-f", "-", text=SOURCES)
            await declare(1)
            with node.hub(option) as hub:
                await until(lambda: cloud.value("pod.web", "phase") == "Running")
                await declare(2)
                await until(lambda: starts.running == ["swordfish-fast-2"])
                cable.cut()
                hub.kill()
                hub.wait()
            with node.hub(option):
                await until(lambda: node.is_up("web"))
                await operate("delete", "pod", "web")
                assert starts.said == ["swordfish-fast-1", "swordfish-fast-2"], "adopted, not started again"
                assert starts.running == ["swordfish-fast-2"]
                cable.restore()
                await until(lambda: not starts.running)
                await until(lambda: "default/web" not in node.twinhub("get", "pods").stdout)
                await until(lambda: not cloud.value("pod.web", "phase"))
        log = cloud.log.read_text() + node.log.read_text()
    assert "swordfish" not in log
    async with open_store(node.state / "catalogue.db") as left:
        for prefix in ("Cloud/", "CloudServed/", "PodOverride/"):
            assert await left.list(prefix) == []
