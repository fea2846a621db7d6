"""How manifests call a node: a node id (`ns=2;s=Boiler.Level`) or a browse path (`Objects/2:Boiler/2:Level`)."""

from __future__ import annotations

import re

ROOTS = frozenset({"Objects", "Types", "Views"})
"""A path that begins with none of these is one below Objects."""

_NODE_ID = re.compile(
    r"(?:ns=\d{1,5};)?(?:i=\d{1,10}|s=.+|b=[A-Za-z0-9+/=]+|g=[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})",
    re.DOTALL,
)
_NUMBERS = re.compile(r"(?:ns=(\d+);)?(?:i=(\d+))?")
MOST_NAMESPACE, MOST_NAMESPACE_OF_NAME, MOST_IDENTIFIER = 0xFFFF, 0x7FFF, 0xFFFF_FFFF
"""What can be sent; the library takes the namespace of a browse name for signed."""
_LIKE_A_NODE_ID = re.compile(r"\s*(?:ns|nsu|srv)=|[isgb]=", re.IGNORECASE)


def is_path(written: str) -> bool:
    """Whether it is a browse path and not a node id."""
    return _LIKE_A_NODE_ID.match(written) is None


def check(written: str) -> None:
    """ValueError, with what to write, when it is neither a node id nor a browse path."""
    if is_path(written):
        if not steps(written):
            raise ValueError(f"{written!r} is an empty browse path: write names with / between them")
        _within(written, "namespace", max(namespace for namespace, _ in steps(written)), MOST_NAMESPACE_OF_NAME)
        return
    if _NODE_ID.fullmatch(written) is None:
        raise ValueError(f"{written!r} is no node id: write ns=2;s=Boiler.Level, i=2258 or the like")
    numbers = _NUMBERS.match(written)
    assert numbers is not None
    _within(written, "namespace", int(numbers[1] or 0), MOST_NAMESPACE)
    _within(written, "identifier", int(numbers[2] or 0), MOST_IDENTIFIER)


def _within(written: str, what: str, number: int, most: int) -> None:
    if number > most:
        raise ValueError(f"{written!r} has the {what} {number}; there are none above {most}")


def steps(path: str) -> list[tuple[int, str]]:
    """The browse names of a path from the root on, each with its namespace; a name without a number is in 0."""
    names = [name for name in path.split("/") if name]
    if names and names[0].removeprefix("0:") not in ROOTS:
        names.insert(0, "Objects")
    return [_step(name) for name in names]


def _step(written: str) -> tuple[int, str]:
    number, colon, name = written.partition(":")
    return (int(number), name) if colon and number.isdecimal() else (0, written)
