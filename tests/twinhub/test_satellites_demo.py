"""The satellites' demo, short: two of the three, an hour of silence in place of twelve, and faster still."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from live_plant import ROOT, end, twinhub

EXAMPLE = ROOT / "examples" / "satellites"
SHORT = ("--satellites", "2", "--speed", "480", "--start", "2006-06-27T01:28:00", "--silence", "1")
"""CBERS-2 is heard for 15 minutes, which are 2 s, soon after the launch, and again one orbit later."""
PATIENCE = 150.0
"""Seconds from one part of the story to the next; who starts so slowly that a contact is over waits for the next."""


def descendants(pid: int) -> list[int]:
    """The processes that this one has started, and those that they have."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [process for child in map(int, children) for process in (child, *descendants(child))]


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.1)


def running(demo: subprocess.Popen[bytes], screen: Path) -> str:
    """What it has shown so far."""
    shown = screen.read_text()
    assert demo.poll() is None, f"the demo has ended: {shown[-2000:]}"
    return shown


def test_its_manifests_are_good() -> None:
    checked = twinhub("validate", str(EXAMPLE / "edge"))
    assert checked.returncode == 0, checked.stderr


def test_a_silent_satellite_goes_on_alone_and_tells_everything_when_it_is_heard_again(tmp_path: Path) -> None:
    screen = tmp_path / "screen"
    command = [sys.executable, str(EXAMPLE / "demo.py"), *SHORT]
    with screen.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as demo:
        try:
            story = (
                r"480 times as fast as in the sky",
                r"cbers-2  heard by .*\| cloud  10",
                r"cbers-2 is out of contact; it is heard again in [\d.]+ h",
                r"the ground desires 9 °C for the heater of cbers-2",
                r"hears cbers-2 again, after [\d.]+ h",
                r"both ends agree on cbers-2, .* its heater keeps 9 °C",
                r"cbers-2: while it was away the edge recorded (\d{2,}) changes; \1 arrived in the cloud, in order",
            )
            for told in range(1, len(story) + 1):
                so_far = ".*".join(story[:told])
                wait_for(lambda so_far=so_far: re.search(so_far, running(demo, screen), re.DOTALL), story[told - 1])
            children = descendants(demo.pid)
            assert len(children) >= 9, "the cloud; simulator, radio, hub and broker of each satellite"
            demo.send_signal(signal.SIGINT)
            demo.wait(20)
            wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "no process is left behind")
            assert "Traceback" not in screen.read_text()
        finally:
            end(demo)
