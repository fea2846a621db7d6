"""The output of a container out of its log file."""

from itertools import islice
from pathlib import Path

import pytest

from twinhub.pod_log import Entry, follow, last, since, stamped

STAMP = b"2026-01-01T00:00:00.000000001Z"


def line(text: bytes, stream: bytes = b"stdout", tag: bytes = b"F", stamp: bytes = STAMP) -> bytes:
    return b" ".join((stamp, stream, tag, text)) + b"\n"


def texts(log: Path) -> list[bytes]:
    return [entry.text for entry in follow(log, None) if entry]


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
    assert Entry.read(written).text == shown


def test_a_line_that_is_not_whole_is_left_for_later(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(line(b"one") + line(b"two")[:-3])
    assert texts(log) == [b"one\n"]


def test_it_is_followed_into_the_next_file_until_there_is_none(tmp_path: Path) -> None:
    first, second = tmp_path / "0.log", tmp_path / "1.log"
    first.write_bytes(line(b"one"))
    asked = []

    def current() -> Path | None:
        asked.append(1)
        if len(asked) == 2:
            with first.open("ab") as file:
                file.write(line(b"last words"))
        if len(asked) < 4:
            return first
        second.write_bytes(line(b"anew"))
        return second if len(asked) == 4 else None

    shown = [entry.text if entry else None for entry in follow(first, current)]
    assert shown == [b"one\n", None, b"last words\n", b"anew\n"]


def test_it_is_followed_through_its_rotation(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(line(b"one"))
    asked = []

    def current() -> Path:
        asked.append(1)
        if len(asked) == 2:
            with log.open("ab") as file:
                file.write(line(b"last words"))
            log.replace(tmp_path / "0.log.1")
        if len(asked) == 4:
            log.write_bytes(line(b"two"))
        return log

    seen = islice(follow(log, current), 4)
    assert [entry.text if entry else None for entry in seen] == [b"one\n", None, b"last words\n", b"two\n"]


def test_a_file_that_is_cut_short_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(line(b"one") + line(b"two"))
    asked = []

    def current() -> Path:
        asked.append(1)
        if len(asked) == 2:
            log.write_bytes(line(b"a"))
        return log

    assert [entry.text for entry in islice(follow(log, current), 4) if entry] == [b"one\n", b"two\n", b"a\n"]


def test_the_last_lines_and_all_that_comes_later() -> None:
    parts = [Entry(b"", text) for text in (b"one\n", b"two ", b"and ", b"a half\n", b"three\n")]
    entries = [*parts, None, Entry(b"", b"four\n"), Entry(b"", b"five\n")]
    assert list(last(iter(entries), 2)) == entries[1:]
    assert list(last(iter(entries), 0)) == entries[5:]
    assert list(last(iter(entries), 99)) == entries


def test_what_is_older_is_left_out() -> None:
    old, new = Entry(b"2026-01-01T00:00:00.123456789Z", b"old\n"), Entry(b"2026-01-01T02:00:01.5+01:00", b"new\n")
    assert list(since([old, new, None, old], 1767229201.0)) == [new, None, old]


def test_a_line_in_parts_bears_one_time() -> None:
    entries = [Entry(STAMP, b"one "), Entry(STAMP, b"line\n"), None, Entry(STAMP, b"another\n")]
    assert b"".join(one.text for one in stamped(entries) if one) == STAMP + b" one line\n" + STAMP + b" another\n"
