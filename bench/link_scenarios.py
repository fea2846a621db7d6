"""The measurements of the link between edge and cloud; each starts its own laboratory and returns rows."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from asyncio.subprocess import Process
from pathlib import Path

import msgspec

from bench import link_edges, link_source, manifests
from bench.lab import LabError, free_ports
from bench.link_lab import EXAMPLE, LinkLab
from bench.processes import Meter, parse_pids, rss
from bench.scenarios import Pace, Row, cost_rows
from twinhub.cloud_client import CloudClient

PUMP, SET_POINT = "default/pump", "speed-set-point"
NODE = "press-shop"
THROTTLE = 1_000_000
"""Bits a second."""
FLOOD_IN_FLIGHT = 4
MET_WITHIN = 30.0
"""Seconds until a wish counts as lost."""


async def rate(devices: int, properties: int, pace: Pace) -> list[Row]:
    """Changes as fast as the cloud confirms them."""
    async with LinkLab() as lab:
        report, wrong = await _source(lab, devices, properties, backlog=0, seconds=pace.seconds)
    return [
        Row("changes/s, durable at both ends", f"{report.live_per_second:,.0f}", "10,000"),
        Row("wrong in the cloud at the end, of twins", f"{wrong} of {devices * properties:,}", "0"),
        *cost_rows(report.costs),
    ]


async def outage(devices: int, properties: int, _: Pace) -> list[Row]:
    """Every twin has changed once when the edge comes back."""
    async with LinkLab() as lab:
        report, wrong = await _source(lab, devices, properties, backlog=devices * properties, seconds=0)
    return [
        Row(f"seconds until {report.backlog:,} changed twins agree", f"{report.backlog_seconds:.1f}", "15"),
        Row("changes/s of the backlog", f"{report.backlog / report.backlog_seconds:,.0f}"),
        Row("wrong in the cloud at the end, of twins", f"{wrong} of {devices * properties:,}", "0"),
        Row("changes folded", f"{report.folded:,}", "0"),
        Row(f"seconds until {devices:,} devices were declared before", f"{report.declared_seconds:.1f}"),
    ]


async def idle_edges(count: int, every: float, pace: Pace) -> list[Row]:
    """Edges that are there, mostly silent."""
    async with LinkLab() as lab:
        nodes = await _light_nodes(lab, count)
        cloud = parse_pids([lab.cloud_pid()])
        empty = rss(cloud["cloud"]) / 1e6
        began = time.time()
        crowd = await _crowd(lab, nodes, every)
        up = await _consistent(crowd)
        meter = Meter(cloud | {"edges": crowd.pid})
        await asyncio.sleep(pace.settle)
        meter.start()
        await asyncio.sleep(pace.seconds * 3)  # keepalives come every 15 s
        costs = meter.stop()
        farewell = await _farewell(lab, crowd)
    memory = (costs["cloud"].rss_mb - empty) * 1000 / count
    return [
        Row("edges connected, of", f"{count:,} of {count:,}", "5,000"),
        Row("seconds until all were", f"{up.at - began:.1f}"),
        Row("cloud: memory for each edge", f"{memory:.0f} kB"),
        Row("cloud: of a core for each edge", f"{costs['cloud'].cores / count:.4%}"),
        Row("unconfirmed / wrong in the cloud at the end", farewell),
        *cost_rows(costs),
    ]


async def storm(count: int, pace: Pace) -> list[Row]:
    """The cloud is killed and started again; every edge has something to say by then."""
    async with LinkLab() as lab:
        nodes = await _light_nodes(lab, count)
        crowd = await _crowd(lab, nodes, every=5.0)
        await _consistent(crowd)
        await lab.kill_cloud()
        await asyncio.sleep(pace.settle + 5)
        began = time.time()
        await lab.start_cloud()
        back = await _consistent(crowd)
        farewell = await _farewell(lab, crowd)
    return [
        Row("seconds from the start of the cloud until all are back and consistent", f"{back.at - began:.1f}", "30"),
        Row("connections attempted", f"{back.attempts:,}"),
        Row("unconfirmed / wrong in the cloud at the end", farewell),
    ]


async def wish(rounds: int, pace: Pace, *, flooded: bool = False) -> list[Row]:
    """A desired value set in the cloud, written into the PLC's register, read back, and seen in the cloud."""
    rounds = rounds if pace.seconds > 10 else min(rounds, 20)
    async with LinkLab() as lab:
        port = free_ports(1)
        _plant(lab.manifests, port)
        if flooded:
            manifests.external(lab.manifests, 100, 10)
        await lab.plc(port)
        await lab.cable("restore")
        await lab.hub("--identity", str(await lab.join(NODE, cable=True)))
        await _until_reported(lab)
        flood = await _flood(lab, pace) if flooded else None
        times = sorted(await asyncio.to_thread(_wish_rounds, lab.operator(), rounds))
        still_flooded = flood is not None and flood.returncode is None
    p50, p99 = (times[len(times) * part // 100] * 1000 for part in (50, 99))
    worst = times[-1] * 1000
    reach = "1,000 ms" if flooded else "p50 50 ms, p99 200 ms"
    rows = [Row("p50 / p99 / max ms until the cloud sees it met", f"{p50:.0f} / {p99:.0f} / {worst:.0f}", reach)]
    return [*rows, Row("flooded to the end", str(still_flooded))] if flooded else rows


# ---- one edge


async def _source(
    lab: LinkLab, devices: int, properties: int, *, backlog: int, seconds: float
) -> tuple[link_source.Report, int]:
    """The report of an edge without MQTT, and in how many twins the cloud disagrees."""
    identity, state = await lab.join(NODE), lab.folder / "source"
    sizes = {"devices": devices, "properties": properties, "backlog": backlog, "seconds": seconds}
    words = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    words += ["--identity", str(identity), "--state", str(state), "--pid", lab.cloud_pid()]
    output = await lab.result(await lab.program("-m", "bench.link_source", *words))
    wanted = {
        (device, name): value
        for device, twin in json.loads((state / "values.json").read_text()).items()
        for name, value in twin.items()
    }
    return msgspec.json.decode(output, type=link_source.Report), await _wrong(lab, wanted)


async def _wrong(lab: LinkLab, wanted: dict[tuple[str, str], str]) -> int:
    """In how many of these twins the cloud shows something else."""

    def shown(client: CloudClient) -> dict[tuple[str, str], str | None]:
        return {
            (twin.device, name): value.actual.value if value.actual else None
            for twin in client.twins()
            for name, value in twin.twin.items()
        }

    in_cloud = await lab.ask(shown)
    return sum(in_cloud.get(place) != value for place, value in wanted.items())


# ---- many edges


async def _light_nodes(lab: LinkLab, count: int) -> list[str]:
    """Nodes, each with a device of its own that is declared in the cloud."""
    nodes = [f"light-{n:05}" for n in range(count)]
    await lab.declare(link_edges.objects(nodes))
    return nodes


async def _crowd(lab: LinkLab, nodes: list[str], every: float) -> Process:
    identities = await asyncio.to_thread(lab.light_identities, nodes)
    words = ["--cloud", f"127.0.0.1:{lab.link_port}", "--identities", str(identities), "--every", str(every)]
    return await lab.program("-m", "bench.link_edges", *words)


async def _consistent(crowd: Process) -> link_edges.Consistent:
    """The next time when all edges are there and what they had to say is confirmed."""
    assert crowd.stdout is not None
    line = await crowd.stdout.readline()
    if not line:
        raise LabError("the crowd of edges ended")
    return msgspec.json.decode(line, type=link_edges.Consistent)


async def _farewell(lab: LinkLab, crowd: Process) -> str:
    """How many reports were not confirmed, and in how many twins the cloud disagrees."""
    farewell = msgspec.json.decode(await lab.result(crowd), type=link_edges.Farewell)
    wanted = {(f"default/{node}", "n"): str(last) for node, last in farewell.last.items() if last}
    return f"{farewell.unconfirmed} / {await _wrong(lab, wanted)} of {len(wanted):,}"


# ---- wishes


def _plant(folder: Path, port: int) -> None:
    """The example's manifests for a PLC on this port."""
    for file in EXAMPLE.glob("*.yaml"):
        if file.name != "twinhub.yaml":
            shutil.copy(file, folder)
            text = (folder / file.name).read_text()
            (folder / file.name).write_text(re.sub(r"\b15020\b", str(port), text))


async def _until_reported(lab: LinkLab) -> None:
    """Wait until the cloud has heard of the pump."""
    until = time.monotonic() + MET_WITHIN
    while time.monotonic() < until:
        lab.check("hub")
        twins = {twin.device: twin.twin for twin in await lab.ask(lambda client: list(client.twins()))}
        if SET_POINT in twins.get(PUMP, {}):
            return
        await asyncio.sleep(0.1)
    raise LabError(f"the cloud never heard of {PUMP}; the hub said:\n{lab.said('hub')}")


async def _flood(lab: LinkLab, pace: Pace) -> Process:
    """Reports far beyond what the cable carries, for as long as the lab lives."""
    await lab.cable(f"throttle {THROTTLE}")
    words = ["--devices", "100", "--properties", "10", "--inflight", str(FLOOD_IN_FLIGHT), "--seconds", "3600"]
    flood = await lab.tool("bench.twin_load", *words)
    await asyncio.sleep(pace.settle + 5)
    return flood


def _wish_rounds(operator: CloudClient, rounds: int) -> list[float]:
    """Seconds that each took. Blocking."""
    with operator as client:
        return [_wish_round(client, str(1000 + n % 2 * 100 + n % 7)) for n in range(rounds)]


def _wish_round(client: CloudClient, value: str) -> float:
    began = time.perf_counter()
    client.wish(PUMP, {SET_POINT: value})
    while time.perf_counter() < began + MET_WITHIN:
        actual = client.twin(PUMP).twin[SET_POINT].actual
        if actual and actual.value == value:
            return time.perf_counter() - began
        time.sleep(0.001)
    raise LabError(f"{PUMP} did not come to {value} within {MET_WITHIN:.0f} s")
