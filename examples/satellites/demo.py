"""Three satellites and two ground stations, live in a terminal, much faster than in the sky.

    python demo.py                    until Ctrl-C
    python demo.py --seconds 60       for so long

Each satellite is simulated by a process of its own (`twinhub mapper simulate satellite`) and carries an edge
(`twinhub run` with a private broker); the ground has one cloud (`twinhub cloud`). Between an edge and the cloud is a
radio (`radio.py`): whole while a ground station sees the satellite, and as fast as the distance allows. The edge
knows from its satellite's twin when that is (`cloud.contact` in its twinhub.yaml). `silence.py` is the script.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import next_door  # noqa: F401
from both_ends import BothEnds
from constellation import CONSTELLATION, HERE, Ports, Satellite, fit_out
from processes import OPERATOR, TWINHUB, await_start, free_port, process, start_cloud
from silence import silence
from sky import HEADER, HOUR, RIGHT, Sky
from stage import stage

from mappers.satellite.elements import CBERS_2
from mappers.satellite.orbit import Orbit
from twinhub.client import TwinClient
from twinhub.cloud_client import CloudClient
from twinhub.errors import CommandError
from twinhub.state_dir import running_broker
from twinhub.text import columns

CLOUD_PORT, LINK_PORT = 10002, 10000
START = "2006-06-27T14:05:00"
"""On board. Within two hours each satellite is heard for the last time in ten hours or twelve."""
EVERY = 0.25
"""Seconds between two reports of a satellite."""
REDRAW = 0.3
CONTACT = 480.0
"""Seconds that a pass lasts on average."""
WISHES = ("9", "11", "13")
HINTS = """
  Time runs {speed:g} times as fast as in the sky: eight minutes of contact take {contact:.1f} s, twelve hours of
  silence {silence:.0f} s. Two ground stations hear the satellites, Beijing and Sanya, often both at once.

  In a second terminal, ask the cloud what it has, and wish for something (`twinhub` is in {bin}):

    export TWINHUB_CLOUD=127.0.0.1:{cloud} TWINHUB_OPERATOR={operator}
    twinhub get nodes --cloud 127.0.0.1:{cloud}
    twinhub get twins cbers-2 --cloud 127.0.0.1:{cloud}
    twinhub set sister-1 heater-set-point 8 --cloud 127.0.0.1:{cloud}

  The manifests, the logs and all that the three edges remember are in {scratch}.
  Ctrl-C ends it all.
