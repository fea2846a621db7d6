"""The last log lines that each edge sent, kept in memory: a convenience, not a record."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence

from link.contents import LogLine

__all__ = ["NodeLogs"]


class NodeLogs:
    """At most `lines` lines of each of the `nodes` nodes that were heard of last, `characters` of each text."""

    def __init__(self, lines: int = 1_000, nodes: int = 1_000, characters: int = 1_024) -> None:
        self._lines, self._nodes, self._characters = lines, nodes, characters
        self._kept: OrderedDict[str, deque[LogLine]] = OrderedDict()

    def add(self, node: str, lines: Iterable[LogLine]) -> None:
        """Keep these, in the order given, and forget what is too old."""
        kept = self._kept.setdefault(node, deque(maxlen=self._lines))
        kept.extend(self._short(line) for line in lines)
        self._kept.move_to_end(node)
        if len(self._kept) > self._nodes:
            self._kept.popitem(last=False)

    def last(self, node: str, count: int | None = None) -> Sequence[LogLine]:
        """The last `count` lines of a node (None: all that are kept), oldest first."""
        kept = list(self._kept.get(node, ()))
        return kept if count is None else kept[len(kept) - count if count < len(kept) else 0 :]

    def _short(self, line: LogLine) -> LogLine:
        return LogLine(line.time, line.level[:16], line.logger[:128], line.text[: self._characters])
