"""The measurements of serial instruments: a hub with its mapper by the command line, and pseudo terminals."""

from __future__ import annotations

import json
from pathlib import Path

from bench import fleet_probe
from bench.lab import Lab
from bench.scenarios import STEP_MS, Pace, Row, ages_of, cost_rows, fleet_report
from bench.serial_talker import KINDS

CYCLE_MS = 100
_MODEL = """\
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: fleet, namespace: default}
spec:
  properties:
"""
_DEVICE = """\
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {{name: fleet-{n:04}, namespace: default}}
spec:
  deviceModelRef: {{name: fleet}}
  protocol: {{protocolName: serial, configData: {{serialPort: {port}, {config}}}}}
  properties:
"""


async def sentences(receivers: int, rate: float, pace: Pace, *, reach: str = "") -> list[Row]:
    """NMEA receivers that each say five sentences at a rate in Hz, every one of them a changed value of a twin."""
    async with Lab() as lab:
        ports = await _talkers(lab, "--count", str(receivers), "--rate", str(rate))
        visitors = [f"nmea: {path}" for path in KINDS]
        _manifests(lab.manifests, ports, "framing: nmea, baudRate: 115200", visitors)
        report, _ = await fleet_report(lab, receivers, pace)
    offered = receivers * rate * len(KINDS)
    return [
        Row("sentences/s to twins, of those said", f"{report.tags_per_second:,.0f} of {offered:,.0f}", reach),
        Row("age of a value p50 / p99 / max ms", ages_of(report)),
        *cost_rows(report.costs),
    ]


async def isolation(count: int, silent: int, pace: Pace) -> list[Row]:
    """Instruments that are asked ten times a second, each on a line of its own: all well, then some silent."""
    well = await _asked(count - silent, 0, pace)
    ill = await _asked(count, silent, pace)
    change = (ill.age_p99_ms / well.age_p99_ms - 1) * 100
    return [
        Row("instruments heard", f"{well.devices}, then {ill.devices} of {count - silent}"),
        Row("all well: age p50 / p99 / max ms", ages_of(well)),
        Row(f"{silent} of {count} silent: age p50 / p99 / max ms", ages_of(ill)),
        Row("p99 of the rest", f"{change:+.0f} %", "+10 %"),
        *cost_rows(ill.costs),
    ]


async def memory(count: int, _: Pace) -> list[Row]:
    """Of receivers that are open and mostly silent."""
    async with Lab() as lab:
        each = float(await lab.result(await lab.program("-m", "bench.serial_memory", "--count", str(count))))
    return [Row("mapper: memory for each, with 1 value", f"{each / 1000:.1f} kB", "20 kB")]


async def _asked(count: int, silent: int, pace: Pace) -> fleet_probe.Report:
    async with Lab() as lab:
        ports = await _talkers(lab, "--count", str(count), "--asked", "--silent", str(silent))
        visitors = [f"csv: {n + 1}" for n in range(len(KINDS))]
        _manifests(lab.manifests, ports, "request: V, timeout: 0.5", visitors)
        report, _ = await fleet_report(lab, count - silent, pace)
    return report


async def _talkers(lab: Lab, *words: str) -> list[str]:
    talker = await lab.program("-m", "bench.serial_talker", "--step-ms", str(STEP_MS), *words)
    assert talker.stdout is not None
    ports: list[str] = json.loads(await talker.stdout.readline())
    return ports


def _manifests(folder: Path, ports: list[str], config: str, visitors: list[str]) -> None:
    parts = [_MODEL]
    for n, visitor in enumerate(visitors):
        parts.append(f"    - {{name: t{n:03}, type: INT, visitors: {{configData: {{{visitor}}}}}}}\n")
    for n, port in enumerate(ports):
        parts.append(_DEVICE.format(n=n, port=port, config=config))
        parts += [f"    - {{name: t{tag:03}, collectCycle: {CYCLE_MS}}}\n" for tag in range(len(visitors))]
    (folder / "fleet.yaml").write_text("".join(parts))
