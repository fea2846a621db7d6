"""The bytes of a line, in and out, without ever blocking: a port of this machine, or a serial server over TCP."""

from __future__ import annotations

import asyncio
import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

import serial

from mappers.mapper import LinkLost
from mappers.serial.config import SerialConfig
from mappers.serial.ports import device_file

Received = Callable[[bytes], None]
CHUNK = 1024
"""Bytes read at once: then it is the turn of others, however much a line says."""
MOST_UNSENT = 65536
"""Bytes that wait for a line that takes nothing."""
_PARITIES = {"none": "N", "even": "E", "odd": "O", "mark": "M", "space": "S"}
_REASONS = {
    errno.ENOENT: "it is not there: is it plugged in?",
    errno.ENXIO: "it is not there: is it plugged in?",
    errno.ENODEV: "it is not there: is it plugged in?",
    errno.EACCES: "permission denied: the user must be in the group of the port, often dialout",
    errno.EBUSY: "another program has it",
    errno.EAGAIN: "another program has it",
}


class Wire(ABC):
    """Open one with `open_wire`. What comes is handed to `received` until `lost` is done."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the line is of no use any more."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send, or queue. LinkLost when the line is gone or takes nothing."""

    @abstractmethod
    def close(self) -> None:
        """Close; any number of times."""

    def _lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    def _check(self, unsent: int) -> None:
        if self.lost.done():
            raise LinkLost(self.lost.result())
        if unsent > MOST_UNSENT:
            raise LinkLost("the line takes nothing: flow control, or a stuck adapter")


class PortWire(Wire):
    """A device file."""

    def __init__(self, file: int, received: Received) -> None:
        super().__init__(received)
        self._file = file
        self._open = True
        self._unsent = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._file, self._read)

    def send(self, data: bytes) -> None:
        self._check(len(self._unsent) + len(data))
        waiting = bool(self._unsent)
        self._unsent += data
        if not waiting:
            self._write()

    def close(self) -> None:
        if self._open:
            self._silence()
            os.close(self._file)
            self._open = False
        self._lose("closed")

    def _read(self) -> None:
        try:
            data = os.read(self._file, CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(f"the port is gone ({(error.strerror or str(error)).lower()})")
            return
        if data:
            self._received(data)
        else:
            self._end("the port is gone")

    def _write(self) -> None:
        try:
            sent = os.write(self._file, self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._end(f"the port is gone ({(error.strerror or str(error)).lower()})")
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(self._file, self._write)
        else:
            self._loop.remove_writer(self._file)

    def _end(self, reason: str) -> None:
        self._silence()
        self._lose(reason)

    def _silence(self) -> None:
        self._loop.remove_reader(self._file)
        self._loop.remove_writer(self._file)


class TcpWire(Wire, asyncio.BufferedProtocol):
    """A connection to a serial server."""

    _transport: asyncio.Transport | None = None

    def __init__(self, received: Received) -> None:
        super().__init__(received)
        self._space = memoryview(bytearray(CHUNK))

    def send(self, data: bytes) -> None:
        assert self._transport is not None
        self._check(self._transport.get_write_buffer_size() + len(data))
        self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._lose("closed")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._space

    def buffer_updated(self, count: int) -> None:
        self._received(bytes(self._space[:count]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(str(exc) if exc else "the serial server closed the connection")


async def open_wire(config: SerialConfig, received: Received) -> Wire:
    """Connect. LinkLost or OSError when that is not possible now."""
    if config.host and config.port:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: TcpWire(received), config.host, config.port)
        return wire
    return PortWire(_open_port(config, device_file(config.serial_port)), received)


def _open_port(config: SerialConfig, path: str) -> int:
    """The file descriptor of the port, locked and set up; never blocks."""
    try:
        port = serial.Serial(
            path,
            config.baud_rate,
            config.data_bits,
            _PARITIES[config.parity],
            config.stop_bits,
            timeout=0,
            rtscts=config.flow_control == "hardware",
            xonxoff=config.flow_control == "software",
            exclusive=True,
        )
    except OSError as error:
        raise LinkLost(_REASONS.get(error.errno or 0, str(error))) from error
    except ValueError as error:
        raise LinkLost(f"the port cannot do that: {error}") from error
    with port:  # it holds four more descriptors, for reads that block
        return os.dup(port.fileno())
