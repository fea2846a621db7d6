"""Which registers to read together: spans of one slave become few blocks. Pure, no I/O.

Two spans share a block when both are in the same table, the block stays below the protocol's and the user's
maximum, the hole between them is no larger than `max_gap`, and no forbidden address would be touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

Table = Literal["coil", "discrete", "input", "holding"]

MOST: dict[Table, int] = {"coil": 2000, "discrete": 2000, "input": 125, "holding": 125}
"""Bits or registers in one read request (Modbus Application Protocol 1.1b3, 6.1 to 6.4)."""

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Span(Generic[K]):
    """What one property occupies."""

    table: Table
    address: int
    count: int
    key: K
    """What the span belongs to; handed through."""

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.count


@dataclass(frozen=True, slots=True)
class Block(Generic[K]):
    """One read request, and the spans it serves, by address."""

    table: Table
    address: int
    count: int
    spans: tuple[Span[K], ...]

    def halves(self) -> tuple[Block[K], ...]:
        """Two blocks with half the spans each, without the hole between them; none for a single span."""
        middle = len(self.spans) // 2
        return (_block(self.spans[:middle]), _block(self.spans[middle:])) if middle else ()


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Addresses that must not be read, both ends included."""

    table: Table
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user knows about a slave."""

    max_gap: int = 8
    """Registers that nobody asked for and that may be read along, in one hole; for bits 16 times as many."""
    max_block: int | None = None
    """Registers in one request, where the slave takes fewer than the protocol; for bits 16 times as many."""
    forbidden: tuple[Forbidden, ...] = field(default=())

    def most(self, table: Table) -> int:
        """The largest block of a table."""
        most = MOST[table]
        return most if self.max_block is None else min(most, self.max_block * _unit(table))

    def gap(self, table: Table) -> int:
        """The largest hole of a table."""
        return self.max_gap * _unit(table)

    def forbids(self, table: Table, address: int, end: int) -> bool:
        """Whether any address of [address, end) is forbidden."""
        return any(f.table == table and f.first < end and address <= f.last for f in self.forbidden)

    def room(self, table: Table, address: int) -> int:
        """How many may be read from an address on: up to the largest block, a forbidden range or the end."""
        ends = [f.first for f in self.forbidden if f.table == table and f.first >= address]
        return min(self.most(table), min([*ends, 65536]) - address)


def plan(spans: Iterable[Span[K]], limits: Limits) -> list[Block[K]]:
    """The fewest blocks a single pass by address gives. Every span is in exactly one block, whole.

    A span that is itself forbidden or larger than the maximum gets a block of its own: refuse it beforehand.
    """
    blocks: list[Block[K]] = []
    run: list[Span[K]] = []
    end = 0
    for span in sorted(spans, key=lambda span: (span.table, span.address, span.end)):
        if run and not _fits(run[0], end, span, limits):
            blocks.append(_block(run))
            run = []
        end = max(end, span.end) if run else span.end
        run.append(span)
    if run:
        blocks.append(_block(run))
    return blocks


def _fits(first: Span[K], end: int, span: Span[K], limits: Limits) -> bool:
    return (
        span.table == first.table
        and max(end, span.end) - first.address <= limits.most(span.table)
        and span.address - end <= limits.gap(span.table)
        and not limits.forbids(span.table, first.address, max(end, span.end))
    )


def _block(spans: Sequence[Span[K]]) -> Block[K]:
    address = spans[0].address
    return Block(spans[0].table, address, max(span.end for span in spans) - address, tuple(spans))


def _unit(table: Table) -> int:
    return 16 if table in ("coil", "discrete") else 1
