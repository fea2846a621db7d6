"""Recordings: exact to the bit, safe line by line, and clear about what they are not."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_models import DataType, Device, Property
from mappers import tape as tape_module
from mappers.mapper import Failure, Raw, Sample
from mappers.recording import Header, NoRecording, Said, Silent, encoded, header_of, read_header, read_recording
from mappers.tape import Tape

PUMP = Device("default", "pump", "m", "modbus", {"host": "h"}, (Property("speed", DataType.INT),))
HEADER = Header(
    device="default/pump", protocol="modbus", config={}, started=1785999999958, properties={"speed": "INT"}
)

values = st.one_of(
    st.booleans(),
    st.integers(-(2**4000), 2**4000),
    st.floats(),
    st.text(st.characters(), max_size=50),
    st.binary(max_size=50),
)
raws = st.one_of(
    values,
    st.builds(Failure, st.text(max_size=20)),
    st.builds(
        Sample, values, st.none() | st.integers(0, 2**50), st.sampled_from(["good", "uncertain"]), st.text(max_size=9)
    ),
)


def same(one: Raw, other: Raw) -> bool:
    """Equal to the bit: 1 is not 1.0 and not True, and nan is nan."""
    if isinstance(one, Sample) and isinstance(other, Sample):
        rest = (one.time, one.quality, one.reason) == (other.time, other.quality, other.reason)
        return rest and same(one.value, other.value)
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    return type(one) is type(other) and one == other


def written(file: Path, *said: dict[str, Any]) -> Path:
    with Tape(file, HEADER) as tape:
        for each in said:
            tape.say(each)
    return file


@given(said=st.dictionaries(st.text(max_size=9), raws, max_size=4))
def test_what_was_said_is_kept_exactly(said: dict[str, Raw], tmp_path_factory: pytest.TempPathFactory) -> None:
    header, events, length = read_recording(written(tmp_path_factory.mktemp("tape") / "it.jsonl", said))
    assert header == HEADER
    [event] = events
    assert isinstance(event, Said)
    assert event.values.keys() == said.keys()
    assert all(same(event.values[name], raw) for name, raw in said.items())
    assert 0 <= event.at <= length


@pytest.mark.parametrize(
    "odd",
    [None, ValueError("12 is no speed"), object(), "x" * 10**6, b"x" * 10**6, 10**5000, [1, 2]],
    ids=lambda odd: type(odd).__name__,
)
def test_what_is_no_value_is_a_failure(tmp_path: Path, odd: object) -> None:
    [event] = read_recording(written(tmp_path / "it.jsonl", {"speed": odd})).events
    assert isinstance(event, Said)
    assert isinstance(event.values["speed"], Failure)
    assert len(json.dumps(encoded(odd))) < 300


def test_silence_is_told_with_whom_it_concerns(tmp_path: Path) -> None:
    with Tape(tmp_path / "it.jsonl", HEADER) as tape:
        tape.silent("no answer within 1 s", ["speed"])
        tape.silent("connection refused")
    first, second = read_recording(tape.file).events
    assert isinstance(first, Silent)
    assert isinstance(second, Silent)
    assert (first.reason, first.of, second.reason, second.of) == (
        "no answer within 1 s", ("speed",), "connection refused", ()
    )  # fmt: skip
    tape.say({"speed": 1})
    assert tape.spoken == 0
    assert len(read_recording(tape.file).events) == 2


def test_killing_the_recorder_loses_no_line(tmp_path: Path) -> None:
    program = (
        "import os, signal; from pathlib import Path\n"
        "from mappers.recording import Header; from mappers.tape import Tape\n"
        "header = Header(device='d', protocol='p', config={}, started=0, properties={})\n"
        f"with Tape(Path({str(tmp_path / 'it.jsonl')!r}), header) as tape:\n"
        "    for number in range(100): tape.say({'n': number})\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    events = read_recording(tmp_path / "it.jsonl").events
    assert [event.values for event in events if isinstance(event, Said)] == [{"n": number} for number in range(100)]


def test_a_line_that_was_not_finished_is_left_out(tmp_path: Path) -> None:
    whole = written(tmp_path / "it.jsonl", {"speed": 1}, {"speed": 2}).read_bytes()
    first, second = whole.split(b"\n")[1:3]
    for cut in range(whole.index(second) + 1, whole.index(second) + len(second) + 1):
        (tmp_path / "it.jsonl").write_bytes(whole[:cut])
        [event] = read_recording(tmp_path / "it.jsonl").events
        assert event == Said(json.loads(first)["at"], {"speed": 1})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[" * 100_000, "not understood"),
        ("null", "not understood"),
        ('{"at": 1e999}', "not understood"),
        ('{"at": NaN}', "not understood"),
        ('{"at": -1}', "not understood"),
        ('{"at": 1, "said": {"speed": null}}', "a value is not understood"),
        ('{"at": 1, "said": {"speed": {"bytes": "x"}}}', "a value is not understood"),
        ('{"at": 1, "said": {"speed": {"sample": {}, "time": 1}}}', "a value is not understood"),
        ('{"at": 1, "said": {"speed": {"sample": 1, "time": "noon"}}}', "a value is not understood"),
        ('{"at": 0}', "back in time"),
        ("\xff", "not understood"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    file = tmp_path / "it.jsonl"
    header = json.dumps(
        {"recording": 1, "device": "d", "protocol": "p", "config": {}, "started": 0, "properties": {}}
    )
    file.write_bytes(f'{header}\n{{"at": 0.5}}\n'.encode() + line.encode("latin-1") + b"\n")
    with pytest.raises(NoRecording, match=problem) as raised:
        read_recording(file)
    assert str(raised.value).startswith(f"{file}:3: ")


@pytest.mark.parametrize("text", ["", "kind: Device\n", "{}\n", "[]\n", '{"recording": 2}\n', "\0" * 10])
def test_another_file_is_no_recording(tmp_path: Path, text: str) -> None:
    (tmp_path / "it.jsonl").write_text(text)
    for read in (read_header, read_recording):
        with pytest.raises(NoRecording, match="this is no recording"):
            read(tmp_path / "it.jsonl")


def test_secrets_are_not_written_down() -> None:
    config = {
        "host": "h",
        "password": "x1",
        "login": {"userToken": "x2", "name": "op"},
        "users": [{"privateKey": "x3"}],
    }
    header = header_of(Device("default", "pump", "m", "opcua", config))
    assert header.config == {
        "host": "h", "password": "", "login": {"userToken": "", "name": "op"}, "users": [{"privateKey": ""}]
    }  # fmt: skip


def test_what_is_replayed_is_not_recorded() -> None:
    with pytest.raises(ValueError, match="default/pump is replayed itself"):
        header_of(Device("default", "pump", "m", "replay", {"file": "f"}))


async def test_a_full_recording_ends_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_module, "MOST_BYTES", 2000)
    with Tape(tmp_path / "it.jsonl", HEADER) as tape:
        for number in range(100):
            tape.say({"speed": number})
        await asyncio.wait_for(tape.stopped.wait(), 1)
    assert "is full" in tape.problem
    assert tape.file.stat().st_size <= 2000
    assert read_recording(tape.file).events


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a full device")  # noqa: PTH110
def test_a_full_disk_ends_a_recording_and_not_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "open", lambda self, *_, **__: open("/dev/full", "wb", buffering=0))  # noqa: PTH123, SIM115
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with Tape(tmp_path / "it.jsonl", HEADER) as tape:
        tape.say({"speed": 1})
    assert "No space left" in tape.problem
    assert tape.stopped.is_set()


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    written(tmp_path / "it.jsonl")
    with pytest.raises(FileExistsError):
        written(tmp_path / "it.jsonl")


def test_the_header_says_of_whom_it_is(tmp_path: Path) -> None:
    with Tape(tmp_path / "it.jsonl", header_of(PUMP)):
        pass
    header = read_header(tmp_path / "it.jsonl")
    assert (header.device, header.protocol, header.properties) == ("default/pump", "modbus", {"speed": "INT"})
