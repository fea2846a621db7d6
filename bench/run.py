"""Run the benchmarks and print what they measured, as a table for bench/RESULTS.md.

python -m bench                    everything, about half an hour
python -m bench --quick            everything, shorter
python -m bench --only updates     scenarios whose name contains that
python -m bench --only link        those of the link between edge and cloud
python -m bench --only opcua       those of a protocol: opcua, ble, serial, satellite
python -m bench --only pods        those of pods
python -m bench --write            append the table to bench/RESULTS.md
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import (
    ble_scenarios,
    link_scenarios,
    opcua_scenarios,
    pod_scenarios,
    satellite_scenarios,
    scenarios,
    serial_scenarios,
)
from bench.lab import ROOT, LabError
from bench.scenarios import Pace, Row, Scenario

RATE, P99 = ("8,000", "20,000"), ("p99 10 ms", "p99 3 ms")
TAGS, AMBITION = ("30,000; hub 1.2 cores, 170 MB", ""), ("", "100,000 on 2 cores")

SCENARIOS: dict[str, Scenario] = {
    "echo: client and broker alone, 64 in flight": partial(scenarios.echo, 64),
    "null hub: 100 devices, 1 property, 64 in flight": partial(scenarios.updates, 100, 1, 64, null=True),
    "updates: 100 devices, 1 property, 64 in flight": partial(scenarios.updates, 100, 1, 64, rate=RATE),
    "updates: 100 devices, 1 property, 16 in flight": partial(scenarios.updates, 100, 1, 16, p99=P99),
    "updates: 100 devices, 10 properties, 16 in flight": partial(scenarios.updates, 100, 10, 16),
    "updates: 1,000 devices, 10 properties, 64 in flight": partial(scenarios.updates, 1000, 10, 64),
    "fleet: 500 slaves, 30 tags, every 500 ms": partial(scenarios.fleet, 500, 30, 500, rate=TAGS),
    "fleet: 500 slaves, 30 tags, every 250 ms": partial(scenarios.fleet, 500, 30, 250),
    "fleet: 500 slaves, 30 tags, every 150 ms": partial(scenarios.fleet, 500, 30, 150, rate=AMBITION),
    "fleet: 500 slaves (25 silent, 25 failing), 30 tags, every 500 ms": partial(
        scenarios.fleet, 500, 30, 500, silent=25, failing=25
    ),
    "start: 1 slave, 30 tags": partial(scenarios.start, 1, 30),
    "start: 500 slaves, 30 tags": partial(scenarios.start, 500, 30),
    "idle: 100 slaves, 1 tag, every 1,000 ms": partial(scenarios.idle, 100, 1),
    "link rate: 100 devices, 1 property": partial(link_scenarios.rate, 100, 1),
    "link rate: 1,000 devices, 10 properties": partial(link_scenarios.rate, 1000, 10),
    "link outage: 2,000 devices, 50 properties": partial(link_scenarios.outage, 2_000, 50),
    "link edges: 5,000, 1 report a minute": partial(link_scenarios.idle_edges, 5000, 60),
    "link storm: 1,000 edges": partial(link_scenarios.storm, 1000),
    "link wish: 300 times": partial(link_scenarios.wish, 300),
    "link wish: 300 times, flooded, 1 Mbit/s": partial(link_scenarios.wish, 300, flooded=True),
    "opcua rate: 10,000 items of one server, every 1,000 ms": partial(opcua_scenarios.rate, 100, 100, 1000, 500),
    "opcua isolation: 5 servers, 20 items": partial(opcua_scenarios.isolation, 5, 20),
    "opcua memory: 500 devices of one server": partial(opcua_scenarios.memory, 500, 8),
    "ble reads": ble_scenarios.reads,
    "ble notifications: 50 devices, 10 Hz": partial(ble_scenarios.notifications, 50),
    "ble isolation: 50 devices": partial(ble_scenarios.isolation, 50),
    "ble memory": partial(ble_scenarios.memory, 40, 1000),
    "serial sentences: 100 receivers, 10 Hz": partial(serial_scenarios.sentences, 100, 10, reach="5,000"),
    "serial isolation: 50 instruments": partial(serial_scenarios.isolation, 50, 10),
    "serial memory: 200 instruments": partial(serial_scenarios.memory, 200),
    "satellite rate: 50 buses, every 100 ms": partial(satellite_scenarios.rate, 50, 100),
    "satellite isolation: 50 buses, every 250 ms": partial(satellite_scenarios.isolation, 50, 250),
    "satellite memory: 300 buses": partial(satellite_scenarios.memory, 300),
    "pods start: podman": partial(pod_scenarios.start, "podman"),
    "pods start: processes": partial(pod_scenarios.start, "process"),
    "pods wish: podman": partial(pod_scenarios.wish, "podman"),
    "pods wish: processes": partial(pod_scenarios.wish, "process"),
    "pods steady: 50, podman": partial(pod_scenarios.fifty, "podman", 50),
    "pods steady: 50, processes": partial(pod_scenarios.fifty, "process", 50),
}
FULL, QUICK = Pace(seconds=20, settle=5), Pace(seconds=4, settle=2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK.seconds:.0f} s each instead of {FULL.seconds:.0f}"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="scenarios whose name contains TEXT")
    parser.add_argument("--write", action="store_true", help="append the table to bench/RESULTS.md")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    chosen = {name: scenario for name, scenario in SCENARIOS.items() if options.only in name}
    lines = list(_heading())
    print("\n".join(lines))
    failed = False
    for name, scenario in chosen.items():
        try:
            rows = asyncio.run(scenario(QUICK if options.quick else FULL))
        except LabError as error:
            print(f"{name}: {error}", file=sys.stderr)
            rows, failed = [Row("could not be measured", "")], True
        lines += _table(name, rows)
        print("\n".join(_table(name, rows)), flush=True)
    if options.write:
        _append(lines)
    return 1 if failed else 0


def _table(name: str, rows: list[Row]) -> Iterator[str]:
    for n, row in enumerate(rows):
        yield f"| {'' if n else name} | {' | '.join(row)} |"


def _heading() -> Iterator[str]:
    """Where, when and how it was measured, and the head of the table."""
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield f"## {time.strftime('%Y-%m-%d %H:%M')}, commit {_output('git', 'rev-parse', '--short', 'HEAD')}"
    yield ""
    yield f"`python -m bench {shlex.join(sys.argv[1:])}` on {os.cpu_count()} cores of {_processor()},"
    yield f"{memory:.0f} GiB, {platform.system()} {platform.release()}, load average before: {load}."
    yield f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_broker()}."
    yield ""
    yield "| scenario | figure | measured | to reach | aim |"
    yield "|---|---|---|---|---|"


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _broker() -> str:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    program = shutil.which("mosquitto", path=path)
    return _output(program, "-h").partition("\n")[0] if program else "nats-server"


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def _append(lines: list[str]) -> None:
    path = ROOT / "bench" / "RESULTS.md"
    with path.open("a", encoding="utf-8") as results:
        results.write("\n".join(["", *lines, ""]))
    print(f"written to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
