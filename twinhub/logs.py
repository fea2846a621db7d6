"""Where the log goes and how a line looks."""

from __future__ import annotations

import logging

__all__ = ["log_to_stderr"]


def log_to_stderr() -> None:
    """One line per event on stderr: when, how grave, which room, what."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    for noisy in ("asyncio", "pymodbus"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
