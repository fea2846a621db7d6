"""The fields of a manifest for a serial instrument as two typed forms: `protocol.configData` and
`visitors.configData`. Other spellings, KubeEdge's among them, are put into these by `spelling`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mappers.serial.checksum import Algorithm, Checksum, Order

Hex = Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2})*$")]
"""Bytes as hexadecimal digits: `AA55`."""
Mark = Annotated[str, Meta(min_length=1, max_length=16, pattern="^[\x00-\xff]*$")]
"""Bytes as characters: U+0000 to U+00FF."""


class Line(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="line"):
    """Lines of text: CR, LF or both end what is received, whichever comes."""

    end: Literal["\r\n", "\n", "\r"] = "\r\n"
    """What is sent."""


class Delimiter(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="delimiter"):
    """Messages that end with a mark."""

    end: Mark


class Fixed(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="fixed"):
    """Messages of one size."""

    size: Annotated[int, Meta(ge=1, le=4096)]
    """Bytes, without sync and checksum."""
    sync: Hex = ""
    """What each begins with."""


class Length(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="length"):
    """Messages that say how long they are."""

    sync: Hex = ""
    header: Annotated[int, Meta(ge=0, le=64)] = 0
    """Bytes between sync and length; they belong to the message."""
    size: Literal[1, 2, 4] = 1
    """Bytes of the length itself."""
    order: Order = "big"
    counts: Literal["payload", "rest", "frame"] = "payload"
    """What the length counts: what follows it, that and the checksum, or everything from sync to checksum."""
    longest: Annotated[int, Meta(ge=1, le=16384)] = 1024
    """Bytes of a whole frame; a length that says more is noise."""


class Slip(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="slip"):
    """RFC 1055."""


class Stx(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="stx"):
    """Text between STX and ETX."""


class Nmea(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="nmea"):
    """NMEA 0183 sentences, with their own checksum."""

    lenient: bool = False
    """Take sentences that have no checksum; a wrong one is never taken."""


Framing = Line | Delimiter | Fixed | Length | Slip | Stx | Nmea
_TEXT = (Line, Delimiter)


class ChecksumConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What closes a message. Left out: as hexadecimal digits in text, as bytes elsewhere; CRCs of the Modbus kind
    (reflected) with the low byte first."""

    type: Algorithm = "none"
    written: Literal["bytes", "hex"] | None = None
    order: Order | None = None
    covers: Literal["body", "frame"] = "body"
    """`body`: all after the sync bytes or STX; `frame`: these, too."""


class SerialConfig(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """The line to an instrument, and how messages look on it."""

    serial_port: str = ""
    """`/dev/serial/by-id/…`, any device file, or `usb:VID:PID` or `usb:VID:PID:SERIAL`."""
    baud_rate: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600
    data_bits: Literal[5, 6, 7, 8] = 8
    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    stop_bits: Literal[1, 2] = 1
    flow_control: Literal["none", "hardware", "software"] = "none"
    host: str = ""
    """A serial server that passes bytes on over TCP, instead of a port here."""
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    framing: Framing = Line()
    checksum: ChecksumConfig = ChecksumConfig()
    timeout: Annotated[float, Meta(gt=0, le=60)] = 1.0
    """Seconds an answer is waited for."""
    silence: Annotated[float, Meta(ge=0)] = 30.0
    """Seconds after which an instrument that speaks by itself counts as silent; 0: never."""
    address: str = ""
    """What `{address}` stands for in requests, writes and patterns."""
    match: str = ""
    """A regular expression that all of this device's messages match; needed where several share a line."""
    request: str = ""
    """What is sent to read a property that does not say its own request. Empty: the device speaks by itself."""

    def __post_init__(self) -> None:
        if bool(self.host) == bool(self.serial_port):
            raise ValueError("write either serialPort (a line at this machine) or host and port (a serial server)")
        if self.host and self.port is None:
            raise ValueError("host needs port: the TCP port of the serial server")
        if isinstance(self.framing, Nmea) and self.checksum.type != "none":
            raise ValueError("framing nmea has its own checksum: leave checksum out")
        if isinstance(self.framing, Fixed) and not self.framing.sync and self.checksum.type == "none":
            raise ValueError(
                "framing fixed needs sync or a checksum, or its messages are not found again after noise"
            )

    @property
    def closing(self) -> Checksum:
        """The checksum, with what was left out."""
        form = self.checksum
        hexadecimal = isinstance(self.framing, _TEXT) if form.written is None else form.written == "hex"
        low_first = form.type in ("crc16-modbus", "crc16-arc", "crc16-kermit")
        return Checksum(form.type, hexadecimal, form.order or ("little" if low_first else "big"))


class SerialVisitor(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """How a property is asked for, found in a message, and set. Without `nmea`, `csv`, `regex`, `json` and `binary`
    the whole message is the value."""

    request: str | None = None
    """What is sent to read it; empty: nothing, the device says it by itself."""
    match: str = ""
    """A regular expression that a message about this property matches."""
    nmea: str = ""
    """`GGA.latitude`, `GNRMC.speed`, `PGRME.1`."""
    csv: Annotated[int, Meta(ge=1)] | None = None
    """A column, from 1."""
    separator: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    regex: str = ""
    """A regular expression; the group `value`, or else the first, is the value."""
    json: str | None = None
    """A JSON pointer (RFC 6901); empty: the whole document."""
    binary: str = ""
    """`int16`, `uint24`, `float32`, `text:8`, `bytes:4`; with `little` behind it, the low byte comes first."""
    offset: Annotated[int, Meta(ge=0)] = 0
    """Bytes before it in the message."""
    doubt: str = ""
    """A regular expression; a message that matches it carries a value the instrument itself is not sure of."""
    write: str = ""
    """What is sent to set it: `SET {value:.1f}`."""
    expect: str = ""
    """A regular expression that the answer to a write matches when it was accepted."""

    def __post_init__(self) -> None:
        if len(self.ways) > 1:
            raise ValueError(f"write one of {', '.join(self.ways)}, not several")
        if self.offset and not self.binary:
            raise ValueError("offset goes with binary")
        if self.expect and not self.write:
            raise ValueError("expect goes with write")

    @property
    def ways(self) -> list[str]:
        """How the value is found, as far as it is said."""
        said = {
            "nmea": self.nmea,
            "csv": self.csv,
            "regex": self.regex,
            "json": self.json is not None,
            "binary": self.binary,
        }
        return [name for name, value in said.items() if value]
