"""The twin of a pod: what is declared of it, what is read of it, which wishes can be."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from device_models import AccessMode, Device
from edged import pod_names, pod_twin
from edged.pod import Container, Metadata, Pod, PodSpec
from edged.status import (
    Condition,
    ContainerState,
    ContainerStatus,
    Event,
    PodStatus,
    Running,
    Terminated,
    Waiting,
)
from edged.wanted import Override
from twin.rules import Rules


def pod(**images: str) -> Pod:
    containers = tuple(Container(name=name, image=image) for name, image in (images or {"app": "app:1"}).items())
    return Pod(api_version="v1", kind="Pod", metadata=Metadata(name="web"), spec=PodSpec(containers=containers))


def container(state: ContainerState, *, ready: bool = False, image: str = "app:1") -> ContainerStatus:
    return ContainerStatus(name="app", image=image, ready=ready, started=ready, restart_count=2, state=state)


RUNNING = PodStatus(
    phase="Running",
    pod_ip="10.0.0.2",
    start_time="2026-01-01T00:00:00Z",
    conditions=(Condition(type="Ready", status="True"),),
    container_statuses=(container(ContainerState(running=Running("2026-01-01T00:00:00Z")), ready=True),),
)
CRASHING = PodStatus(
    phase="Running",
    conditions=(Condition(type="Ready", status="False"),),
    container_statuses=(container(ContainerState(waiting=Waiting("CrashLoopBackOff", "back-off 10s"))),),
)
STOPPED = PodStatus(
    phase="Pending",
    reason="Stopped",
    message="scaled to 0",
    container_statuses=(container(ContainerState(waiting=Waiting("Stopped"))),),
)
STOPPING = PodStatus(phase="Running", reason="Terminating", container_statuses=RUNNING.container_statuses)
UNSEEN = replace(RUNNING, message="it is away", conditions=(Condition(type="Ready", status="Unknown"),))


def names(device: Device) -> set[str]:
    return {one.name for one in device.properties}


def test_id_and_back() -> None:
    assert pod_names.twin_id("line-2/web.a") == "line-2/pod.web.a"
    assert pod_names.pod_of("line-2/pod.web.a") == "line-2/web.a"
    assert pod_names.pod_of("line-2/podium") is None
    assert pod_twin.device_of(pod(), "edge-7").id == pod_names.twin_id(pod().id)


def test_what_is_read_is_what_is_declared() -> None:
    for strict in (False, True):
        device = pod_twin.device_of(pod(), "edge-7", strict=strict)
        assert pod_twin.readings(RUNNING, (), Override(), strict=strict).keys() == names(device)


def test_only_wishes_can_be_written() -> None:
    writable = {one.name for one in pod_twin.device_of(pod(), "").properties if one.access is AccessMode.READ_WRITE}
    assert writable == {"replicas", "image", "restart"}


@pytest.mark.parametrize(
    ("status", "state", "ready", "reason", "replicas"),
    [
        (RUNNING, "online", "true", "", "1"),
        (CRASHING, "unhealthy", "false", "CrashLoopBackOff", "1"),
        (STOPPED, "offline", "false", "Stopped", "0"),
        (STOPPING, "unhealthy", "false", "Terminating", "1"),
        (PodStatus(phase="Failed"), "unhealthy", "false", "", "1"),
        (PodStatus(phase="Succeeded"), "offline", "false", "", "1"),
        (UNSEEN, "unknown", "false", "", "1"),
    ],
)
def test_a_status_in_words(status: PodStatus, state: str, ready: str, reason: str, replicas: str) -> None:
    values = pod_twin.readings(status, (), Override())
    assert pod_twin.state(status) == state
    assert (values["ready"], values["reason"], values["replicas"]) == (ready, reason, replicas)


def test_the_statuses_are_those_of_kubernetes() -> None:
    values = pod_twin.readings(RUNNING, (), Override(restart="monday"))
    [status] = json.loads(values["containers"])
    assert status["state"] == {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    assert status["restartCount"] == 2
    assert (values["restarts"], values["restart"], values["image"]) == ("2", "monday", "app:1")


def test_the_reason_is_that_of_the_first_container_that_has_one() -> None:
    failed = container(ContainerState(terminated=Terminated(3, "Error", "oh")))
    well = container(ContainerState(terminated=Terminated(0, "Completed")))
    values = pod_twin.readings(PodStatus(phase="Failed", container_statuses=(well, failed)), (), Override())
    assert (values["reason"], values["message"]) == ("Error", "oh")


def test_events_fit_into_a_value_and_the_newest_stay() -> None:
    events = [Event(reason="BackOff", message="é" * 1000, count=one, first=0, last=one) for one in range(100)]
    text = pod_twin.readings(RUNNING, events, Override())["events"]
    assert Rules().value_fault(text) is None
    shown = [one["count"] for one in json.loads(text)]
    assert shown == list(range(100 - len(shown), 100))
    assert len(shown) > 10


def test_what_does_not_fit_is_cut_or_left_out() -> None:
    values = pod_twin.readings(replace(CRASHING, reason="Odd", message="é" * 9000), (), Override(), largest=512)
    assert values["message"] == "é" * 256
    assert [name for name, text in values.items() if Rules(value_bytes=512).value_fault(text)] == []


def test_strict_values_are_within_kubeedges_rules() -> None:
    rules = Rules(strict=True)
    for status in (RUNNING, CRASHING, STOPPED):
        values = pod_twin.readings(status, (), Override(), strict=True)
        assert [name for name, text in values.items() if rules.value_fault(text)] == []


def test_images_of_several_containers_are_one_value() -> None:
    two = pod(app="app:1", proxy="proxy:1")
    [image] = [one for one in pod_twin.device_of(two, "").properties if one.name == "image"]
    assert image.desired == "app=app:1,proxy=proxy:1"
    assert pod_twin.images_of(image.desired, two) == {"app": "app:1", "proxy": "proxy:1"}
    assert "image" not in names(pod_twin.device_of(two, "", strict=True))


@pytest.mark.parametrize("text", ["", "a b", "nobody=app:2", "app=", "app=a b", "proxy:2", "app=app:2,", "x" * 600])
def test_what_is_no_image_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"image|CONTAINER"):
        pod_twin.images_of(text, pod(app="app:1", proxy="proxy:1"))
    if "=" not in text and text != "proxy:2":
        with pytest.raises(ValueError, match="image"):
            pod_twin.images_of(text, pod())
