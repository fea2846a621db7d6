"""Objects for a cloud, many at once, but no more than a request takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

__all__ = ["BYTES", "OBJECTS", "parts"]

OBJECTS = 100
"""Of one part."""
BYTES = 8 * 1024 * 1024
"""Of one part as JSON, unless a single object has more."""


def parts(objects: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """All of them in their order, as many at once as a request takes."""
    part, size = list[dict[str, Any]](), 0
    for one in objects:
        bytes_ = len(msgspec.json.encode(one))
        if part and (len(part) == OBJECTS or size + bytes_ > BYTES):
            yield part
            part, size = [], 0
        part.append(one)
        size += bytes_
    if part:
        yield part
