"""The cable between edge and cloud: a TCP proxy that can be cut, hang, slow down, or lose its connections.

    python cable.py --listen 11000 --to 127.0.0.1:10000

It reads one word a line and obeys, until its input ends:

    cut            every connection ends, new ones are refused
    stall          connections stay open and are accepted, but nothing passes: what a dead router looks like
    restore        undoes cut and stall
    throttle BITS  so many bits a second each way, shared fairly by all connections; `throttle off` undoes it
    kill           every connection ends, new ones are welcome
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Self

CHUNK, SMALL_CHUNK = 65536, 1460  # bytes: as quick as can be; as on a wire, so that nobody waits long for a turn
QUEUE = 65536  # bytes that the system may hold for us of each connection, as a router would
CATCH_UP = 0.05  # s of unused capacity that are not lost, because sleep is never exact


class Direction:
    """One way through the cable: a chunk of each connection in turn, at the rate of the whole."""

    def __init__(self) -> None:
        self.bits_per_second: float | None = None
        self._turn = asyncio.Lock()  # first come, first served: who had a turn goes to the end of the queue
        self._free_at = 0.0

    @property
    def chunk(self) -> int:
        """Bytes to carry in one turn."""
        return CHUNK if self.bits_per_second is None else SMALL_CHUNK

    async def carry(self, size: int) -> None:
        """Take the time that so many bytes take."""
        async with self._turn:
            if self.bits_per_second is None:
                return
            now = asyncio.get_running_loop().time()
            self._free_at = max(now - CATCH_UP, self._free_at) + size * 8 / self.bits_per_second
            await asyncio.sleep(self._free_at - now)


class Cable:
    """`async with Cable(("127.0.0.1", 10000)) as cable`: connect to `cable.port` of 127.0.0.1 instead."""

    def __init__(self, target: tuple[str, int], port: int = 0) -> None:
        """`port`: where to listen; 0 = any that is free, and then the same until the end."""
        self.port = port
        self._target = target
        self._whole = asyncio.Event()
        self._up, self._down = Direction(), Direction()
        self._connections: set[asyncio.Task[None]] = set()
        self._tasks = asyncio.TaskGroup()
        self._listener: socket.socket | None = None

    async def __aenter__(self) -> Self:
        """Raises OSError when the port is in use."""
        self.restore()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.cut()
        await self._tasks.__aexit__(None, None, None)

    def cut(self) -> None:
        """Every connection ends, new ones are refused."""
        self._refuse()
        self.kill_connections()

    def stall(self) -> None:
        """Connections stay open and are accepted, but nothing passes, not even their end."""
        self._listen()
        self._whole.clear()

    def restore(self) -> None:
        """Undo `cut` and `stall`; what waited in a stalled connection goes on."""
        self._listen()
        self._whole.set()

    def throttle(self, bits_per_second: float | None) -> None:
        """The capacity each way, shared by all connections; None = no bound."""
        for direction in (self._up, self._down):
            direction.bits_per_second = bits_per_second

    def kill_connections(self) -> None:
        """Every connection ends."""
        for connection in self._connections:
            connection.cancel()

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    # ---- connections

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)
            self._listener.setblocking(False)
            self.port = self._listener.getsockname()[1]
            asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    def _refuse(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionError):
            near, address = listener.accept()
            connection = self._tasks.create_task(self._connect(near), name=f"cable from port {address[1]}")
            self._connections.add(connection)
            connection.add_done_callback(self._connections.discard)
            connection.add_done_callback(lambda _: near.close())  # it may have been killed before it began

    async def _connect(self, near: socket.socket) -> None:
        """One connection, from its first byte to its last. It never raises: a broken connection is our trade."""
        near_reader, near_writer = await asyncio.open_connection(sock=near, limit=QUEUE)
        far_writer = None
        try:
            await self._whole.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=QUEUE)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(near_reader, far_writer, self._up))
                pumps.create_task(self._pump(far_reader, near_writer, self._down))
        except* OSError:
            pass
        finally:
            for writer in (near_writer, far_writer):
                if writer:
                    writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        """Carry one way until that way ends."""
        while True:
            data = await reader.read(way.chunk)
            await way.carry(len(data))
            await self._whole.wait()
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.write_eof()


# ---- the command line


def obey(cable: Cable, line: str) -> str:
    """Do what a line says; returns what there is to say about it."""
    match line.split():
        case ["cut"]:
            cable.cut()
        case ["stall"]:
            cable.stall()
        case ["restore"]:
            cable.restore()
        case ["kill"]:
            cable.kill_connections()
        case ["throttle", "off"]:
            cable.throttle(None)
        case ["throttle", bits] if bits.isascii() and bits.isdigit() and int(bits):
            cable.throttle(int(bits))
        case _:
            return f"{line.strip()!r} is no order: cut, stall, restore, throttle BITS, throttle off, kill"
    return f"done: {line.strip()}"


def address(text: str) -> tuple[str, int]:
    """`HOST:PORT`."""
    host, _, port = text.rpartition(":")
    return host, int(port)


async def serve(listen: int, target: tuple[str, int]) -> None:
    """Obey the lines of the input until it ends."""
    orders = asyncio.Queue[str]()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in itertools.chain(sys.stdin, [""]):
            loop.call_soon_threadsafe(orders.put_nowait, line)

    async with Cable(target, listen) as cable:
        print(f"cable: from 127.0.0.1:{cable.port} to {target[0]}:{target[1]}", flush=True)
        threading.Thread(target=read, name="orders", daemon=True).start()  # a file cannot be waited for otherwise
        while line := await orders.get():
            print(f"cable: {obey(cable, line)}", flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", type=int, default=0, metavar="PORT", help="port of 127.0.0.1 (default: any)")
    parser.add_argument("--to", type=address, required=True, metavar="HOST:PORT", help="where the cable leads")
    options = parser.parse_args()
    task = asyncio.create_task(serve(options.listen, options.to), name="cable")
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return
    except OSError as error:
        sys.exit(f"cable: cannot listen on port {options.listen}: {error.strerror}; choose another with --listen")


if __name__ == "__main__":
    asyncio.run(main())
