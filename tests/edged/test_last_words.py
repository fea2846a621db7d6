"""What a container said at its end is read from its file or its log, whatever it wrote there."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_runtime import Made, MemoryEngine
from msgspec.structs import replace
from node import Node, container, pod
from virtual_time import run

from edged.last_words import last_words, place
from edged.process.log_lines import Stream
from edged.runtime import ContainerPlan, FoundContainer

TIME = b"2026-01-01T00:00:00.000000000Z"
FALLBACK = pod("web", container(terminationMessagePolicy="FallbackToLogsOnError")).spec.containers[0]
PLAIN = pod().spec.containers[0]


def plan(directory: Path) -> ContainerPlan:
    log, message = str(directory / "0.log"), str(directory / "0.message")
    return ContainerPlan(name="a", image="i", env={}, labels={}, log_path=log, message_file=message)


def ended(code: int) -> FoundContainer:
    return FoundContainer("a", "s", {}, "exited", "i", 1.0, 1.0, 1.0, code, "")


def logged(*texts: bytes) -> bytes:
    stream = Stream(b"stderr")
    return b"".join(stream.feed(text, TIME) for text in texts) + stream.end(TIME)


def test_the_file_goes_before_the_log(tmp_path: Path) -> None:
    one = plan(tmp_path)
    Path(one.log_path).write_bytes(logged(b"from the log\n"))
    assert last_words(PLAIN, one, ended(1)) == "", "no file at all"
    place(one)
    assert Path(one.message_file).stat().st_mode & 0o777 == 0o666
    assert last_words(PLAIN, one, ended(1)) == ""
    assert last_words(FALLBACK, one, ended(1)) == "from the log"
    assert last_words(FALLBACK, one, ended(0)) == "", "it ended well"
    Path(one.message_file).write_bytes(b"\xffoh\n" + b"x" * 5000 + b"the end\n")
    words = last_words(FALLBACK, one, ended(1))
    assert len(words) == 4095
    assert words.endswith("xthe end")


@pytest.mark.parametrize(("text", "expected"), [(b"y" * 20_000, "y" * 2048), (b"no end of line", "no end of line")])
def test_long_and_cut_lines_of_the_log(tmp_path: Path, text: bytes, expected: str) -> None:
    one = plan(tmp_path)
    Path(one.log_path).write_bytes(logged(text))
    assert last_words(FALLBACK, one, ended(1)) == expected


def test_the_last_eighty_lines(tmp_path: Path) -> None:
    one = plan(tmp_path)
    Path(one.log_path).write_bytes(logged(b"".join(b"%d\n" % number for number in range(10_000))))
    assert last_words(FALLBACK, one, ended(1)).split("\n") == [str(number) for number in range(9920, 10_000)]


@given(message=st.binary(max_size=6000), log=st.binary(max_size=3000))
def test_any_bytes_are_a_bounded_text(message: bytes, log: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        one = plan(Path(directory))
        Path(one.message_file).write_bytes(message)
        Path(one.log_path).write_bytes(log)
        words = last_words(FALLBACK, one, ended(1))
        assert len(words) <= 4096
        assert words.encode().decode() == words


def test_they_are_the_message_of_the_end_also_for_another_edged(tmp_path: Path) -> None:
    engine = MemoryEngine(programs={"app": lambda made: says(made, f"for the {made.plan.name}. time")})

    def says(made: Made, text: str) -> tuple[float, int]:
        Path(made.plan.message_file).write_text(text)
        return 1.0, 1

    async def story() -> None:
        async with Node(tmp_path, engine) as node:
            node.apply(pod())
            for _ in range(2):
                await node.until(lambda: "web-app-1" in told(node), 30)
                await node.kill()
                await node.begin()
                node.apply(pod())

    def told(node: Node) -> str:
        status = node.edged.status("default/web")
        end = status.container_statuses[0].last_state.terminated if status else None
        return end.message if end else ""

    run(story())


def test_nothing_is_mounted_over_another_mount(tmp_path: Path) -> None:
    usual = plan(tmp_path)
    assert usual.message_mount[0].target == "/dev/termination-log"
    assert replace(usual, message_file="").message_mount == ()
    taken = replace(usual, mounts=(replace(usual.message_mount[0], source="/tmp"),))
    assert taken.message_mount == ()
