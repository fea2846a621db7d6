import msgspec

from edged.status import ContainerState, ContainerStatus, PodStatus


def test_fields_are_called_as_in_kubernetes() -> None:
    container = ContainerStatus(
        name="c",
        image="i",
        image_id="sha256:1",
        container_id="podman://1",
        ready=True,
        started=True,
        restart_count=2,
        state=ContainerState(),
    )
    status = PodStatus(phase="Running", host_ip="10.0.0.1", pod_ip="10.1.0.1", container_statuses=(container,))
    written = msgspec.to_builtins(status)
    assert written.keys() == {"phase", "hostIP", "podIP", "containerStatuses"}
    assert written["containerStatuses"][0].keys() == {
        *("name", "image", "imageID", "containerID", "ready", "started", "restartCount", "state", "lastState"),
    }
