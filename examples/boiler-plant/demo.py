"""The boiler plant, live in a terminal: a PLC, an edge with a pod beside the boiler, a cable, and a cloud.

    python demo.py                    until Ctrl-C
    python demo.py --seconds 10       for so long

The table shows each twin at both ends. After some seconds somebody at the cloud desires another temperature, then the
cable is cut for a while (`outage.py`). Processes of their own, which end with this one: the PLC (`plc.py`), the cloud
(`twinhub cloud`), the cable (`cable.py`), the hub of the edge (`twinhub run`, with a private broker), and its pod
(`../boiler-alarm`), in a container where podman works (`engine.py`). The hub reads a copy of the manifests: edit one
and see it take effect.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from both_ends import BothEnds, line
from engine import Engine, engine, remove_pods
from outage import outage
from processes import OPERATOR, TWINHUB, await_start, free_port, process, start_cloud
from stage import stage

from twinhub.client import TwinClient
from twinhub.cloud_client import CloudClient
from twinhub.errors import CommandError
from twinhub.state_dir import running_broker

HERE = Path(__file__).resolve().parent
ALARM = HERE.parent / "boiler-alarm"
PLC_PORT, BROKER_PORT = 15020, 18830
"""As the manifests and twinhub.yaml have them."""
CLOUD_PORT, LINK_PORT, CABLE_PORT = 10002, 10000, 11000
NODE = "boiler-house"
IMAGE = "localhost/boiler-alarm:1"
"""As alarm.yaml has it."""
STATE = "state"
REDRAW = 0.25
HINTS = """
  In a second terminal, follow what the hub says of its devices,

    mosquitto_sub -p {broker} -v -t '$hw/events/device/+/+/twin/update/document'

  and wish for another pump speed: the hub writes it into the PLC's register and reads it back.

    mosquitto_pub -p {broker} -t '$hw/events/device/default/pump/twin/update' \\
        -m '{{"twin":{{"speed-set-point":{{"expected":{{"value":"1450"}}}}}}}}'

  Wish for it from the cloud, and see what the cloud knows (`twinhub` is in {bin}):

    export TWINHUB_CLOUD=127.0.0.1:{cloud} TWINHUB_OPERATOR={operator}
    twinhub set pump speed-set-point 1300 --cloud 127.0.0.1:{cloud}
    twinhub get twins --cloud 127.0.0.1:{cloud}

  The alarm is the work of a pod: look at it, and make it alarm at another temperature.

    twinhub get pods --broker mqtt://127.0.0.1:{broker}
    twinhub logs alarm --state-dir {state}
    twinhub set alarm limit 90 --broker mqtt://127.0.0.1:{broker}

  Edit {folder}/pump.yaml and see it take effect; the logs are in {logs}.
  Ctrl-C ends it all.
