from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edged.process import record


@pytest.fixture
def room(tmp_path: Path) -> Path:
    room = tmp_path / "room"
    room.mkdir()
    return room


def test_a_start_is_claimed_once(room: Path) -> None:
    first = record.begin(room, 1234)
    assert first
    assert record.begin(room, 5678) is None
    found = record.started(room)
    assert found
    assert (found.keeper, found.program) == (os.getpid(), 1234)
    assert record.alive(room)
    os.close(first)
    assert not record.alive(room), "who holds no lock is not there"
    assert record.begin(room, 5678) is None, "what was started once is not started again"


def test_nothing_is_sent_to_whoever_has_the_number_now(room: Path) -> None:
    lock = record.begin(room, 1234)
    assert lock
    os.close(lock)
    assert not record.send(room, signal.SIGKILL), "this process would not be here any more"


def test_a_signal_reaches_the_keeper(room: Path) -> None:
    code = (
        f"import os, time; from edged.process import record; from pathlib import Path\n"
        f"lock = record.begin(Path({str(room)!r}), 1)\nprint(lock, flush=True)\ntime.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert record.send(room, signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM
    assert not record.send(room, signal.SIGTERM)


def test_an_end_is_told_once(room: Path) -> None:
    lock = record.begin(room, 1)
    assert lock
    assert record.ended(room) is None
    record.end(room, 3, "Error")
    ended = record.ended(room)
    assert ended
    assert (ended.exit_code, ended.reason) == (3, "Error")
    with pytest.raises(OSError, match="ended"):
        record.end(room, 4, "Error")
    assert record.ended(room) == ended
    os.close(lock)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"\xff", b'{"at": 1}', b'{"other": 1}'])
def test_what_cannot_be_read_is_not_there(room: Path, content: bytes) -> None:
    (room / "started").write_bytes(content)
    (room / "ended").write_bytes(content)
    assert record.started(room) is None
    assert record.ended(room) is None
