"""Manifests of pods as texts, and what is told of them."""

from __future__ import annotations

from pathlib import Path

from device_models import load
from edged.declared import DeclaredPods, PodReader

GOOD = """
apiVersion: v1
kind: Pod
metadata: {name: alarm, namespace: plant, labels: {app: alarm}}
spec:
  containers:
  - name: watch
    image: localhost/alarm:1
    env:
    - {name: LEVEL, valueFrom: {configMapKeyRef: {name: levels, key: high}}}
    - {name: CODE, valueFrom: {secretKeyRef: {name: door, key: code}}}
    ports: [{containerPort: 8080, name: web}]
    livenessProbe: {httpGet: {port: web}}
    volumeMounts: [{name: settings, mountPath: /etc/alarm}]
  volumes:
  - {name: settings, configMap: {name: levels, defaultMode: 0640}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: levels, namespace: plant}
data: {high: "80"}
binaryData: {logo: "AAEC"}
---
apiVersion: v1
kind: Secret
metadata: {name: door, namespace: plant}
type: Opaque
data: {code: MTIzNA==, other: "YWFh\\n"}
stringData: {other: bbb}
"""


def read(folder: Path, *texts: str) -> DeclaredPods:
    for index, text in enumerate(texts):
        (folder / f"{index}.yaml").write_text(text, encoding="utf-8")
    reader = PodReader()
    load(folder, {}, others=reader.take)
    return reader.declared()


def pod_with(container: str = "", spec: str = "", metadata: str = "") -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a{metadata}}}\n"
        f"spec:\n  containers:\n  - {{name: c, image: i{container}}}\n{spec}"
    )


def told(declared: DeclaredPods) -> list[str]:
    return [f"{Path(problem.file).name}:{str(problem).partition(':')[2]}" for problem in declared.problems]