"""


class Ports(NamedTuple):
    """Where everything listens on 127.0.0.1."""

    plc: int
    broker: int
    cloud: int
    link: int
    cable: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="end after so long (default: never)")
    parser.add_argument("--speed", type=float, default=1.0, help="how fast the plant lives (default %(default)s)")
    parser.add_argument("--cut-after", type=float, default=15.0, help="when the cable is cut (default %(default)s s)")
    parser.add_argument("--cut-for", type=float, default=10.0, help="how long (default %(default)s s)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="boiler-plant-")))
        try:
            show(stack, scratch, options)
        except KeyboardInterrupt:
            print()
        except CommandError as error:
            sys.exit(str(error))


def show(stack: ExitStack, scratch: Path, options: argparse.Namespace) -> None:
    """Start everything and look on."""
    ports = Ports(*map(free_port, (PLC_PORT, BROKER_PORT, CLOUD_PORT, LINK_PORT, CABLE_PORT)))
    folder = manifests(scratch, ports)
    pods = stack.enter_context(engine(scratch, make_image))
    add_alarm(folder, pods)
    print(f"the pod runs on {pods.runtime} ({pods.why})", flush=True)
    plc = [sys.executable, str(HERE / "plc.py"), f"--port={ports.plc}", f"--speed={options.speed}"]
    stack.enter_context(process(plc, scratch / "plc.log"))
    cloud = start_cloud(stack, scratch, ports.cloud, ports.link)
    cable = start_cable(stack, scratch, ports)
    edge = start_edge(stack, scratch, folder, ports, cloud)
    texts = {"operator": scratch / OPERATOR, "folder": folder, "logs": scratch, "bin": Path(sys.executable).parent}
    texts["state"] = scratch / STATE
    print(HINTS.format(broker=ports.broker, cloud=ports.cloud, **texts), flush=True)
    look_on(BothEnds(edge, cloud), cable, options)


def start_cable(stack: ExitStack, scratch: Path, ports: Ports) -> Callable[[str], None]:
    """What takes the cable's orders."""
    command = [sys.executable, str(HERE / "cable.py"), f"--listen={ports.cable}", f"--to=127.0.0.1:{ports.link}"]
    started = stack.enter_context(process(command, scratch / "cable.log"))
    assert started.stdin is not None
    orders = started.stdin

    def order(text: str) -> None:
        orders.write(f"{text}\n".encode())
        orders.flush()

    return order


def start_edge(stack: ExitStack, scratch: Path, folder: Path, ports: Ports, cloud: CloudClient) -> TwinClient:
    """The edge joins the cloud and runs its hub; a connection to its broker."""
    state, identity, log = scratch / STATE, scratch / "identity", scratch / "hub.log"
    join = ["join", f"--cloud=127.0.0.1:{ports.cloud}", f"--link-port={ports.cable}", f"--node={NODE}"]
    token = cloud.token(NODE).token
    subprocess.run(
        [*TWINHUB, *join, f"--identity={identity}"], input=token, text=True, check=True, stdout=subprocess.DEVNULL
    )
    hub = [*TWINHUB, "run", str(folder), f"--state-dir={state}", f"--identity={identity}"]
    stack.callback(remove_pods, state / "edged", NODE)
    started = stack.enter_context(process(hub, log))
    return stack.enter_context(TwinClient(await_start(started, lambda: running_broker(state), "the hub", log)))


def look_on(ends: BothEnds, cable: Callable[[str], None], options: argparse.Namespace) -> None:
    """Show both ends until the time is over, while the script goes on."""
    audience = stage()
    script = outage(ends, cable, audience.say, options.cut_after, options.cut_for)
    end = time.monotonic() + options.seconds if options.seconds else None
    while end is None or time.monotonic() < end:
        ends.follow(REDRAW)
        now = time.time()
        audience.show(ends.table(now), [line(cells) for cells in ends.rows(now)])
        next(script, None)


def manifests(scratch: Path, ports: Ports) -> Path:
    """A copy of this folder's, with these ports."""
    copy = scratch / "manifests"
    copy.mkdir()
    for file in HERE.glob("*.yaml"):
        text = file.read_text().replace(str(PLC_PORT), str(ports.plc)).replace(str(BROKER_PORT), str(ports.broker))
        (copy / file.name).write_text(text)
    return copy


def add_alarm(folder: Path, pods: Engine) -> None:
    """The alarm's manifests, and which engine its pod runs on. Processes do without an image: they run our Python."""
    text = (ALARM / "alarm.yaml").read_text()
    if pods.runtime == "process":
        program = json.dumps([sys.executable, "-IS", str(ALARM / "alarm.py")])
        text = text.replace(f"image: {IMAGE}", f"image: host\n      command: {program}")
    (folder / "alarm.yaml").write_text(text)
    with (folder / "twinhub.yaml").open("a") as settings:
        settings.write(f"pods:\n  runtime: {pods.runtime}\n")


def make_image(archive: Path) -> None:
    """The alarm's image, into this file."""
    subprocess.run([sys.executable, ALARM / "alarm_image.py", archive], check=True, capture_output=True, timeout=30)


if __name__ == "__main__":
    main()
