"""Bytes to frames and back: where a message on a line begins and ends. No I/O.

Every framer gives the same frames however the bytes are cut into pieces, never raises, keeps a bounded rest, and
finds the next frame after noise. What does not close with its checksum is no frame.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import partial

from mappers.serial.checksum import Checksum, xor_of
from mappers.serial.config import Delimiter, Fixed, Framing, Length, Line, Nmea, SerialConfig, Slip, Stx

LONGEST = 16384
"""Bytes of a frame whose own configuration does not say less."""


class Framer(ABC):
    """`feed` it what came; it keeps what is not complete yet."""

    shows_beginnings = True
    """The end of a frame whose beginning nobody heard is no frame."""

    def __init__(self) -> None:
        self._rest = b""

    def reset(self) -> None:
        """Forget the rest: what comes next begins anew."""
        self._rest = b""

    @abstractmethod
    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete now, without their envelope."""

    @abstractmethod
    def wrap(self, payload: bytes) -> bytes:
        """The payload in its envelope, ready to be sent. ValueError when it cannot be in one."""


class Ended(Framer):
    """Frames that end with a mark; empty ones do not count."""

    def __init__(self, end: bytes, checksum: Checksum) -> None:
        super().__init__()
        self.shows_beginnings = checksum.size > 0
        self._end = end
        self._checksum = checksum
        self._skipping = False
        """The frame under way is too long already."""

    def reset(self) -> None:
        super().reset()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        *pieces, self._rest = self._pieces(self._rest + data)
        if pieces and self._skipping:
            del pieces[0]
            self._skipping = False
        if len(self._rest) >= LONGEST + len(self._end) or self._skipping:
            self._rest = self._rest[-len(self._end) :]  # half of a mark may be in there
            self._skipping = True
        opened = (self._open(piece) for piece in pieces if 0 < len(piece) <= LONGEST)
        return [frame for frame in opened if frame is not None]

    def wrap(self, payload: bytes) -> bytes:
        self._refuse(payload, self._end)
        return payload + self._checksum.of(payload) + self._end

    def _pieces(self, data: bytes) -> list[bytes]:
        return data.split(self._end)

    def _open(self, piece: bytes) -> bytes | None:
        size = self._checksum.size
        if not size:
            return piece
        payload, written = piece[:-size], piece[-size:]
        return payload if payload and self._checksum.fits(payload, written) else None

    @staticmethod
    def _refuse(payload: bytes, mark: bytes) -> None:
        if mark in payload:
            raise ValueError(f"a message must not contain {mark!r}, which ends it")


class Lines(Ended):
    """Lines that end with CR, LF or both, whichever comes; `end` is what is sent."""

    def wrap(self, payload: bytes) -> bytes:
        self._refuse(payload, b"\r")
        self._refuse(payload, b"\n")
        return super().wrap(payload)

    def _pieces(self, data: bytes) -> list[bytes]:
        return data.replace(b"\r", b"\n").split(b"\n")


class Sentences(Lines):
    """NMEA 0183: `$` or `!`, the sentence, `*` and its exclusive or in hexadecimal. The frame is the sentence."""

    def __init__(self, *, checked: bool) -> None:
        super().__init__(b"\r\n", Checksum())
        self.shows_beginnings = True
        self._checked = checked

    def wrap(self, payload: bytes) -> bytes:
        self._refuse(payload, b"*")
        return super().wrap(b"$%b*%02X" % (payload, xor_of(payload)))

    def _open(self, piece: bytes) -> bytes | None:
        start = max(piece.rfind(b"$"), piece.rfind(b"!"))
        if start < 0:
            return None
        sentence, star, written = piece[start + 1 :].partition(b"*")
        if not star:
            return None if self._checked else sentence or None
        return sentence if sentence and written.strip().upper() == b"%02X" % xor_of(sentence) else None


class SlipFrames(Ended):
    """RFC 1055."""

    END, ESC, ESC_END, ESC_ESC = b"\xc0", b"\xdb", b"\xdb\xdc", b"\xdb\xdd"
    _WRONG = re.compile(rb"\xdb(?![\xdc\xdd])")

    def __init__(self, checksum: Checksum) -> None:
        super().__init__(self.END, checksum)

    def wrap(self, payload: bytes) -> bytes:
        closed = payload + self._checksum.of(payload)
        return self.END + closed.replace(self.ESC, self.ESC_ESC).replace(self.END, self.ESC_END) + self.END

    def _open(self, piece: bytes) -> bytes | None:
        if self._WRONG.search(piece):
            return None
        return super()._open(piece.replace(self.ESC_END, self.END).replace(self.ESC_ESC, self.ESC))


