"""A library that neither end uses reads the packets of the simulator, and writes packets that the mapper reads.

It runs in a process of its own: it warns, and brings numpy and astropy along.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from mappers.satellite.dictionary import STRUCTURES
from mappers.satellite.elements import CBERS_2
from mappers.satellite.orbit import Orbit
from mappers.satellite.packets import Framer, header_of, read_telemetry
from mappers.satellite.simulator.on_board_software import OnBoardSoftware
from mappers.satellite.simulator.spacecraft import Spacecraft

NOW = 1151261701.25
FIELDS = """
import json, sys
import numpy
from ccsdspy import FixedLength, PacketField

def layout(parameters):
    head = [("pus", "uint", 8), ("service", "uint", 8), ("subservice", "uint", 8), ("message", "uint", 16),
            ("destination", "uint", 16), ("time_code", "uint", 8), ("day", "uint", 16), ("millisecond", "uint", 32),
            ("structure", "uint", 16)]
    return [PacketField(name, kind, bits) for name, kind, bits in [*head, *parameters, ("checksum", "uint", 16)]]

file, parameters = sys.argv[1], json.loads(sys.argv[2])
"""
READS = (
    FIELDS
    + """
found = FixedLength(layout(parameters)).load(file, include_primary_header=True)
print(json.dumps({name: values.tolist() for name, values in found.items()}))
"""
)
WRITES = (
    FIELDS
    + """
values = {"pus": 0x20, "service": 3, "subservice": 25, "message": 0, "destination": 0, "time_code": 0x40,
          "day": 17707, "millisecond": 68101250, "structure": 1, "checksum": 0}
values |= {name: number for number, (name, *_) in enumerate(parameters)}
kinds = {8: "u1", 16: ">u2", 32: ">u4"}
arrays = {field._name: numpy.array([values[field._name]] * 3, ">f4" if field._data_type == "float" else
          kinds[field._bit_length]) for field in layout(parameters)}
FixedLength(layout(parameters)).to_file(file, 0, 100, 1, 3, arrays)
"""
)


def run(script: str, file: Path, structure: int) -> str:
    kinds = {"float32": ("float", 32), "uint8": ("uint", 8), "uint16": ("uint", 16), "uint32": ("uint", 32),
             "int16": ("int", 16)}  # fmt: skip
    parameters = [(parameter.name, *kinds[parameter.format]) for parameter in STRUCTURES[structure]]
    command = [sys.executable, "-W", "ignore", "-c", script, str(file), json.dumps(parameters)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("structure", [1, 3, 4])
def test_it_reads_what_the_simulator_writes(structure: int, tmp_path: Path) -> None:
    orbit = Orbit.of(*CBERS_2)
    software = OnBoardSoftware(Spacecraft(orbit, orbit.epoch), 321)
    packets = []
    shown = []
    for step in range(4):
        shown.append(software.spacecraft.parameters())
        packets.append(software.housekeeping(NOW + step)[structure - 1])
        software.spacecraft.step()
    file = tmp_path / "telemetry"
    file.write_bytes(b"".join(packets))
    theirs = json.loads(run(READS, file, structure))
    ours = [read_telemetry(packet) for packet in packets]
    assert theirs["CCSDS_APID"] == [header_of(packet).apid for packet in packets] == [321] * 4
    assert theirs["CCSDS_SEQUENCE_COUNT"] == [header_of(packet).number for packet in packets]
    assert theirs["CCSDS_PACKET_LENGTH"] == [len(packet) - 7 for packet in packets]
    assert theirs["CCSDS_SEQUENCE_FLAG"] == [3] * 4
    assert list(zip(theirs["service"], theirs["subservice"], strict=True)) == [(3, 25)] * 4
    assert theirs["structure"] == [structure] * 4
    assert theirs["day"] == [17707] * 4
    assert [each.time for each in ours if each] == [
        (day - 4383) * 86_400_000 + ms for day, ms in zip(theirs["day"], theirs["millisecond"], strict=True)
    ]
    for parameter in STRUCTURES[structure]:
        assert theirs[parameter.name] == pytest.approx([each[parameter.name] for each in shown], rel=1e-6)


def test_the_mapper_reads_what_it_writes(tmp_path: Path) -> None:
    file = tmp_path / "telemetry"
    run(WRITES, file, 1)
    packets = list(Framer().feed(file.read_bytes()))
    assert [header_of(packet).number for packet in packets] == [0, 1, 2]
    for packet in packets:
        assert header_of(packet).apid == 100
        telemetry = read_telemetry(packet[:-2] + b"\0\0", checksum=False)
        assert telemetry is not None
        assert (telemetry.service, telemetry.subservice, telemetry.time) == (3, 25, 1151261701250)
        assert telemetry.data[:-2] == struct.pack(">HfffffB", 1, 0, 1, 2, 3, 4, 5)
