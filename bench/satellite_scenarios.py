"""The measurements of the satellite's mapper; each starts its own laboratory and returns rows.

Buses of `bench.satellite_bus` speak, the hub runs the mapper, and `bench.fleet_probe` hears what applications hear.
"""

from __future__ import annotations

from pathlib import Path

from bench import fleet_probe
from bench.lab import Lab, LabError, free_ports
from bench.manifests import DEVICE, MODEL
from bench.scenarios import STEP_MS, Pace, Row, ages_of, cost_rows, fleet_report

TAGS = 8
"""Values in a packet."""
SHARE = 5
"""One of so many buses is a black hole."""
IDLE_MS = 5000
"""Between two packets of a bus that is idle."""


async def rate(count: int, every_ms: int, pace: Pace) -> list[Row]:
    """Packets to twins, durably."""
    report = await _heard(count, every_ms, pace)
    offered = count * 1000 / every_ms
    return [
        Row("packets/s to twins, of those offered", f"{report.updates_per_second:,.0f} of {offered:,.0f}"),
        Row("values/s", f"{report.tags_per_second:,.0f}"),
        Row("age of a value p50 / p99 / max ms", ages_of(report)),
        *cost_rows(report.costs),
    ]


async def isolation(count: int, every_ms: int, pace: Pace) -> list[Row]:
    """The same buses that speak, alone and beside a fifth as many that accept and say nothing."""
    alone = await _heard(count - count // SHARE, every_ms, pace)
    beside = await _heard(count, every_ms, pace, silent=count // SHARE)
    rise = beside.age_p99_ms / alone.age_p99_ms - 1 if alone.age_p99_ms else 0.0
    return [
        Row("age of a value p50 / p99 / max ms, alone", ages_of(alone)),
        Row(f"beside {count // SHARE} black holes", ages_of(beside)),
        Row("rise of the p99", f"{rise:+.0%}", "+10 %"),
        Row("devices heard", f"{beside.devices} of {count - count // SHARE}"),
    ]


async def memory(count: int, _: Pace) -> list[Row]:
    """Of satellites that are connected and mostly silent."""
    async with Lab() as lab:
        base_port = await _buses(lab, count, IDLE_MS)
        words = ["-m", "bench.satellite_memory", "--base-port", str(base_port), "--count", str(count)]
        each = {tags: float(await lab.result(await lab.program(*words, "--tags", str(tags)))) for tags in (1, TAGS)}
    return [
        Row("mapper: memory for each, with 1 value", f"{each[1] / 1000:.1f} kB", "20 kB"),
        Row(f"with {TAGS} values", f"{each[TAGS] / 1000:.1f} kB"),
    ]


async def _heard(count: int, every_ms: int, pace: Pace, *, silent: int = 0) -> fleet_probe.Report:
    async with Lab() as lab:
        base_port = await _buses(lab, count, every_ms, silent=silent)
        _declare(lab.manifests, count, base_port)
        report, _ = await fleet_report(lab, count - silent, pace)
    return report


async def _buses(lab: Lab, count: int, every_ms: int, *, silent: int = 0) -> int:
    """Start them; the first of their ports."""
    base_port = free_ports(count)
    sizes = {"base-port": base_port, "count": count, "silent": silent, "tags": TAGS}
    options = sizes | {"every-ms": every_ms, "step-ms": STEP_MS}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    buses = await lab.program("-m", "bench.satellite_bus", *words)
    assert buses.stdout is not None
    if not await buses.stdout.readline():
        raise LabError("the buses did not start")
    return base_port


def _declare(folder: Path, count: int, base_port: int) -> None:
    """Devices `fleet-<nnnn>` with the tags t000, t001, …"""
    parts = [MODEL.format(name="fleet", protocol="satellite")]
    for n in range(TAGS):
        place = f"service: 3, subservice: 25, structure: 1, offset: {2 + 2 * n}, format: uint16"
        visitor = f"{{protocolName: satellite, configData: {{{place}}}}}"
        parts.append(f"    - {{name: t{n:03}, type: INT, accessMode: ReadOnly, visitors: {visitor}}}\n")
    for n in range(count):
        config = f"host: 127.0.0.1, port: {base_port + n}, silence: 3"
        parts.append(DEVICE.format(name=f"fleet-{n:04}", model="fleet", protocol="satellite", config=config))
        parts += [f"    - {{name: t{tag:03}}}\n" for tag in range(TAGS)]
    (folder / "fleet.yaml").write_text("".join(parts))
