"""The measurements of serial instruments: a hub with its mapper by the command line, and pseudo terminals."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from bench import fleet_probe
from bench.lab import Lab
from bench.scenarios import STEP_MS, Pace, Row, cost_rows
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
        report = await _report(lab, receivers, pace)
    offered = receivers * rate * len(KINDS)
    return [
        Row("sentences/s to twins, of those said", f"{report.tags_per_second:,.0f} of {offered:,.0f}", reach),
        Row("age of a value p50 / p99 / max ms", _ages(report)),
        *cost_rows(report.costs),
    ]


async def isolation(count: int, silent: int, pace: Pace) -> list[Row]:
    """Instruments that are asked ten times a second, each on a line of its own: all well, then some silent."""
    well = await _asked(count - silent, 0, pace)
    ill = await _asked(count, silent, pace)
    change = (ill.age_p99_ms / well.age_p99_ms - 1) * 100
    return [
        Row("instruments heard", f"{well.devices}, then {ill.devices} of {count - silent}"),
        Row("all well: age p50 / p99 / max ms", _ages(well)),
        Row(f"{silent} of {count} silent: age p50 / p99 / max ms", _ages(ill)),
        Row("p99 of the rest", f"{change:+.0f} %", "+10 %"),
        *cost_rows(ill.costs),
    ]


async def idle(count: int, pace: Pace) -> list[Row]:
    """Receivers that hardly speak: what one more costs the hub with its mapper."""
    few = await _idle_memory(10, pace)
    many = await _idle_memory(10 + count, pace)
    return [Row("hub and mapper: memory for each idle device", f"{(many - few) * 1000 / count:.1f} kB", "20 kB")]


async def _asked(count: int, silent: int, pace: Pace) -> fleet_probe.Report:
    async with Lab() as lab:
        ports = await _talkers(lab, "--count", str(count), "--asked", "--silent", str(silent))
        visitors = [f"csv: {n + 1}" for n in range(len(KINDS))]
        _manifests(lab.manifests, ports, "request: V, timeout: 0.5", visitors)
        return await _report(lab, count - silent, pace)


async def _idle_memory(count: int, pace: Pace) -> float:
    """Megabytes, resident, when all have spoken."""
    async with Lab() as lab:
        ports = await _talkers(lab, "--count", str(count), "--rate", "0.2")
        _manifests(lab.manifests, ports, "framing: nmea", [f"nmea: {next(iter(KINDS))}"])
        report = await _report(lab, count, pace)
    return report.costs["hub"].rss_mb


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


async def _report(lab: Lab, awaited: int, pace: Pace) -> fleet_probe.Report:
    words = {"devices": awaited, "step-ms": STEP_MS, "settle": pace.settle, "seconds": pace.seconds}
    probe = await lab.tool("bench.fleet_probe", *(word for n, v in words.items() for word in (f"--{n}", str(v))))
    assert probe.stdout is not None
    await probe.stdout.readline()  # it listens: now the hub may start
    await lab.hub()
    report = await lab.result(probe, " ".join(lab.pids) + "\n")
    return msgspec.json.decode(report, type=fleet_probe.Report)


def _ages(report: fleet_probe.Report) -> str:
    return f"{report.age_p50_ms:.0f} / {report.age_p99_ms:.0f} / {report.age_max_ms:.0f}"
