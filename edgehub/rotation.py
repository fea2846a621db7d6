"""Renewing this edge's certificate in time, for as long as it runs."""

from __future__ import annotations

from collections.abc import Callable

from edgehub.identity import Identity

__all__ = ["keep_renewed"]


async def keep_renewed(identity: Identity, renewed: Callable[[], None]) -> None:
    """Renew the certificate when it is time, and try until it succeeds: five attempts from 2 s apart, doubling, then
    one every 32 s. After each new certificate `renewed` is called, so that the links can be made anew."""
    raise NotImplementedError
