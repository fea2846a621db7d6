"""Folders of pods, as users and tools write them: good ones, and broken ones with the words about them."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pod_texts import GOOD, pod_with, read, told

from device_models import load, load_objects
from edged.declared import DeclaredPods, PodReader, references

HERE = Path(__file__).parent


def test_a_folder_of_pods_is_read(tmp_path: Path) -> None:
    declared = read(tmp_path, GOOD)
    assert declared.problems == ()
    pod = declared.pods["plant/alarm"]
    assert pod.id == "plant/alarm"
    volume = pod.spec.volumes[0].config_map
    assert volume is not None
    assert volume.default_mode == 0o640
    assert declared.config_maps["plant/levels"].files == {"high": b"80", "logo": b"\0\1\2"}
    assert declared.secrets["plant/door"].files == {"code": b"1234", "other": b"bbb"}
    assert declared.sources.secrets.keys() == {"plant/door"}


def test_nobody_sees_a_secret(tmp_path: Path) -> None:
    declared = read(tmp_path, GOOD)
    assert "1234" not in repr(declared)
    assert "MTIz" not in repr(declared)


@pytest.mark.parametrize("file", sorted((HERE / "manifests").glob("*.yaml")), ids=lambda file: file.stem)
def test_what_tools_write_is_taken(file: Path) -> None:
    reader = PodReader()
    assert load(file, {}, others=reader.take).problems == ()
    declared = reader.declared()
    assert [problem for problem in declared.problems if problem.severity == "error"] == []
    assert declared.pods or declared.config_maps or declared.secrets


@pytest.mark.parametrize("file", sorted((HERE / "manifests" / "refused").glob("*.yaml")), ids=lambda file: file.stem)
def test_what_tools_write_and_nobody_could_run_is_refused(file: Path) -> None:
    """The words stand in the file's first line."""
    reader = PodReader()
    load(file, {}, others=reader.take)
    words = [f"{problem.path}: {problem.message}" for problem in reader.declared().problems]
    assert words == [
        line.removeprefix("# refused: ") for line in file.read_text().splitlines() if "# refused" in line
    ]


WRONG = [
    (pod_with().replace("v1", "apps/v1"), "apiVersion: 'apps/v1' has no Pod; write v1"),
    (pod_with().replace("Pod", "Pods"), "there is no kind 'Pods' in v1; did you mean Pod?"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=range(len(WRONG)))
def test_what_was_meant_to_be_a_pod_is_told(text: str, words: str, tmp_path: Path) -> None:
    declared = read(tmp_path, text)
    assert [problem for problem in map(str, declared.problems) if words in problem], told(declared)
    assert not declared.pods


def test_what_is_declared_twice_is_named(tmp_path: Path) -> None:
    declared = read(tmp_path, pod_with(), pod_with().replace("image: i", "image: other"))
    assert declared.pods["default/a"].spec.containers[0].image == "i"
    assert told(declared) == [
        f"1.yaml:3: metadata.name: Pod default/a is declared twice; rename it here or in {tmp_path}/0.yaml:3"
    ]


WAITS = "the pod waits until there is one"


def none(kind: str, name: str) -> str:
    return f"there is no {kind} '{name}' in the namespace 'default'"


def test_what_a_pod_waits_for_is_remarked(tmp_path: Path) -> None:
    sources = "envFrom: [{configMapRef: {name: l}}, {secretRef: {name: o, optional: true}}]"
    text = pod_with(f", {sources}", "  volumes: [{name: v, secret: {secretName: doer}}]")
    declared = read(tmp_path, text, "{apiVersion: v1, kind: Secret, metadata: {name: door}}")
    assert [problem.severity for problem in declared.problems] == ["warning"] * 2
    assert told(declared) == [
        f"0.yaml:6: spec.containers[0].envFrom[0].configMapRef.name: {none('ConfigMap', 'l')}; {WAITS}",
        f"0.yaml:7: spec.volumes[0].secret.secretName: {none('Secret', 'doer')}; did you mean door?",
    ]
    assert declared.pods.keys() == {"default/a"}


def test_what_a_pod_takes_from_is_named_optional_or_not() -> None:
    reader = PodReader()
    env_from = [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b", "optional": True}}]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "app", "image": "i", "envFrom": env_from}]},
    }
    load_objects([pod, pod | {"metadata": {"name": "Bad Name"}}], {}, reader.take)
    found = {(one.kind, one.name, one.optional) for one in references(reader.declared().pods["default/web"])}
    assert found == {("ConfigMap", "a", False), ("Secret", "b", True)}
    assert reader.documents() == {"Pod/default/web": pod}


def test_a_broken_one_is_not_said_to_be_missing(tmp_path: Path) -> None:
    broken = "{apiVersion: v1, kind: ConfigMap, metadata: {name: l}, data: {k: 5}}"
    declared = read(tmp_path, pod_with(", envFrom: [{configMapRef: {name: l}}]"), broken)
    assert [problem.severity for problem in declared.problems] == ["error"]


def test_a_pod_of_another_node_is_not_ours(tmp_path: Path) -> None:
    declared = read(tmp_path, pod_with("", "  nodeName: edge-2"))
    assert declared.on("edge-1") == {}
    assert declared.on("edge-2").keys() == {"default/a"}


def test_other_kinds_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("{apiVersion: v1, kind: Service, metadata: {name: a}}", encoding="utf-8")
    reader = PodReader()
    declared = load(tmp_path, {}, others=reader.take)
    assert [problem.severity for problem in declared.problems] == ["warning"]
    assert reader.declared() == DeclaredPods()


DOCUMENTS = list(yaml.safe_load_all(GOOD))
ODD = [None, [], {}, "", "..", "x" * 300, 0, -1, 2**70, 1.5, 2.0, True, [None], {"a": None}, "\n", "a/../../b", [[]]]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.sampled_from(ODD), st.integers(0, len(DOCUMENTS) - 1))
def test_no_manifest_is_too_odd(chance: random.Random, odd: Any, index: int) -> None:
    document = copy.deepcopy(DOCUMENTS[index])
    node: Any = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = chance.choice(keys)
        if not isinstance(node[key], dict | list) or not node[key] or chance.random() < 0.2:
            break
        node = node[key]
    node[key if chance.random() < 0.8 or isinstance(node, list) else "odd"] = odd
    reader = PodReader()
    found = load_objects([document], {}, reader.take)
    declared = reader.declared()
    things = len(declared.pods) + len(declared.config_maps) + len(declared.secrets)
    assert things == 1 or declared.problems or found.problems
