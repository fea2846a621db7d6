from __future__ import annotations

import os
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as cri
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edged.cri.configs import (
    LEAST_QUOTA,
    LONGEST_LABEL,
    PERIOD,
    container_config,
    labels_of,
    sandbox_config,
    sandbox_config_of,
)
from edged.runtime import LABEL, ContainerPlan, PublishedPort, SandboxPlan

LOGS = "/var/log/twinhub"
SANDBOX = SandboxPlan(name="s", hostname="box", labels={LABEL.pod: "plant/alarm", LABEL.uid: "u1"})
PLAN = ContainerPlan(name="c", image="i", env={}, labels={}, log_path=f"{LOGS}/a/0.log")


def config(**changes: Any) -> cri.ContainerConfig:
    return container_config(replace(PLAN, **changes), cri.NamespaceOption(), LOGS)


def test_a_sandbox_bears_the_name_of_its_pod() -> None:
    metadata = sandbox_config(SANDBOX, LOGS).metadata
    assert (metadata.name, metadata.namespace, metadata.uid) == ("s", "plant", "u1")
    nobody = sandbox_config(replace(SANDBOX, labels={}), LOGS).metadata
    assert (nobody.namespace, nobody.uid) == ("default", "s")


def test_ports() -> None:
    ports = (PublishedPort(80, 8080), PublishedPort(53, 5353, "127.0.0.1", "UDP"))
    first, second = sandbox_config(replace(SANDBOX, ports=ports), LOGS).port_mappings
    assert (first.protocol, first.container_port, first.host_port, first.host_ip) == (cri.TCP, 80, 8080, "")
    assert (second.protocol, second.container_port, second.host_port) == (cri.UDP, 53, 5353)


def test_a_pod_on_the_nodes_network_has_no_name_of_its_own() -> None:
    made = sandbox_config(replace(SANDBOX, host_network=True), LOGS)
    assert made.hostname == ""
    assert made.linux.security_context.namespace_options.network == cri.NamespaceMode.NODE


@pytest.mark.parametrize("changes", [{}, {"host_network": True}, {"privileged": True}])
def test_a_sandbox_is_described_again_as_it_was_made(changes: Any) -> None:
    made = sandbox_config(replace(SANDBOX, **changes), LOGS)
    options = cri.Namespace(options=made.linux.security_context.namespace_options)
    status = cri.PodSandboxStatus(
        metadata=made.metadata,
        labels=made.labels,
        annotations=made.annotations,
        linux=cri.LinuxPodSandboxStatus(namespaces=options),
    )
    assert sandbox_config_of(status, LOGS, privileged="privileged" in changes) == made


@given(st.floats(0, 1000, exclude_min=True))
def test_a_limit_of_the_processor_is_never_none_and_never_less(cpu: float) -> None:
    resources = config(cpu=cpu).linux.resources
    assert resources.cpu_period == PERIOD
    assert resources.cpu_quota >= max(LEAST_QUOTA, cpu * PERIOD)
    assert resources.cpu_quota < max(LEAST_QUOTA, cpu * PERIOD) + 1


def test_no_limits() -> None:
    assert config().linux.resources == cri.LinuxContainerResources()


@pytest.mark.parametrize("user", [None, 0, 7])
def test_root_is_not_nobody(user: int | None) -> None:
    security = config(user=user).linux.security_context
    assert security.HasField("run_as_user") == (user is not None)
    assert security.run_as_user.value == (user or 0)


@given(st.text("ab./", min_size=1))
def test_a_log_lies_where_it_is_wanted(path: str) -> None:
    wanted = os.path.normpath(f"/x/{path}")
    assert os.path.normpath(f"{LOGS}/{config(log_path=wanted).log_path}") == wanted


@given(st.dictionaries(st.text(min_size=1), st.text() | st.sampled_from(["x" * 4095, "x" * 4096, "ü" * 4000])))
def test_labels_of_any_length_come_back(labels: dict[str, str]) -> None:
    made = config(labels=labels)
    assert all(len(f"{name}{value}".encode()) <= LONGEST_LABEL for name, value in made.labels.items())
    assert labels_of(cri.Container(labels=made.labels, annotations=made.annotations)) == labels
