"""The output of a container out of its log file."""

from itertools import islice
from pathlib import Path

import pytest

from twinhub.pod_log import follow, text_of

STAMP = b"2026-01-01T00:00:00.000000001Z"


def line(text: bytes, stream: bytes = b"stdout", tag: bytes = b"F") -> bytes:
    return b" ".join((STAMP, stream, tag, text)) + b"\n"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (line(b"hello world"), b"hello world\n"),
        (line(b"  two  blanks ", b"stderr"), b"  two  blanks \n"),
        (line(b""), b"\n"),
        (line(b"begun", tag=b"P"), b"begun"),
        (b"something else\n", b"something else\n"),
    ],
)
def test_a_line_is_what_was_written(written: bytes, shown: bytes) -> None:
    assert text_of(written) == shown


def test_a_line_that_is_not_whole_is_left_for_later(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(line(b"one") + line(b"two")[:-3])
    assert list(follow(log, None)) == [b"one\n"]


def test_it_is_followed_into_the_next_file(tmp_path: Path) -> None:
    first, second = tmp_path / "0.log", tmp_path / "1.log"
    first.write_bytes(line(b"one"))
    asked = []

    def current() -> Path:
        asked.append(1)
        if len(asked) == 2:
            with first.open("ab") as file:
                file.write(line(b"last words"))
        if len(asked) < 4:
            return first
        second.write_bytes(line(b"anew"))
        return second

    assert list(islice(follow(first, current), 3)) == [b"one\n", b"last words\n", b"anew\n"]