"""


class Edge(NamedTuple):
    """What belongs to the edge of a satellite."""

    satellite: Satellite
    ports: Ports
    home: Path

    @property
    def manifests(self) -> Path:
        return self.home / "manifests"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="end after so long (default: never)")
    parser.add_argument("--speed", type=float, default=120.0, help="on-board seconds in one (default %(default)g)")
    parser.add_argument("--satellites", type=int, choices=(1, 2, 3), default=3, help="how many fly (default: 3)")
    parser.add_argument("--start", default=START, help="on-board time at the start, UTC (default %(default)s)")
    parser.add_argument("--silence", type=float, default=8.0, help="hours on board that a silence lasts at least, to "
                        "be told of (default %(default)g)")  # fmt: skip
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="satellites-")))
        try:
            show(stack, scratch, options)
        except KeyboardInterrupt:
            print()
        except (CommandError, RuntimeError) as error:
            sys.exit(str(error))


def show(stack: ExitStack, scratch: Path, options: argparse.Namespace) -> None:
    """Start everything and look on. RuntimeError when the package for orbits is missing."""
    Orbit.of(*CBERS_2)
    cloud_port, link_port = free_port(CLOUD_PORT), free_port(LINK_PORT)
    cloud = start_cloud(stack, scratch, cloud_port, link_port)
    edges = [edge_of(satellite, scratch) for satellite in CONSTELLATION[: options.satellites]]
    join(edges, cloud)
    hubs = [start(stack, edge, link_port) for edge in edges]
    ends = [BothEnds(client_of(stack, edge, hub), cloud) for edge, hub in zip(edges, hubs, strict=True)]
    told = {"operator": scratch / OPERATOR, "scratch": scratch, "bin": Path(sys.executable).parent}
    times = {"speed": options.speed, "contact": CONTACT / options.speed, "silence": 12 * HOUR / options.speed}
    print(HINTS.format(cloud=cloud_port, **told, **times), flush=True)
    for edge in edges:
        launch(stack, edge, options)
    look_on([Sky(edge.satellite, each, edge.ports.metrics) for edge, each in zip(edges, ends, strict=True)], options)


def edge_of(satellite: Satellite, scratch: Path) -> Edge:
    """On ports that are free."""
    return Edge(satellite, Ports(*(free_port(0) for _ in Ports._fields)), scratch / satellite.name)


def join(edges: Sequence[Edge], cloud: CloudClient) -> None:
    """What is done on the ground before the launch: manifests, and the identity with which an edge joins."""
    joining = []
    for edge in edges:
        edge.home.mkdir()
        fit_out(edge.satellite, edge.ports, edge.manifests)
        token = edge.home / "token"
        token.write_text(cloud.token(edge.satellite.name).token)
        who = [f"--node={edge.satellite.name}", f"--identity={edge.home / 'identity'}", f"--token-file={token}"]
        where = [f"--cloud={cloud.address}", f"--link-port={edge.ports.radio}"]
        joining.append(subprocess.Popen([*TWINHUB, "join", *who, *where], stdout=subprocess.DEVNULL))
    if any(each.wait() for each in joining):
        sys.exit("an edge could not join the cloud")


def start(stack: ExitStack, edge: Edge, link_port: int) -> subprocess.Popen[bytes]:
    """The radio and the hub of an edge; the hub, which is not waited for."""
    home, ports = edge.home, edge.ports
    radio = [sys.executable, str(HERE / "radio.py"), str(edge.manifests), f"--listen={ports.radio}"]
    stack.enter_context(process([*radio, f"--to=127.0.0.1:{link_port}"], home / "radio.log"))
    hub = [*TWINHUB, "run", str(edge.manifests), f"--state-dir={home / 'state'}", f"--identity={home / 'identity'}"]
    return stack.enter_context(process(hub, home / "hub.log"))


def client_of(stack: ExitStack, edge: Edge, hub: subprocess.Popen[bytes]) -> TwinClient:
    """A connection to the broker of an edge, once it serves."""
    broker = await_start(hub, lambda: running_broker(edge.home / "state"), "the hub", edge.home / "hub.log")
    return stack.enter_context(TwinClient(broker))


def launch(stack: ExitStack, edge: Edge, options: argparse.Namespace) -> None:
    """The satellite itself; its edge finds it by and by."""
    flight = [f"--elements={edge.manifests / 'elements.txt'}", f"--epoch={options.start}", f"--speed={options.speed}"]
    simulator = [*TWINHUB, "mapper", "simulate", "satellite", f"--port={edge.ports.bus}", f"--every={EVERY}", *flight]
    stack.enter_context(process(simulator, edge.home / "satellite.log"))


def look_on(skies: list[Sky], options: argparse.Namespace) -> None:
    """Show all satellites until the time is over, while the script of each goes on."""
    audience = stage()
    least = options.silence * HOUR
    scripts = [silence(sky, audience.say, least, wish) for sky, wish in zip(skies, WISHES, strict=False)]
    end = time.monotonic() + options.seconds if options.seconds else None
    while end is None or time.monotonic() < end:
        for sky in skies:
            sky.ends.follow(REDRAW / len(skies))
        audience.show(table(skies, options.speed), [sky.line() for sky in skies])
        for script in scripts:
            next(script)


def table(skies: list[Sky], speed: float) -> list[str]:
    """Lines: the time on board, then a row for each satellite."""
    time_on_board = max(sky.time for sky in skies)
    clock = (
        f"{datetime.fromtimestamp(time_on_board, UTC):%Y-%m-%d %H:%M} UTC" if time_on_board else "before the launch"
    )
    heading = f"{clock} on board, {speed:g} times as fast as here"
    return [heading, "", *columns(HEADER, [sky.row() for sky in skies], RIGHT)]


if __name__ == "__main__":
    main()
