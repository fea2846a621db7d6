"""Instruments that are asked by lines of text over TCP: `temperature?` is answered by `temperature=21.5`."""

import asyncio
from collections.abc import Sequence

from mappers.mapper import Batch, Failure, LinkLost, Mapper, Point, Raw, Refused, Value

from .config import AcmeConfig, AcmeVisitor


class AcmeMapper(Mapper[AcmeConfig, AcmeVisitor]):
    """The connection to one instrument."""

    Config = AcmeConfig
    Visitor = AcmeVisitor
    writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(self.config.host, self.config.port)

    async def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

    async def read(self, batch: Batch[AcmeConfig, AcmeVisitor]) -> Sequence[Raw]:
        return [_number(await self._ask(point.visitor.name, "?")) for point in batch.points]

    async def write(self, point: Point[AcmeConfig, AcmeVisitor], value: Value) -> None:
        answer = await self._ask(point.visitor.name, f"={float(value)}")
        if answer != "ok":
            raise Refused(f"the instrument says {answer}")

    @classmethod
    def link_of(cls, config: AcmeConfig) -> str:
        return f"{config.host}:{config.port}"

    async def _ask(self, name: str, request: str) -> str:
        """What the instrument says of that name. Anything else is noise: then only a new connection helps."""
        assert self.writer is not None
        self.writer.write(f"{name}{request}\n".encode())
        try:
            line = await self.reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise LinkLost("the instrument says endless nonsense") from None
        called, _, answer = line.decode("ascii", "replace").strip().partition("=")
        if called != name:
            raise LinkLost(f"{name}{request} was answered by {line[:40]!r}")
        return answer


def _number(answer: str) -> Value | Failure:
    try:
        return float(answer)
    except ValueError:
        return Failure(f"the instrument says {answer}")
