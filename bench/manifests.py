"""Manifests of the benchmarks' devices: KubeEdge v1beta1, as a user would write them, many times over."""

from __future__ import annotations

from pathlib import Path

MODEL = """\
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {{name: {name}, namespace: default}}
spec:
  protocol: {protocol}
  properties:
"""
DEVICE = """\
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {{name: {name}, namespace: default}}
spec:
  deviceModelRef: {{name: {model}}}
  protocol: {{protocolName: {protocol}, configData: {{{config}}}}}
  properties:
"""


def external(folder: Path, devices: int, properties: int) -> None:
    """Devices `load-<nnnn>` with the properties p0, p1, …, whose mapper is the load client."""
    names = [f"p{n}" for n in range(properties)]
    parts = [MODEL.format(name="load", protocol="external")]
    parts += [f"    - {{name: {name}, type: INT, accessMode: ReadOnly}}\n" for name in names]
    for n in range(devices):
        parts.append(DEVICE.format(name=f"load-{n:04}", model="load", protocol="external", config=""))
        parts += [f"    - {{name: {name}}}\n" for name in names]
    (folder / "load.yaml").write_text("".join(parts))


def modbus(folder: Path, devices: int, tags: int, cycle_ms: int, base_port: int) -> None:
    """Devices `fleet-<nnnn>` with the tags t000, t001, …, each a holding register of that number."""
    parts = [MODEL.format(name="fleet", protocol="modbus")]
    for n in range(tags):
        visitor = f"{{protocolName: modbus, configData: {{register: holding, address: {n}, type: uint16}}}}"
        parts.append(f"    - {{name: t{n:03}, type: INT, accessMode: ReadOnly, visitors: {visitor}}}\n")
    for n in range(devices):
        config = f"host: 127.0.0.1, port: {base_port + n}, unit: 1"
        parts.append(DEVICE.format(name=f"fleet-{n:04}", model="fleet", protocol="modbus", config=config))
        parts += [f"    - {{name: t{tag:03}, collectCycle: {cycle_ms}}}\n" for tag in range(tags)]
    (folder / "fleet.yaml").write_text("".join(parts))
