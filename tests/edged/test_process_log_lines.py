from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.process import log_lines
from edged.process.log_lines import LONGEST, Log, Stream, stamp

NOW = b"2026-01-02T03:04:05.000000006Z"
LINE = re.compile(rb"%s stdout ([FP]) (.*)" % NOW, re.DOTALL)

texts = st.lists(
    st.one_of(
        st.binary(max_size=50),
        st.just(b"\n"),
        st.integers(LONGEST - 2, 2 * LONGEST + 2).map(lambda size: b"x" * size),
    ),
    max_size=8,
)


def joined(lines: bytes) -> bytes:
    """What was said, from the log."""
    assert lines == b"" or lines.endswith(b"\n")
    said = b""
    for line in lines.split(b"\n")[:-1]:
        match = LINE.fullmatch(line)
        assert match, line
        assert len(match[2]) <= LONGEST
        said += match[2] + (b"\n" if match[1] == b"F" else b"")
    return said


def test_a_stamp_has_nanoseconds() -> None:
    assert stamp(1_767_323_045_000_000_006) == NOW


@given(texts)
def test_what_is_said_can_be_read_again_however_it_came(chunks: list[bytes]) -> None:
    stream = Stream(b"stdout")
    lines = b"".join(stream.feed(chunk, NOW) for chunk in chunks) + stream.end(NOW)
    assert joined(lines) == b"".join(chunks)


@given(texts)
def test_a_line_is_told_as_soon_as_it_ends(chunks: list[bytes]) -> None:
    stream, lines, said = Stream(b"stdout"), b"", b""
    for chunk in chunks:
        lines += stream.feed(chunk, NOW)
        said += chunk
        assert len(said) - len(joined(lines)) < LONGEST
        assert joined(lines).count(b"\n") == said.count(b"\n")


def test_a_large_file_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "LARGEST", 100)
    log = Log(str(tmp_path / "pod" / "0.log"))
    for number in range(100):
        log.write(b"%d\n" % number)
    log.close()
    files = [path.read_bytes() for path in (tmp_path / "pod" / "0.log.1", tmp_path / "pod" / "0.log")]
    assert b"".join(files).endswith(b"97\n98\n99\n")
    assert sum(map(len, files)) < 250


def test_a_full_disk_loses_lines_and_no_more() -> None:
    log = Log("/dev/full")
    log.write(b"one\n")
    log.write(b"two\n")
    log.close()
