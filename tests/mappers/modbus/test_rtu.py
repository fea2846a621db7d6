from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mappers.modbus.rtu import find_answer, read_answer_size


def crc(frame: bytes) -> bytes:
    """CRC-16/MODBUS, bit by bit."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def framed(unit: int, pdu: bytes) -> bytes:
    return bytes([unit]) + pdu + crc(bytes([unit]) + pdu)


def test_a_frame_from_the_specification() -> None:
    """Slave 17 answers a read of three holding registers (from the Modbus reference guide's example values)."""
    pdu = bytes([3, 6, 0xAE, 0x41, 0x56, 0x52, 0x43, 0x40])
    assert find_answer(bytes([17]) + pdu + bytes([0x49, 0xAD]), 17, 3, 11) == pdu


@given(st.binary(max_size=30), st.binary(max_size=10), st.integers(1, 247), st.binary(min_size=1, max_size=60))
def test_noise_around_an_answer_is_passed_over(before: bytes, after: bytes, unit: int, data: bytes) -> None:
    pdu = bytes([3, len(data)]) + data
    noisy = before + framed(unit, pdu) + after
    found = find_answer(noisy, unit, 3, read_answer_size(len(data)))
    assert found == pdu


@given(st.integers(1, 247), st.binary(min_size=2, max_size=20), st.data())
def test_an_incomplete_or_damaged_answer_is_none(unit: int, data: bytes, draw: st.DataObject) -> None:
    frame = framed(unit, bytes([3, len(data)]) + data)
    size = read_answer_size(len(data))
    cut = draw.draw(st.integers(0, len(frame) - 1))
    assert find_answer(frame[:cut], unit, 3, size) is None
    at, flip = draw.draw(st.integers(0, len(frame) - 1)), draw.draw(st.integers(1, 255))
    damaged = frame[:at] + bytes([frame[at] ^ flip]) + frame[at + 1 :]
    assert find_answer(damaged, unit, 3, size) is None


def test_answers_to_somebody_else_are_passed_over() -> None:
    mine = bytes([3, 4, 0, 1, 0, 2])
    other_unit, other_function = framed(2, mine), framed(1, bytes([4, 4, 9, 9, 9, 9]))
    other_length, exception = framed(1, bytes([3, 2, 9, 9])), framed(1, bytes([0x84, 2]))
    noise = other_unit + other_function + other_length + exception
    assert find_answer(noise, 1, 3, 9) is None
    assert find_answer(noise + framed(1, mine), 1, 3, 9) == mine


def test_an_exception_is_an_answer() -> None:
    assert find_answer(framed(1, bytes([0x83, 2])), 1, 3, 9) == bytes([0x83, 2])
    assert find_answer(framed(1, bytes([6, 0, 5, 0, 7])), 1, 6, 8) == bytes([6, 0, 5, 0, 7])
