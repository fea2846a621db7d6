"""How often one address may ask: a token bucket for each, of no more addresses than a stated number."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from link.pace import Pace

__all__ = ["RateLimit"]


class RateLimit:
    """Sans-I/O: times are seconds of any clock that only goes forward."""

    def __init__(self, rate: float = 10.0, burst: float = 60.0, *, addresses: int = 10_000) -> None:
        """`rate` requests a second, `burst` at once after a rest: a site's edges may share an address. Of more than
        `addresses` the one that has not asked for longest is forgotten."""
        self._rate, self._burst, self._limit = rate, burst, addresses
        self._paces: OrderedDict[str, Pace] = OrderedDict()
        self.refused = 0

    def wait(self, address: str, now: float) -> float:
        """0 = the request may be served, and is counted; else the seconds after which to ask again."""
        name = _network(address)
        pace = self._paces.pop(name, None) or Pace(self._rate, self._burst)
        self._paces[name] = pace
        if len(self._paces) > self._limit:
            self._paces.popitem(last=False)
        if not pace.ready(now):
            self.refused += 1
            return pace.delay(now)
        pace.spend(1, now)
        return 0.0

    def __len__(self) -> int:
        return len(self._paces)


def _network(address: str) -> str:
    """The part of an address that one owner cannot change at will: of IPv6 the first 64 bits."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return found.packed[:8].hex()
    return str(found)
