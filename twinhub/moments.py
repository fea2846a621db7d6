"""Moments as people write them on a command line."""

from __future__ import annotations

import argparse
import re
import time
from datetime import datetime

__all__ = ["moment"]

_AGO = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(s|min|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def moment(text: str) -> int:
    """`90s`, `15min`, `2h`, `3d` ago; or a date and time, local unless it says otherwise. In Unix milliseconds."""
    if match := _AGO.fullmatch(text):
        return max(0, int((time.time() - float(match[1]) * _SECONDS[match[2]]) * 1000))
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: write 90s, 15min, 2h or 3d for so long ago, or 2026-03-01T14:00"
        ) from None
