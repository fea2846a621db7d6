"""What a command says when it cannot do what was asked."""

from __future__ import annotations

__all__ = ["CommandError"]


class CommandError(Exception):
    """The user's request failed; the message is one helpful line (or several, one per problem)."""
