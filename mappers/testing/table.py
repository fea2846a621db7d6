"""The page of protocols, made from the mappers and their rigs: `python -m mappers.testing.table` prints it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from mappers.mapper import Mapper
from mappers.protocols import PROTOCOLS, Protocol
from mappers.testing.conformance import Conformance
from mappers.testing.rig import Rig, Stand

YES, NO, PASSES, SKIPPED = "yes", "no", "passes", "skipped"
INTRODUCTION = """\
# Protocols

<!-- made by `python -m mappers.testing.table`; a test compares -->

What each mapper can, and which checks of the [conformance kit](../conformance.md) it passes. Nothing here is typed by
hand: abilities are those of the mapper's class and of its simulated device, and the checks are run for each of them
with every change of the code.
"""


class Subject(NamedTuple):
    """A mapper with all names of its protocol, and its simulated device."""

    names: tuple[str, ...]
    protocol: Protocol
    rig: Rig

    @property
    def mapper(self) -> type[Mapper[Any, Any]]:
        """The class."""
        return self.protocol.mapper

    def does(self, method: str) -> bool:
        """Whether the class has a method of its own."""
        return getattr(self.mapper, method) is not getattr(Mapper, method)

    def has(self, module: str) -> bool:
        """Whether a module lies beside the mapper."""
        return find_spec(f"{self.protocol.package}.{module}") is not None

    def tells_time(self) -> bool:
        """Whether its simulated device gives the times at which it spoke."""
        module = vars(self.protocol.part("rig")).values()
        stands = [each for each in module if isinstance(each, type) and issubclass(each, Stand)]
        return any(stand.source_times is not Stand.source_times for stand in stands)


ABILITIES: Mapping[str, Callable[[Subject], bool]] = {
    "reads": lambda subject: subject.does("read"),
    "hears what devices say by themselves": lambda subject: subject.does("listen"),
    "writes": lambda subject: subject.does("write"),
    "carries the device's own time": Subject.tells_time,
    "carries the device's own doubt": lambda subject: subject.rig.doubts,
    "discovers": lambda subject: subject.has("discover"),
    "brings a simulator": lambda subject: subject.has("simulator"),
}
CHECKS = {
    name: (getattr(Conformance, name).__doc__ or "").strip() for name in vars(Conformance) if name.startswith("test_")
}
"""The checks of the kit, with what each says of a mapper."""


def subjects(protocols: Iterable[Protocol]) -> list[Subject]:
    """Those that bring a rig."""
    return [
        Subject(protocol.names, protocol, protocol.part("rig").RIG)
        for protocol in protocols
        if find_spec(f"{protocol.package}.rig") is not None
    ]


def built_in() -> list[Protocol]:
    """The protocols that come with this package."""
    ours = Mapper.__module__.partition(".")[0] + "."
    return sorted((p for p in set(PROTOCOLS.values()) if p.path.startswith(ours)), key=lambda protocol: protocol.name)


def page(found: Sequence[Subject]) -> str:
    """The whole page, as Markdown."""
    heads = [f"[{', '.join(subject.names)}]({subject.names[0]}.md)" for subject in found]
    abilities = [[what, *(YES if can(subject) else NO for subject in found)] for what, can in ABILITIES.items()]
    reasons: list[str] = []
    checks = [
        [f"`{name.removeprefix('test_')}`", *(_outcome(subject.rig, name, reasons) for subject in found)]
        for name in CHECKS
    ]
    notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    meanings = [f"- `{name.removeprefix('test_')}`: {' '.join(text.split())}" for name, text in CHECKS.items()]
    parts = [INTRODUCTION, _table(["ability", *heads], abilities), _table(["check", *heads], checks)]
    if notes:
        parts.append("These checks make no sense for a protocol, because\n\n" + "\n".join(notes) + "\n")
    parts.append("What the checks say of a mapper:\n\n" + "\n".join(meanings) + "\n")
    return "\n".join(parts)


def _outcome(rig: Rig, check: str, reasons: list[str]) -> str:
    reason = rig.cannot.get(check)
    if reason is None:
        return PASSES
    if reason not in reasons:
        reasons.append(reason)
    return f"{SKIPPED} ({reasons.index(reason) + 1})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page(subjects(built_in())))
