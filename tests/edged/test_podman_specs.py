from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edged.pod import Capabilities
from edged.podman.specs import container_spec, pod_spec, qualified
from edged.runtime import ContainerPlan, Mount, PublishedPort, RuntimeRefused, SandboxPlan

PLAN = ContainerPlan(name="c", image="app:1", env={"A": "b"}, labels={"l": "v"}, log_path="/logs/0.log")


def test_a_plain_container_takes_from_its_image_what_the_plan_leaves_open() -> None:
    spec = container_spec("pod", PLAN)
    assert spec["pod"] == "pod"
    assert spec["log_configuration"]["path"] == "/logs/0.log"
    assert spec["user"] == ""
    assert spec["resource_limits"] == {}
    assert not {"entrypoint", "command", "work_dir", "devices"} & spec.keys()


def test_what_podman_adds_of_itself_is_told_off() -> None:
    spec = container_spec("pod", PLAN)
    assert spec["httpproxy"] is False
    assert spec["systemd"] == "false"
    assert spec["healthconfig"] == {"Test": ["NONE"]}
    assert spec["restart_policy"] == "no"


def test_limits() -> None:
    spec = container_spec("pod", replace(PLAN, memory=1 << 20, cpu=0.25, cpu_shares=256))
    assert spec["resource_limits"] == {
        "memory": {"limit": 1 << 20, "swap": 1 << 20},
        "cpu": {"period": 100_000, "quota": 25_000, "shares": 256},
    }


@given(st.floats(min_value=1e-6, max_value=1000))
def test_a_processor_limit_is_never_rounded_to_nothing(cpu: float) -> None:
    limit = container_spec("pod", replace(PLAN, cpu=cpu))["resource_limits"]["cpu"]
    assert limit["quota"] >= 1000
    assert limit["quota"] / limit["period"] >= min(cpu, 1000) - 1e-9


def test_mounts_and_devices_are_read_only_where_they_should() -> None:
    mounts = (Mount("/a", "/b", read_only=True), Mount("/c", "/d"))
    spec = container_spec("pod", replace(PLAN, mounts=mounts, devices=mounts))
    assert [one["options"][-1] for one in spec["mounts"]] == ["ro", "rw"]
    assert [one["path"] for one in spec["devices"]] == ["/a:/b:r", "/c:/d:rwm"]


def test_a_group_needs_a_user() -> None:
    assert container_spec("pod", replace(PLAN, user=1, group=2))["user"] == "1:2"
    assert container_spec("pod", replace(PLAN, user=0))["user"] == "0"
    with pytest.raises(RuntimeRefused, match="runAsUser"):
        container_spec("pod", replace(PLAN, group=2))


def test_capabilities() -> None:
    spec = container_spec("pod", replace(PLAN, capabilities=Capabilities(add=("NET_ADMIN",), drop=("ALL",))))
    assert (spec["cap_add"], spec["cap_drop"]) == (["NET_ADMIN"], ["ALL"])


def test_a_pod_on_the_nodes_network_has_neither_ports_nor_a_name_of_its_own() -> None:
    port = PublishedPort(container_port=53, host_port=5353, host_ip="127.0.0.1", protocol="UDP")
    plan = SandboxPlan(name="p", hostname="h", labels={}, ports=(port,))
    assert pod_spec(plan)["portmappings"] == [
        {"container_port": 53, "host_port": 5353, "host_ip": "127.0.0.1", "protocol": "udp"}
    ]
    assert pod_spec(replace(plan, host_network=True)) == {"name": "p", "labels": {}, "netns": {"nsmode": "host"}}


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("busybox", "docker.io/library/busybox"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("nats/server:2", "docker.io/nats/server:2"),
        ("quay.io/a/b", "quay.io/a/b"),
        ("localhost/app:1", "localhost/app:1"),
        ("host:5000/app", "host:5000/app"),
    ],
)
def test_a_registry_that_is_left_out(image: str, full: str) -> None:
    assert qualified(image) == full