class Scanned(Framer):
    """Frames that are looked for from every byte on: one that is not closed properly costs its first byte."""

    def __init__(self, sync: bytes, checksum: Checksum, *, all_covered: bool) -> None:
        super().__init__()
        self._sync = sync
        self._checksum = checksum
        self._covered = 0 if all_covered else len(sync)
        """Where what the checksum covers begins."""

    def feed(self, data: bytes) -> list[bytes]:
        buffer, at, frames = self._rest + data, 0, []
        while True:
            at = self._start(buffer, at)
            end = self._end(buffer, at)
            if end is None or end > len(buffer):
                break
            frame = self._open(buffer[at:end])
            if frame is None:
                at += 1
            else:
                frames.append(frame)
                at = end
        self._rest = buffer[at:]
        return frames

    def _start(self, buffer: bytes, at: int) -> int:
        """The next place where a frame may begin."""
        found = buffer.find(self._sync, at)
        return found if found >= 0 else max(at, len(buffer) - len(self._sync) + 1)

    @abstractmethod
    def _end(self, buffer: bytes, at: int) -> int | None:
        """Where the frame that begins there ends; None: not known yet; `at`: none begins there."""

    def _open(self, whole: bytes) -> bytes | None:
        size = self._checksum.size
        body = whole[: len(whole) - size]
        if not whole or not self._checksum.fits(body[self._covered :], whole[len(body) :]):
            return None
        return self._inside(body)

    @abstractmethod
    def _inside(self, body: bytes) -> bytes | None:
        """What the frame carries; None when it is none after all."""

    def _close(self, body: bytes) -> bytes:
        return body + self._checksum.of(body[self._covered :])


class FixedFrames(Scanned):
    """Sync bytes, and so many more."""

    def __init__(self, form: Fixed, checksum: Checksum, *, all_covered: bool) -> None:
        super().__init__(bytes.fromhex(form.sync), checksum, all_covered=all_covered)
        self._size = form.size

    def wrap(self, payload: bytes) -> bytes:
        if len(payload) != self._size:
            raise ValueError(f"a message must have {self._size} bytes, not {len(payload)}")
        return self._close(self._sync + payload)

    def _end(self, buffer: bytes, at: int) -> int | None:  # noqa: ARG002 - it is known beforehand
        return at + len(self._sync) + self._size + self._checksum.size

    def _inside(self, body: bytes) -> bytes:
        return body[len(self._sync) :]


class LengthFrames(Scanned):
    """Sync bytes, a header, the length, the payload. The frame is header and payload."""

    def __init__(self, form: Length, checksum: Checksum, *, all_covered: bool) -> None:
        super().__init__(bytes.fromhex(form.sync), checksum, all_covered=all_covered)
        self._form = form
        self._at = len(self._sync) + form.header
        """Where the length stands."""
        before = self._at + form.size
        self._more = {"payload": before + checksum.size, "rest": before, "frame": 0}[form.counts]
        """What the length does not count."""
        self._least = before + checksum.size

    def wrap(self, payload: bytes) -> bytes:
        header, rest = payload[: self._form.header], payload[self._form.header :]
        length = self._least + len(rest) - self._more
        try:
            written = length.to_bytes(self._form.size, self._form.order)
        except OverflowError:
            raise ValueError(f"a message of {len(payload)} bytes is too long for its length field") from None
        return self._close(self._sync + header + written + rest)

    def _end(self, buffer: bytes, at: int) -> int | None:
        field = buffer[at + self._at : at + self._at + self._form.size]
        if len(field) < self._form.size:
            return None
        whole = int.from_bytes(field, self._form.order) + self._more
        return at + whole if self._least <= whole <= self._form.longest else at

    def _inside(self, body: bytes) -> bytes:
        return body[len(self._sync) : self._at] + body[self._at + self._form.size :]


class StxFrames(Scanned):
    """STX, text, ETX and a checksum that covers the text and ETX. Neither mark can be in the text."""

    STX, ETX = b"\x02", b"\x03"
    _MARK = re.compile(rb"[\x02\x03]")

    def __init__(self, checksum: Checksum, *, all_covered: bool) -> None:
        super().__init__(self.STX, checksum, all_covered=all_covered)

    def wrap(self, payload: bytes) -> bytes:
        if self._MARK.search(payload):
            raise ValueError("a message between STX and ETX must contain neither")
        return self._close(self.STX + payload + self.ETX)

    def _end(self, buffer: bytes, at: int) -> int | None:
        mark = self._MARK.search(buffer, at + 1, at + LONGEST)
        if mark is None:
            return at if len(buffer) >= at + LONGEST else None
        return mark.end() + self._checksum.size if mark[0] == self.ETX else at

    def _inside(self, body: bytes) -> bytes | None:
        return body[1:-1] or None


def framer_of(config: SerialConfig) -> Framer:
    """The framer of a line."""
    form: Framing = config.framing
    checksum = config.closing
    scanned = partial(_scanned, checksum=checksum, all_covered=config.checksum.covers == "frame")
    match form:
        case Line():
            return Lines(form.end.encode("latin-1"), checksum)
        case Delimiter():
            return Ended(form.end.encode("latin-1"), checksum)
        case Nmea():
            return Sentences(checked=not form.lenient)
        case Slip():
            return SlipFrames(checksum)
        case _:
            return scanned(form)


def _scanned(form: Fixed | Length | Stx, checksum: Checksum, *, all_covered: bool) -> Scanned:
    if isinstance(form, Fixed):
        return FixedFrames(form, checksum, all_covered=all_covered)
    if isinstance(form, Length):
        return LengthFrames(form, checksum, all_covered=all_covered)
    return StxFrames(checksum, all_covered=all_covered)
