"""What a slave says instead of an answer (Modbus Application Protocol 1.1b3, 7)."""

from __future__ import annotations

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge, still working on it",
    6: "device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target does not respond",
}


class SlaveException(Exception):
    """The slave answered with an exception code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"{EXCEPTIONS.get(code, 'unknown exception')} (exception {code})")
