"""The names under which a cloud is reached: what it is called, and what stands in its certificate."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

__all__ = ["advertised", "certificate_hosts"]

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ELSEWHERE = ("192.0.2.1", 9)
"""An address of nobody (RFC 5737): which of ours would be used to reach others? Nothing is sent."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")


def advertised(hosts: Iterable[str]) -> str:
    """What to write after `--cloud`: the first of the hosts that were given, else this machine's address."""
    return next(iter(hosts), None) or _own_address() or "localhost"


def certificate_hosts(hosts: Iterable[str]) -> list[str]:
    """The hosts that were given, this machine's name and address, and the loopback's."""
    ours = [host for host in (socket.gethostname(), _own_address()) if is_host(host)]
    return list(dict.fromkeys([*hosts, *ours, *_LOOPBACK]))


def is_host(text: str) -> bool:
    """Whether this is a host name or an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return len(text) <= 253 and bool(_NAME.fullmatch(text))
    return True


def _own_address() -> str:
    """The address by which this machine reaches others; empty where it reaches nobody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return ""
        return str(probe.getsockname()[0])
