"""The measurements of OPC-UA's mapper; each starts its own laboratory and returns rows.

Servers of `bench.opcua_server` change their variables, the hub runs the mapper, and `bench.fleet_probe` hears what
applications hear.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from bench import fleet_probe
from bench.lab import Lab, LabError, free_ports
from bench.manifests import DEVICE, MODEL
from bench.processes import cpu_seconds
from bench.scenarios import STEP_MS, Pace, Row, ages_of, cost_rows, fleet_report

SHARE = 5
"""One of so many servers is a black hole."""
CHANGES_MS, SAMPLED_MS = 130, 100
"""Where delays are measured: the two periods have no common beat, so that every phase between them occurs."""
IDLE_MS = 5000
"""Between two changes of a variable that is idle."""


async def rate(devices: int, tags: int, every_ms: int, sampled_ms: int, pace: Pace) -> list[Row]:
    """Changes to twins, durably, of one server; and what the library alone hears of the same server. The library's
    server begins to wait for the next message when it has sent one, so it is asked more often than values change."""
    async with Lab() as lab:
        port, server = await _servers(lab, 1, devices, tags, every_ms)
        _declare(lab.manifests, 1, devices, tags, sampled_ms, port)
        before, began = cpu_seconds(server), time.perf_counter()
        report, _ = await fleet_report(lab, devices, pace)
        server_cores = (cpu_seconds(server) - before) / (time.perf_counter() - began)
    async with Lab() as lab:
        port, _ = await _servers(lab, 1, devices, tags, every_ms)
        sizes = {"port": port, "devices": devices, "tags": tags, "every-ms": sampled_ms, "seconds": pace.seconds}
        tool = await lab.program("-m", "bench.opcua_bare", *_words(sizes))
        bare = json.loads(await lab.result(tool))
    offered = devices * tags * 1000 / every_ms
    return [
        Row("changes/s to twins, of those offered", f"{report.tags_per_second:,.0f} of {offered:,.0f}", "5,000"),
        Row("devices heard", f"{report.devices} of {devices}"),
        Row("age of a value p50 / p99 / max ms", ages_of(report)),
        *cost_rows(report.costs),
        Row("the simulated server: cores, from the start of the hub on", f"{server_cores:.2f}"),
        Row("the library alone: changes/s, cores", f"{bare['changes']:,.0f}, {bare['cores']:.2f}"),
    ]


async def isolation(count: int, tags: int, pace: Pace) -> list[Row]:
    """The same servers that speak, alone and beside black holes: one in five of all."""
    silent = count // SHARE
    alone = await _heard(count - silent, tags, pace, silent=0)
    beside = await _heard(count - silent, tags, pace, silent=silent)
    rise = beside.age_p99_ms / alone.age_p99_ms - 1 if alone.age_p99_ms else 0.0
    return [
        Row("age of a value p50 / p99 / max ms, alone", ages_of(alone)),
        Row(f"beside {silent} black holes", ages_of(beside)),
        Row("rise of the p99", f"{rise:+.0%}", "+10 %"),
        Row("devices heard", f"{beside.devices} of {count - silent}"),
    ]


async def memory(devices: int, tags: int, _: Pace) -> list[Row]:
    """Of devices behind one server that are subscribed and mostly silent."""
    async with Lab() as lab:
        port, _ = await _servers(lab, 1, devices, tags, IDLE_MS)
        each = {}
        for number in (1, tags):
            words = _words({"port": port, "devices": devices, "tags": number})
            each[number] = float(await lab.result(await lab.program("-m", "bench.opcua_memory", *words)))
    return [
        Row("mapper: memory for each, with 1 value", f"{each[1] / 1000:.1f} kB", "20 kB"),
        Row(f"with {tags} values", f"{each[tags] / 1000:.1f} kB"),
    ]


async def _heard(count: int, tags: int, pace: Pace, *, silent: int) -> fleet_probe.Report:
    async with Lab() as lab:
        port, _ = await _servers(lab, count, 1, tags, CHANGES_MS, silent=silent)
        _declare(lab.manifests, count + silent, 1, tags, SAMPLED_MS, port)
        report, _ = await fleet_report(lab, count, pace)
    return report


async def _servers(
    lab: Lab, count: int, devices: int, tags: int, every_ms: int, *, silent: int = 0
) -> tuple[int, int]:
    """Start them in one process; the first of their ports, of which the silent ones come last, and the process."""
    port = free_ports(count + silent)
    sizes = {"base-port": port, "count": count, "devices": devices, "tags": tags, "silent": silent}
    words = _words(sizes | {"every-ms": every_ms, "step-ms": STEP_MS})
    servers = await lab.program("-m", "bench.opcua_server", *words)
    assert servers.stdout is not None
    if not await servers.stdout.readline():
        raise LabError("the servers did not start")
    return port, servers.pid


def _declare(folder: Path, servers: int, devices: int, tags: int, every_ms: int, base_port: int) -> None:
    """Devices `fleet-<nnnn>` with the tags t000, t001, …, so many on each server."""
    parts = [MODEL.format(name="fleet", protocol="opcua")]
    parts += [f"    - {{name: t{tag:03}, type: INT, accessMode: ReadOnly}}\n" for tag in range(tags)]
    for number in range(servers * devices):
        server, device = divmod(number, devices)
        config = f"url: 'opc.tcp://127.0.0.1:{base_port + server}/'"
        parts.append(DEVICE.format(name=f"fleet-{number:04}", model="fleet", protocol="opcua", config=config))
        for tag in range(tags):
            visitor = f"{{protocolName: opcua, configData: {{nodeId: 'ns=2;s={device}.{tag}'}}}}"
            parts.append(f"    - {{name: t{tag:03}, collectCycle: {every_ms}, visitors: {visitor}}}\n")
    (folder / "fleet.yaml").write_text("".join(parts))


def _words(options: dict[str, float]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]
