from __future__ import annotations

from pathlib import Path

import pytest
from pod_texts import pod_with, read, told

TEXT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: alarm
  namespace: plant
  labels: {{of: deployment}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: alarm}}}}
  strategy: {{}}
  template:
    metadata:
      creationTimestamp: null
      labels: {{app: alarm}}
    spec:
      containers:
      - name: alarm
        image: localhost/alarm:1
        resources: {{}}{more}
status: {{}}
"""


def deployment(more: str = "", replicas: str = "1") -> str:
    return TEXT.format(more=more, replicas=replicas)


def test_it_is_the_pod_of_its_template(tmp_path: Path) -> None:
    declared = read(tmp_path, deployment())
    assert told(declared) == []
    pod = declared.pods["plant/alarm"]
    assert pod.metadata.labels == {"app": "alarm"}
    assert [one.image for one in pod.spec.containers] == ["localhost/alarm:1"]


def test_of_no_replicas_there_is_no_pod(tmp_path: Path) -> None:
    declared = read(tmp_path, deployment(replicas="0"))
    assert declared.problems == ()
    assert declared.pods == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (deployment(replicas="3"), "0.yaml:9: spec.replicas: 3 is above 1; write 0 or 1: a node runs one of each"),
        (deployment("\n        imge: x"), "0.yaml:21: spec.template.spec.containers[0].imge: this key is not known"),
        (
            deployment("\n        volumeMounts: [{name: v, mountPath: /v}]"),
            "0.yaml:21: spec.template.spec.containers[0].volumeMounts[0].name: there is no volume 'v'",
        ),
        (
            deployment().replace("labels: {app: alarm}", "annotations: {twinhub.io/device: pump}"),
            "0.yaml:15: spec.template.metadata.annotations[\"twinhub.io/device\"]: 'pump' is no device",
        ),
        (
            deployment().replace("strategy: {}", "strategy: {type: RollingUpdate}"),
            "spec.strategy.type: 'RollingUpdate' is not one",
        ),
        (deployment().replace("strategy: {}", "minReadySeconds: 5"), "spec.minReadySeconds: this key is not known"),
        (deployment().replace("apps/v1", "v1"), "apiVersion: 'v1' has no Deployment; write apps/v1"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(text: str, words: str, tmp_path: Path) -> None:
    declared = read(tmp_path, text)
    assert [one for one in told(declared) if words in one], told(declared)
    assert declared.pods == {}


def test_it_has_the_name_of_no_other_pod(tmp_path: Path) -> None:
    text = (
        deployment()
        .replace("namespace: plant", "namespace: default")
        .replace("name: alarm\n  name", "name: a\n  name")
    )
    declared = read(tmp_path, pod_with(), text)
    assert [problem.message for problem in declared.problems] == ["Pod default/a is declared twice"]
