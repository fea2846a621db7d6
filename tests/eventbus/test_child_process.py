from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eventbus import child_process
from eventbus.child_process import ChildProcess
from tests.eventbus.conftest import until

SH = "/bin/sh"

PARENT = """
import asyncio
from eventbus.child_process import ChildProcess

async def main():
    child = await ChildProcess.start("sleep", ["/bin/sleep", "1000"])
    print(child.pid, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_end_and_last_words() -> None:
    child = await ChildProcess.start("sh", [SH, "-c", "seq 1 100; echo ' ä' ; printf 'no newline'; exit 3"])
    assert await child.ended() == "exit status 3"
    assert child.last_words.splitlines()[-3:] == ["100", " ä", "no newline"]
    assert len(child.last_words.splitlines()) == child_process.KEPT_LINES
    await child.stop()


async def test_output_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "eventbus.broker")
    child = await ChildProcess.start("sh", [SH, "-c", "echo out; echo err >&2"])
    await child.ended()
    assert [r.getMessage() for r in caplog.records if r.name == "eventbus.broker"] == ["sh: out", "sh: err"]


async def test_endless_line_is_bounded() -> None:
    child = await ChildProcess.start("sh", [SH, "-c", "head -c 300000 /dev/zero | tr '\\0' x"])
    await child.ended()
    assert len(child.last_words) <= 4096


async def test_stop_is_polite_first() -> None:
    child = await ChildProcess.start(
        "sh", [SH, "-c", "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.01; done"]
    )
    await until(lambda: child.last_words == "ready")
    await child.stop()
    assert child.last_words.endswith("saved")
    assert not child.running
    assert await child.ended() == "exit status 0"


async def test_who_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "STOP_TIMEOUT", 0.2)
    child = await ChildProcess.start("sh", [SH, "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"])
    await until(lambda: child.last_words == "ready")
    await child.stop()
    assert await child.ended() == "SIGKILL"


async def test_interrupt_from_the_terminal_does_not_reach_it() -> None:
    child = await ChildProcess.start("sleep", ["/bin/sleep", "1000"])
    assert os.getpgid(child.pid) != os.getpgid(0)
    await child.stop()
    assert await child.ended() == "SIGTERM"


async def test_missing_program_ends_at_once() -> None:
    child = await ChildProcess.start("nothing", ["/no/such/program"])
    assert (await child.ended()).startswith("exit status")
    assert "/no/such/program" in child.last_words or "No such file" in child.last_words


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_it_dies_with_its_parent(how: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    line = await asyncio.to_thread(parent.stdout.readline)
    pid = int(line)
    await until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
    parent.send_signal(how)
    parent.wait()
    parent.stdout.close()
    await until(lambda: not alive(pid))


def test_launcher_does_not_start_for_a_parent_that_is_gone() -> None:
    launcher = [sys.executable, "-I", "-S", child_process.die_with_parent.__file__]
    run = subprocess.run([*launcher, "1", "/bin/echo", "started"], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stdout == ""
    assert "parent is gone" in run.stderr
