"""How many files and connections this process may have open."""

from __future__ import annotations

import logging
import resource

__all__ = ["allow_open_files"]

logger = logging.getLogger("twinhub")


def allow_open_files(wanted: int, needed: int) -> int:
    """Let this process have `wanted` open, or as many as its user may have; most systems begin with 1,024. Returns
    the limit there is now, and warns where it is below `needed`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= wanted:
        return wanted if soft == unlimited else soft
    most = wanted if hard == unlimited else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < needed:
        logger.warning(
            "only %d connections and files may be open, for all nodes %d are needed: raise the limit (ulimit -n, or "
            "LimitNOFILE of its service), or lower nodeLimit", most, needed,
        )  # fmt: skip
    return most
