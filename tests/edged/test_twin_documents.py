"""What a cloud is told of the twins of pods and nodes."""

from __future__ import annotations

from dataclasses import replace

from device_models import Device, load_objects
from edged import node_twin, pod_twin
from edged.pod import Container, Metadata, Pod, PodSpec
from edged.twin_documents import documents


def test_they_declare_the_same_devices() -> None:
    containers = (Container(name="app", image="app:1"),)
    metadata = Metadata(name="web.a", namespace="line-2")
    pod = Pod(api_version="v1", kind="Pod", metadata=metadata, spec=PodSpec(containers=containers))
    derived = [pod_twin.device_of(pod, "edge-7"), node_twin.device_of("Edge-7")]
    declared = load_objects(documents(derived).values(), {})
    assert declared.problems == ()
    for device in derived:
        assert _plain(declared.devices[device.id]) == _plain(device)


def test_the_device_of_a_pod_of_the_cloud_says_so() -> None:
    derived = [node_twin.device_of("edge-7"), replace(node_twin.device_of("edge-7"), name="pod.web")]
    found = documents(derived, {"default/pod.web"})
    assert found["Device/default/pod.web"]["metadata"]["annotations"] == {"twinhub.io/pod-declared": "cloud"}
    assert [key for key, one in found.items() if "annotations" in one["metadata"]] == ["Device/default/pod.web"]
    assert load_objects(found.values(), {}).problems == ()


def _plain(device: Device) -> Device:
    """Without what a cloud need not know: which mapper it has, and what its manifest wishes."""
    properties = tuple(replace(one, desired=None) for one in device.properties)
    return replace(device, model="", protocol="", properties=properties)
