"""An acme instrument without the instrument. It knows `temperature` and `setpoint`."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress


class Simulator:
    """What the instrument holds, and how it answers a line."""

    def __init__(self) -> None:
        self.values = {"temperature": 21.5, "setpoint": 20.0}

    def answer(self, line: str) -> str:
        name, wants, value = line.strip().rstrip("?").partition("=")
        if name not in self.values:
            return f"{name}=unknown"
        if not wants:
            return f"{name}={self.values[name]:g}"
        self.values[name] = float(value)
        return f"{name}=ok"

    @asynccontextmanager
    async def serving(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Listen until the context ends; gives the port, a free one for 0."""
        async with await asyncio.start_server(self._talk, host, port) as server:
            yield server.sockets[0].getsockname()[1]

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):  # it hangs up, or sends what is no number
            async for line in reader:
                writer.write(self.answer(line.decode("ascii", "replace")).encode() + b"\n")
        writer.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="twinhub mapper simulate acme", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5025, help="default: %(default)s")
    options = parser.parse_args(arguments)
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.host, options.port))
    return 0


async def _serve(host: str, port: int) -> None:
    async with Simulator().serving(host, port) as bound:
        print(f"acme instrument on {host}:{bound}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    raise SystemExit(main())
