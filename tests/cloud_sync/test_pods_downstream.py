"""Pods and their sources on their way to a real edge's end of a link, of twinhub and of KubeEdge."""

from __future__ import annotations

import pytest
from edge_clients import JOURNAL, Cloud, Edge, until
from pod_objects import ENCODED, config_map, pod, secret

from link import contents
from link.acknowledgement import acknowledge, refuse

NODE = "edge-7"

both = pytest.mark.parametrize("plain", [True, False])


async def came(edge: Edge, number: int) -> list[str]:
    """The next of them, acknowledged."""
    found = []
    for _ in range(number):
        message = await edge.receive()
        route = message.route
        assert (route.source, route.group) == ("edgecontroller", "resource")
        found.append(f"{route.operation} {route.resource}")
        await edge.send(acknowledge(message))
    return found


@both
async def test_a_pod_comes_after_its_sources_and_goes_before_them(cloud: Cloud, plain: bool) -> None:
    await cloud.apply(pod(keys="secret", settings="configMap"), secret(), config_map())
    async with cloud.edge(plain=plain) as edge:
        resources = "configmap/settings", "secret/keys", "pod/web"
        assert await came(edge, 3) == [f"insert default/{resource}" for resource in resources]
        await until(lambda: cloud.links()[0].queue == 0)
        await cloud.registry.delete("Pod/default/web")
        resources = "pod/web", "configmap/settings", "secret/keys"
        assert await came(edge, 3) == [f"delete default/{resource}" for resource in resources]
        await until(lambda: cloud.links()[0].queue == 0)
    assert await cloud.registry.held.confirmed(NODE) == {}


@both
async def test_an_object_comes_whole_and_of_a_secret_nothing_is_noted_but_its_name(cloud: Cloud, plain: bool) -> None:
    await cloud.apply(secret(), pod(keys="secret"))
    async with cloud.edge(plain=plain) as edge:
        message = await edge.receive()
        stored = cloud.registry.find("Secret/default/keys")
        assert stored is not None
        assert contents.manifest(message) == stored.object
        assert stored.object["metadata"]["uid"]
        assert message.header.resourceversion == str(stored.version)
        await edge.send(acknowledge(message))
        await came(edge, 1)
        await until(lambda: cloud.links()[0].queue == 0)
        noted = await cloud.registry.held.confirmed(NODE, "" if plain else JOURNAL)
        assert ENCODED not in str(noted)
        assert {key.partition("/")[0] for key in noted} == {"Secret", "Pod"}
        found = cloud.registry.find("Pod/default/web")
        assert found is not None
        assert await cloud.registry.held.has_confirmed(found)


@both
async def test_a_pod_moves(cloud: Cloud, plain: bool) -> None:
    await cloud.apply(pod(keys="secret"), secret())
    async with cloud.edge(plain=plain) as old, cloud.edge("edge-8", plain=plain) as new:
        await came(old, 2)
        await until(lambda: cloud.links()[0].queue == 0)
        await cloud.apply(pod(node="edge-8", keys="secret"))
        assert await came(old, 2) == ["delete default/pod/web", "delete default/secret/keys"]
        assert await came(new, 2) == ["insert default/secret/keys", "insert default/pod/web"]


@both
async def test_an_edge_that_was_away_learns_all_of_it_at_once(cloud: Cloud, plain: bool) -> None:
    await cloud.apply(pod(keys="secret"), secret())
    async with cloud.edge(plain=plain) as edge:
        await came(edge, 2)
        await until(lambda: cloud.links()[0].queue == 0)
    await until(lambda: not cloud.links())
    await cloud.registry.delete("Pod/default/web")
    await cloud.apply(pod("next", settings="configMap"), config_map(), pod("next", settings="configMap", image="b"))
    async with cloud.edge(plain=plain) as edge:
        assert await came(edge, 4) == [
            "delete default/pod/web",
            "insert default/configmap/settings",
            "insert default/pod/next",
            "delete default/secret/keys",
        ]


async def test_what_an_edge_says_of_a_secret_is_not_logged(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    await cloud.apply(secret(), pod(keys="secret"))
    async with cloud.edge() as edge:
        message = await edge.receive()
        await edge.send(refuse(message, f"cannot take {ENCODED}"))
        await until(lambda: cloud.links()[0].refused == 1)
    assert "default/secret/keys" in caplog.text
    assert ENCODED not in caplog.text
