"""A link waits for the journal: without it nothing may leave."""

from __future__ import annotations

import sqlite3
from collections.abc import Coroutine
from typing import Any

from edgehub.connection import LinkLost

__all__ = ["stored"]


async def stored(storing: Coroutine[Any, Any, None]) -> None:
    """Raises `LinkLost` when the disk refuses."""
    try:
        await storing
    except sqlite3.Error as error:
        raise LinkLost(f"the journal cannot be written: {error}") from None
