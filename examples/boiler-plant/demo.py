"""The boiler plant, live in a terminal: a PLC, a hub on the manifests of this folder, and the table of its twins.

    python demo.py                    until Ctrl-C
    python demo.py --seconds 10       for so long

Three processes are started, and end with this one: the PLC (`plc.py`), the hub (`twinhub run`, with a private
broker), the table (`twinhub watch`). The manifests are read where they are: edit one and see it take effect.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from twinhub.state_dir import running_broker

HERE = Path(__file__).resolve().parent
PLC_PORT, BROKER_PORT = 15020, 18830
"""As the manifests and twinhub.yaml have them."""
START_TIMEOUT = 20.0
HINTS = """
  In a second terminal, follow what the hub says of its devices,

    mosquitto_sub -p {port} -v -t '$hw/events/device/+/+/twin/update/document'

  and wish for another pump speed: the hub writes it into the PLC's register and reads it back.

    mosquitto_pub -p {port} -t '$hw/events/device/default/pump/twin/update' \\
        -m '{{"twin":{{"speed-set-point":{{"expected":{{"value":"1450"}}}}}}}}'

  Edit {folder}/pump.yaml and see it take effect; the hub's log is {log}.
  Ctrl-C ends it all.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="end after so long (default: never)")
    parser.add_argument("--speed", type=float, default=1.0, help="how fast the plant lives (default %(default)s)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="boiler-plant-")))
        try:
            show(stack, scratch, options.seconds, options.speed)
        except KeyboardInterrupt:
            print()


def show(stack: ExitStack, scratch: Path, seconds: float | None, speed: float) -> None:
    """Start everything and look on."""
    plc_port, broker_port = free_port(PLC_PORT), free_port(BROKER_PORT)
    folder = manifests(scratch, plc_port, broker_port)
    state, log = scratch / "state", scratch / "hub.log"
    plc = [sys.executable, str(HERE / "plc.py"), f"--port={plc_port}", f"--speed={speed}"]
    hub = [sys.executable, "-m", "twinhub", "run", str(folder), f"--state-dir={state}"]
    stack.enter_context(process(plc, scratch / "plc.log"))
    started = stack.enter_context(process(hub, log))
    url = await_hub(started, state, log)
    print(HINTS.format(port=broker_port, folder=folder, log=log), flush=True)
    watch = [sys.executable, "-m", "twinhub", "watch", f"--broker={url}"]
    subprocess.run([*watch, *([f"--seconds={seconds}"] if seconds else [])], check=False)


def free_port(wanted: int) -> int:
    """The wanted port, or any other when somebody uses it."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    sys.exit("there is no free port on this machine")


def manifests(scratch: Path, plc_port: int, broker_port: int) -> Path:
    """This folder; where its ports are in use, a copy with others."""
    if (plc_port, broker_port) == (PLC_PORT, BROKER_PORT):
        return HERE
    copy = scratch / "manifests"
    shutil.copytree(HERE, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for file in copy.glob("*.yaml"):
        text = file.read_text()
        file.write_text(text.replace(str(PLC_PORT), str(plc_port)).replace(str(BROKER_PORT), str(broker_port)))
    return copy


@contextmanager
def process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with us; what it prints goes to `log`."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as started:
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(5)
            except subprocess.TimeoutExpired:
                started.kill()


def await_hub(hub: subprocess.Popen[bytes], state: Path, log: Path) -> str:
    """The address of the hub's broker, as soon as the hub answers there."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and hub.poll() is None:
        if url := running_broker(state):
            return url
        time.sleep(0.05)
    sys.exit(f"the hub did not start:\n{log.read_text()}")


if __name__ == "__main__":
    main()
