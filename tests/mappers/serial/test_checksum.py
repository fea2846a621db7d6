"""Checksums against published values."""

from __future__ import annotations

import pytest

from mappers.serial.checksum import Algorithm, Checksum, xor_of

CHECK = b"123456789"
"""What the CRC RevEng catalogue computes its check values over."""


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        ("crc16-modbus", 0x4B37),
        ("crc16-arc", 0xBB3D),
        ("crc16-kermit", 0x2189),
        ("crc16-xmodem", 0x31C3),
        ("crc16-ccitt", 0x29B1),
        ("sum", 0xDD),
        ("lrc", 0x23),
        ("xor", 0x31),
    ],
)
def test_check_values(algorithm: Algorithm, value: int) -> None:
    checksum = Checksum(algorithm)
    assert checksum.of(CHECK) == value.to_bytes(checksum.size, "big")


def test_nothing_is_no_checksum() -> None:
    assert Checksum().of(CHECK) == b""
    assert Checksum().size == 0


def test_ways_of_writing() -> None:
    assert Checksum("crc16-modbus", order="little").of(CHECK) == b"\x37\x4b"
    assert Checksum("crc16-modbus", hexadecimal=True).of(CHECK) == b"4B37"
    assert Checksum("crc16-modbus", hexadecimal=True).size == 4


def test_small_digits_fit_and_others_do_not() -> None:
    checksum = Checksum("crc16-modbus", hexadecimal=True)
    assert checksum.fits(CHECK, b"4b37")
    assert not checksum.fits(CHECK, b"4B38")
    assert not checksum.fits(CHECK, b"4B3")
    assert not Checksum("xor").fits(CHECK, b"")


def test_an_nmea_sentence_of_the_standard() -> None:
    assert xor_of(b"GPGLL,5057.970,N,00146.110,E,142451,A") == 0x27
