"""UUIDs as Bluetooth writes them: 16 bits for what the SIG assigned, 128 bits for the rest. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

BASE = "-0000-1000-8000-00805f9b34fb"
"""What a 16-bit or 32-bit UUID stands before (Bluetooth Core Specification, Vol 3 Part B 2.5.1)."""


@lru_cache(maxsize=1024)
def full_uuid(text: str) -> str:
    """Any spelling (`2A6E`, `0x2a6e`, 32 digits with or without hyphens) as 36 small characters. ValueError when it
    is none."""
    bare = re.sub(r"^0x|[-{}]", "", text.strip().lower())
    if not re.fullmatch(r"[0-9a-f]{4}|[0-9a-f]{8}|[0-9a-f]{32}", bare):
        raise ValueError(f"{text!r} is no UUID: write 4 hexadecimal digits such as 2A6E, or all 32")
    if len(bare) < 32:
        return bare.rjust(8, "0") + BASE
    return "-".join((bare[:8], bare[8:12], bare[12:16], bare[16:20], bare[20:]))


def short_uuid(full: str) -> str:
    """As people write it: `2A6E` for an assigned one, the full form for others."""
    return full[4:8].upper() if full.startswith("0000") and full.endswith(BASE) else full
