"""What the cloud sent can never be used: it is told, and acknowledged all the same, or it would come for ever."""

from __future__ import annotations

__all__ = ["BadContent"]


class BadContent(ValueError):
    """The text names the thing and what is wrong with it."""
