"""The measurements: each starts its own laboratory and returns the rows of the table."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import msgspec

from bench import fleet_probe, manifests, twin_load
from bench.lab import Lab
from bench.processes import Cost

STEP_MS = 2
"""Resolution of ages; a clock of 16 bits wraps after 131 s."""


class Row(NamedTuple):
    """One figure, beside what the project wants to reach and then aims for."""

    figure: str
    value: str
    reach: str = ""
    aim: str = ""


class Pace(NamedTuple):
    """How long to measure."""

    seconds: float
    settle: float


Scenario = Callable[[Pace], Coroutine[Any, Any, list[Row]]]


async def echo(inflight: int, pace: Pace) -> list[Row]:
    async with Lab() as lab:
        words = ["--echo", "--inflight", str(inflight), "--seconds", str(pace.seconds), "--warmup", str(pace.settle)]
        report = await _load_report(lab, words)
    return [Row("round trips/s", f"{report.updates_per_second:,.0f}"), *cost_rows(report.costs)]


async def updates(
    devices: int,
    properties: int,
    inflight: int,
    pace: Pace,
    *,
    null: bool = False,
    rate: tuple[str, str] = ("", ""),
    p99: tuple[str, str] = ("", ""),
) -> list[Row]:
    """`null`: by a hub that does nothing, for comparison."""
    async with Lab() as lab:
        manifests.external(lab.manifests, devices, properties)
        await (lab.null_hub() if null else lab.hub())
        await lab.until_known(f"default/load-{devices - 1:04}")
        sizes = {"devices": devices, "properties": properties, "inflight": inflight}
        times = {"seconds": pace.seconds, "warmup": pace.settle}
        report = await _load_report(lab, [word for n, v in (sizes | times).items() for word in (f"--{n}", str(v))])
    faults = (
        f"{report.refused} / {report.unanswered} / {report.out_of_order} / {report.wrong_final} of {report.sent:,}"
    )
    return [
        Row("updates/s" if null else "durable updates/s", f"{report.updates_per_second:,.0f}", *rate),
        Row("p50 / p99 / max ms", f"{report.p50_ms} / {report.p99_ms} / {report.max_ms}", *p99),
        Row("refused / unanswered / out of order / wrong at the end", faults, "0 / 0 / 0 / 0"),
        *cost_rows(report.costs),
        *(Row("a refusal", reason) for reason in report.reasons),
    ]


async def fleet(
    count: int,
    tags: int,
    cycle_ms: int,
    pace: Pace,
    *,
    silent: int = 0,
    failing: int = 0,
    rate: tuple[str, str] = ("", ""),
) -> list[Row]:
    healthy = count - silent - failing
    async with Lab() as lab:
        base_port = await lab.fleet(count, step_ms=STEP_MS, silent=silent, failing=failing)
        manifests.modbus(lab.manifests, count, tags, cycle_ms, base_port)
        report, started = await fleet_report(lab, healthy, pace)
    offered = healthy * tags * 1000 / cycle_ms
    return [
        Row("tags/s sustained, of those offered", f"{report.tags_per_second:,.0f} of {offered:,.0f}", *rate),
        Row("devices heard", f"{report.devices} of {healthy}"),
        Row("slowest device, tags/s", f"{report.slowest_device_tags_per_second} of {tags * 1000 / cycle_ms:.1f}"),
        Row("age of a value p50 / p99 / max ms", ages_of(report)),
        Row("first value / all devices, s after start", _arrivals(report, started)),
        *cost_rows(report.costs),
    ]


async def start(count: int, tags: int, _: Pace) -> list[Row]:
    async with Lab() as lab:
        base_port = await lab.fleet(count, step_ms=STEP_MS)
        manifests.modbus(lab.manifests, count, tags, 500, base_port)
        report, started = await fleet_report(lab, count, Pace(1.0, 0.0))
    return [Row("first value / all devices, s after start", _arrivals(report, started), "1 s", "0.5 s")]


async def idle(count: int, tags: int, pace: Pace) -> list[Row]:
    async with Lab() as lab:
        base_port = await lab.fleet(count, step_ms=STEP_MS)
        manifests.modbus(lab.manifests, count, tags, 1000, base_port)
        report, _ = await fleet_report(lab, count, pace)
    cost = report.costs["hub"]
    return [
        Row("hub and mapper, resident", f"{cost.rss_mb} MB", "60 MB", "45 MB"),
        Row("hub and mapper, of a core", f"{cost.cores:.1%}", "5 %"),
        Row("tags/s", f"{report.tags_per_second:,.0f}"),
    ]


async def _load_report(lab: Lab, words: list[str]) -> twin_load.Report:
    measured = [word for pid in lab.pids for word in ("--pid", pid)]
    tool = await lab.tool("bench.twin_load", *words, *measured)
    return msgspec.json.decode(await lab.result(tool), type=twin_load.Report)


async def fleet_report(lab: Lab, awaited: int, pace: Pace) -> tuple[fleet_probe.Report, float]:
    """Start the hub and hear from so many devices; what was heard, and when the hub was started (Unix time)."""
    words = {"devices": awaited, "step-ms": STEP_MS, "settle": pace.settle, "seconds": pace.seconds}
    probe = await lab.tool("bench.fleet_probe", *(word for n, v in words.items() for word in (f"--{n}", str(v))))
    assert probe.stdout is not None
    await probe.stdout.readline()  # it listens: now the hub may start
    await lab.hub()
    report = await lab.result(probe, " ".join(lab.pids) + "\n")
    return msgspec.json.decode(report, type=fleet_probe.Report), lab.hub_started


def ages_of(report: fleet_probe.Report) -> str:
    """p50 / p99 / max, milliseconds."""
    return f"{report.age_p50_ms:.0f} / {report.age_p99_ms:.0f} / {report.age_max_ms:.0f}"


def _arrivals(report: fleet_probe.Report, started: float) -> str:
    first, everyone = (f"{at - started:.2f}" if at else "never" for at in (report.first, report.all))
    return f"{first} / {everyone}"


def cost_rows(costs: dict[str, Cost]) -> list[Row]:
    return [Row(f"{name}: cores, resident", f"{cost.cores:.2f}, {cost.rss_mb} MB") for name, cost in costs.items()]
