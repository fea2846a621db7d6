"""`twinhub exec` into a pod of a running hub: input, outputs, terminal, and who ends whom."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from live_plant import end, wait_for
from live_pods import Node, make_node

PATIENCE = 20.0
BIG = bytes(range(256)) * 12_000
"""More than anything on the way holds."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = make_node(tmp_path_factory.mktemp("exec"))
    node.declare("web")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the pod runs")
        yield node
    node.end()


def command(node: Node, *words: str) -> list[str]:
    return [sys.executable, "-m", "twinhub", "exec", f"--state-dir={node.state}", *words]


def done(node: Node, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(node, *words), input=given, capture_output=True, check=False, timeout=60)


@contextmanager
def begun(node: Node, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command(node, *words), stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            end(process)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_outputs_are_apart_and_the_exit_code_is_passed_on(node: Node) -> None:
    ended = done(node, "web", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, b"out\n", b"err\n")


def test_a_file_goes_in_and_comes_out_whole(node: Node) -> None:
    ended = done(node, "-i", "web", "--", "cat", given=BIG)
    assert ended.stderr == b""
    assert ended.stdout == BIG


def test_without_i_there_is_no_input(node: Node) -> None:
    assert done(node, "web", "--", "cat", given=b"text").stdout == b""


def test_a_command_that_does_not_read_its_input_ends(node: Node) -> None:
    ended = done(node, "-i", "web", "--", "sh", "-c", "exit 5", given=BIG)
    assert (ended.returncode, ended.stderr) == (5, b"")


def test_output_comes_as_it_is_written(node: Node) -> None:
    with begun(node, "-i", "web", "--", "sh", "-c", "echo one; read word; echo $word") as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == b"one\n"
        process.stdin.write(b"two\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"two\n"
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_who_goes_away_ends_the_command(node: Node, number: signal.Signals) -> None:
    with begun(node, "-i", "web", "--", "sh", "-c", "echo $$; exec sleep 1000") as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        assert not gone(pid)
        process.send_signal(number)
        wait_for(lambda: gone(pid), "the command ends")


def test_what_takes_too_long_is_ended_and_said(node: Node) -> None:
    ended = done(node, "--timeout", "0.5", "web", "--", "sh", "-c", "echo begun; exec sleep 1000")
    assert ended.returncode == 1
    assert ended.stdout == b"begun\n"
    assert b"--timeout gives it more" in ended.stderr


def test_a_program_that_is_not_there(node: Node) -> None:
    ended = done(node, "web", "--", "/no/such/program")
    assert ended.returncode == 127
    assert b"/no/such/program" in ended.stderr


def test_a_terminal_is_asked_for_where_there_is_none(node: Node) -> None:
    ended = done(node, "-it", "web", "--", "sh")
    assert ended.returncode == 1
    assert b"leave -t out" in ended.stderr


class Screen:
    """A terminal, and a command line on it."""

    def __init__(self, words: Sequence[str]) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (33, 77))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        self.shown = b""

    def until(self, text: bytes) -> None:
        limit = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < limit, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65_536)
        self.shown = self.shown.partition(text)[2]

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def restored(self) -> bool:
        return termios.tcgetattr(self.slave) == self.before


@contextmanager
def screen(node: Node, *words: str) -> Iterator[Screen]:
    one = Screen(command(node, *words))
    try:
        yield one
    finally:
        end(one.process)
        one.process.wait()
        os.close(one.master)
        os.close(one.slave)


def test_a_shell_on_a_terminal(node: Node) -> None:
    with screen(node, "-it", "web", "--", "sh") as one:
        one.type(b"stty size; tty >/dev/null && echo ter''minal\n")
        one.until(b"33 77\r\n")
        one.until(b"terminal\r\n")
        assert not one.restored()
        termios.tcsetwinsize(one.slave, (44, 88))
        one.process.send_signal(signal.SIGWINCH)
        one.type(b"until [ \"$(stty size)\" = '44 88' ]; do sleep 0.1; done; echo si''zed\n")
        one.until(b"sized\r\n")
        one.type(b"sh -c \"echo slee''ping; exec sleep 1000\"; echo inter''rupted\n")
        one.until(b"sleeping\r\n")
        one.type(b"\x03")
        one.type(b"exit 6\n")
        assert one.process.wait(PATIENCE) == 6
        assert one.restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_is_put_right_when_its_command_line_is_ended(node: Node, number: signal.Signals) -> None:
    with screen(node, "-it", "web", "--", "sh", "-c", "echo be''gun; exec sleep 1000") as one:
        one.until(b"begun")
        assert not one.restored()
        one.process.send_signal(number)
        assert one.process.wait(PATIENCE) == 128 + number
        assert one.restored()


def test_a_terminal_is_put_right_when_the_hub_is_killed(tmp_path: Path) -> None:
    node = make_node(tmp_path)
    node.declare("web")
    try:
        with node.hub() as hub:
            wait_for(lambda: node.is_up("web"), "the pod runs")
            with screen(node, "-it", "web", "--", "sh", "-c", "echo be''gun; exec sleep 1000") as one:
                one.until(b"begun")
                hub.kill()
                one.until(b"the hub has gone")
                assert one.process.wait(PATIENCE) == 1
                assert one.restored()
    finally:
        node.end()
