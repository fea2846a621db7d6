"""No two pods have the same port of a node, the earlier one goes on, and every pod that can run does."""

from __future__ import annotations

import asyncio
from itertools import combinations
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from node import Node, container, pod
from pod_texts import pod_with, read, told
from virtual_time import run

from edged.host_ports import HostPort, conflicts, taken
from edged.pod import Pod
from edged.wanted import Override


def with_ports(name: str, *ports: dict[str, Any], host_network: bool = False) -> Pod:
    return pod(name, container(ports=list(ports)), hostNetwork=host_network)


def on(name: str, number: int, **fields: Any) -> Pod:
    return with_ports(name, {"containerPort": 1, "hostPort": number, **fields})


def test_protocols_and_addresses_are_apart() -> None:
    assert conflicts([on("a", 80), on("b", 81), on("c", 80, protocol="UDP")]) == {}
    assert conflicts([on("a", 80, hostIP="10.0.0.1"), on("b", 80, hostIP="10.0.0.2")]) == {}
    refused = conflicts([on("a", 80, hostIP="10.0.0.1"), on("b", 80), on("c", 80, hostIP="10.0.0.2")])
    assert refused == {"default/b": "the node's port 80/TCP is that of default/a: default/b needs another hostPort"}


def test_a_port_on_the_nodes_own_network_is_one_of_the_node() -> None:
    own = with_ports("a", {"containerPort": 80}, host_network=True)
    assert list(conflicts([own, with_ports("b", {"containerPort": 80}), on("c", 80)])) == ["default/c"]


pods = st.lists(
    st.lists(
        st.tuples(st.integers(80, 83), st.sampled_from(["TCP", "UDP"]), st.sampled_from(["", "0.0.0.0", "10.0.0.1"])),
        max_size=3,
        unique=True,
    ),
    max_size=8,
)


@given(asked=pods)
def test_what_is_let_in_never_clashes_and_nobody_is_kept_out_without_need(
    asked: list[list[tuple[int, str, str]]],
) -> None:
    several = [
        with_ports(
            f"p{index}", *({"containerPort": 1, "hostPort": n, "protocol": p, "hostIP": ip} for n, p, ip in ports)
        )
        for index, ports in enumerate(asked)
    ]
    refused = conflicts(several)

    def ports(one: Pod) -> list[HostPort]:
        found = (taken(port, one.spec) for port in one.spec.containers[0].ports)
        return [port for port in found if port]

    def clash(one: Pod, other: Pod) -> bool:
        return any(a.clashes(b) for a in ports(one) for b in ports(other))

    let_in = [one for one in several if one.id not in refused]
    assert not any(clash(one, other) for one, other in combinations(let_in, 2))
    for index, one in enumerate(several):
        if one.id in refused:
            rival = next(other for other in several[:index] if other.id not in refused and clash(one, other))
            assert rival.id in refused[one.id] or len(ports(one)) > 1


def test_a_port_twice_in_one_pod_is_refused(tmp_path: Path) -> None:
    twice = pod_with(
        ", ports: [{containerPort: 1, hostPort: 80}, {containerPort: 2, hostPort: 80, hostIP: 10.0.0.1}]"
    )
    own = pod_with(", ports: [{containerPort: 80}, {containerPort: 80}]", "  hostNetwork: true")
    for text, key in ((twice, "hostPort"), (own, "containerPort")):
        assert any(
            f"ports[1].{key}: port 80/TCP of the node is asked for twice" in one for one in told(read(tmp_path, text))
        )


def test_the_earlier_one_goes_on_and_the_other_follows_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with Node(tmp_path) as node:
            node.apply(on("b", 80))
            await node.ready("b")
            node.apply(on("a", 80), on("b", 80))
            assert node.status("b").phase == "Running"
            await node.until(lambda: node.edged.status("default/a"))
            assert (node.status("a").phase, node.status("a").reason) == ("Pending", "HostPortConflict")
            assert "default/b" in node.status("a").message
            await node.kill()
            await node.begin()
            node.apply(on("a", 80), on("b", 80))
            await asyncio.sleep(30)
            assert node.status("a").reason == "HostPortConflict", "who had it keeps it, whoever looks"
            assert len(node.engine.ever_started) == 1
            node.edged.override("default/b", Override(replicas=0))
            await node.ready("a", within=100)
            node.edged.override("default/b", Override())
            await node.until(lambda: node.status("b").reason == "HostPortConflict", 60)
            node.apply(on("b", 80))
            await node.ready("b", within=100)
            assert not node.engine.twice

    run(story())


def test_an_edit_to_a_port_that_is_taken_leaves_what_runs(tmp_path: Path) -> None:
    async def story() -> None:
        async with Node(tmp_path) as node:
            node.apply(on("a", 80), on("b", 81))
            await node.ready("a")
            await node.ready("b")
            node.apply(on("a", 80), on("b", 80))
            await asyncio.sleep(30)
            assert len(node.engine.running()) == len(node.engine.ever_started) == 2

    run(story())
