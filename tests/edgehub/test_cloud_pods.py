"""Pods, ConfigMaps and Secrets of a cloud: durable when they are acknowledged, and handed on as they came."""

from __future__ import annotations

from typing import Any

import pytest
from edge_site import QUICK, Open
from stub_cloud import Link, StubCloud, until

from edged.pod_names import twin_id
from edgehub.cloud_pods import twin_of
from link.handshake import Channel
from link.message import Message, new_message
from link.resources import Kind
from link.rows import declared_object, wishes
from twin.store import StoreError

KINDS = {Kind.POD: "Pod", Kind.CONFIG_MAP: "ConfigMap", Kind.SECRET: "Secret"}
WORD = "c3dvcmRmaXNo"


def whole(kind: Kind, name: str, uid: str = "u-1", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": "7"}
    return {"apiVersion": "v1", "kind": KINDS[kind], "metadata": metadata, **rest}


def pod(uid: str = "u-1", image: str = "app:1") -> dict[str, Any]:
    return whole(Kind.POD, "web", uid, spec={"containers": [{"name": "app", "image": image}]})


def message(kind: Kind, content: dict[str, Any], operation: str = "insert") -> Message:
    return declared_object(kind, operation, "default", content["metadata"]["name"], content)


async def acknowledged(link: Link, sent: Message) -> None:
    await until(lambda: sent.header.msg_id in link.answered)


async def test_they_are_known_after_a_restart_without_the_cloud(edge: Open, cloud: StubCloud) -> None:
    secret = whole(Kind.SECRET, "key", data={"word": WORD})
    async with edge(cloud.port) as running:
        link = await cloud.link()
        sent = [message(Kind.SECRET, secret), message(Kind.CONFIG_MAP, whole(Kind.CONFIG_MAP, "settings"))]
        await link.send(*sent, last := message(Kind.POD, pod()))
        await acknowledged(link, last)
        for key in ("Pod/default/web", "ConfigMap/default/settings", "Secret/default/key"):
            assert await running.catalogue.get(f"Cloud/{key}"), "before it is acknowledged"
        await until(lambda: len(running.objects) == 3)
        assert running.link.statistics().objects == 3
    await cloud.stop()
    async with edge(cloud.port) as running:
        assert running.pods == [["ConfigMap/default/settings", "Pod/default/web", "Secret/default/key"]]
        assert running.objects["Secret/default/key"] == secret


async def test_what_kubeedge_leaves_out_is_filled_in_and_what_it_adds_is_left_out(
    edge: Open, plain_cloud: StubCloud
) -> None:
    async with edge(plain_cloud.port) as running:
        link = await plain_cloud.link()
        bare = {**pod(), "status": {"phase": "Running"}}
        del bare["kind"], bare["apiVersion"]
        bare["metadata"]["managedFields"] = [{"manager": "kubectl"}]
        sent = new_message("edgecontroller", "resource", "update", "default/pod/web", bare)
        await link.send(sent)
        await acknowledged(link, sent)
        await until(lambda: running.objects.get("Pod/default/web") == pod())


async def test_what_is_deleted_is_gone_unless_another_has_its_name(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        await link.send(message(Kind.POD, pod()))
        await until(lambda: running.objects)
        await link.send(message(Kind.POD, pod("another"), "delete"))
        await link.send(second := message(Kind.CONFIG_MAP, whole(Kind.CONFIG_MAP, "settings")))
        await acknowledged(link, second)
        await until(lambda: sorted(running.objects) == ["ConfigMap/default/settings", "Pod/default/web"])
        gone = {"metadata": {"name": "web", "namespace": "default", "uid": "u-1"}}
        await link.send(last := new_message("synccontroller", "resource", "delete", "default/pod/web", gone))
        await acknowledged(link, last)
        assert await running.catalogue.get("Cloud/Pod/default/web") is None
        await until(lambda: sorted(running.objects) == ["ConfigMap/default/settings"])


async def test_a_pod_that_kubernetes_is_about_to_delete_ends_now(edge: Open, plain_cloud: StubCloud) -> None:
    async with edge(plain_cloud.port) as running:
        link = await plain_cloud.link()
        await link.send(message(Kind.POD, pod()))
        await until(lambda: running.objects)
        ending = pod()
        ending["metadata"] |= {"deletionTimestamp": "2026-11-23T10:00:00Z", "deletionGracePeriodSeconds": 30}
        await link.send(last := message(Kind.POD, ending, "update"))
        await acknowledged(link, last)
        await until(lambda: not running.objects)


@pytest.mark.parametrize("between", [[], [message(Kind.POD, pod(), "delete")]], ids=["away", "here"])
async def test_another_pod_of_the_same_name_begins_anew(edge: Open, cloud: StubCloud, between: list[Message]) -> None:
    """Whether the edge was away when the first one was deleted, or was told."""
    async with edge(cloud.port) as running:
        link = await cloud.link()
        await link.send(message(Kind.POD, pod()))
        await until(lambda: running.objects)
        wish = wish_for("default/pod.web", "5")
        await link.send(*between, message(Kind.POD, pod("u-2")), wish)
        await acknowledged(link, wish)
        await until(lambda: running.pods[-3:] == [["Pod/default/web"], [], ["Pod/default/web"]])
        await until(lambda: "speed" in (running.keeper.get("default/pod.web") or {}))
        assert running.shown("default/pod.web").expected.value == "5"  # type: ignore[union-attr]


async def test_an_edited_pod_does_not_begin_anew_and_what_is_the_same_does_nothing(
    edge: Open, cloud: StubCloud
) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        await link.send(message(Kind.POD, pod()))
        await until(lambda: running.objects)
        await link.send(message(Kind.POD, pod()))
        await link.send(message(Kind.POD, pod(image="app:2")))
        await until(lambda: running.objects["Pod/default/web"] == pod(image="app:2"))
        assert running.pods[-2:] == [["Pod/default/web"]] * 2


def wish_for(device: str, value: str) -> Message:
    wanted = (
        f'{{"expected":{{"value":"{value}"}},"metadata":{{"type":"int"}},"expected_version":{{"cloud":1,"edge":0}}}}'
    )
    body = f'{{"speed":{wanted}}}'
    return wishes(device, body, 1)


async def test_wishes_for_a_pod_go_with_it(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        await link.send(early := wish_for("default/pod.web", "5"))
        await acknowledged(link, early)
        assert running.link.statistics().pending_wishes == 1
        await link.send(gone := message(Kind.POD, pod(), "delete"))
        await acknowledged(link, gone)
        assert running.link.statistics().pending_wishes == 0


async def test_the_cloud_is_told_all_there_is_of_a_pod_it_has_just_sent(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        link, up = await cloud.link(), await cloud.link(Channel.BUS)
        await link.send(message(Kind.POD, pod()))
        await until(lambda: running.keeper.device("default/pod.web"))
        running.report(3, device="default/pod.web")
        await until(lambda: len(up.reports) == 1)
        await link.send(message(Kind.POD, pod(image="app:2"), "update"))
        await until(lambda: len(up.reports) == 2)


async def test_what_cannot_be_stored_comes_again(
    edge: Open, cloud: StubCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edge(cloud.port, settings=QUICK) as running:
        link = await cloud.link()
        put = running.catalogue.put

        async def full(*_args: Any, **_options: Any) -> int:
            raise StoreError("the disk is full")

        monkeypatch.setattr(running.catalogue, "put", full)
        await link.send(sent := message(Kind.SECRET, whole(Kind.SECRET, "key")))
        second = await cloud.link(number=2)
        assert sent.header.msg_id not in link.answered
        monkeypatch.setattr(running.catalogue, "put", put)
        await second.send(sent)
        await acknowledged(second, sent)


@pytest.mark.parametrize("body", [None, [], 7, WORD, {}, {"metadata": None}, {"metadata": {}, "data": {WORD: 1e300}}])
@pytest.mark.parametrize(
    "resource", ["default/pod/web", "default/secret/key", "default/configmap/..", "a b/secret/c"]
)
async def test_hostile_content_is_acknowledged_and_no_secret_is_shown(
    edge: Open, cloud: StubCloud, caplog: pytest.LogCaptureFixture, resource: str, body: Any
) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        await link.send(hostile := new_message("edgecontroller", "resource", "update", resource, body))
        await acknowledged(link, hostile)
        await link.send(message(Kind.POD, whole(Kind.POD, "well")))
        await until(lambda: "Pod/default/well" in running.objects)
    assert WORD not in caplog.text


def test_both_rooms_call_the_twin_of_a_pod_alike() -> None:
    assert twin_of("line-2/web.a") == twin_id("line-2/web.a")
