"""What the schema of the settings cannot say of the private broker: who reaches it is who it knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from twinhub.own_user import OWN_USER
from twinhub.settings_file import Finding

__all__ = ["broker_findings"]

_OURS = ("listen", "tls", "users")


def broker_findings(values: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with `broker` of settings that satisfy the schema."""
    broker = values.get("broker", {})
    given = [name for name in _OURS if broker.get(name)]
    if "url" in broker:
        for name in given:
            yield ("broker", name), "a broker by address has its own", "remove it, or remove broker.url"
    elif broker.get("kind") == "nats" and given:
        yield ("broker", "kind"), f"nats-server has no {given[0]}", "write mosquitto"
    else:
        yield from _listening(broker)
        yield from _users(broker.get("users", []))


def _listening(broker: Mapping[str, Any]) -> Iterator[Finding]:
    listen, tls = broker.get("listen"), broker.get("tls")
    if listen and not _is_address(listen):
        yield ("broker", "listen"), f"{listen!r} is no IP address", "write one of this machine, or 0.0.0.0 for all"
    elif listen and not ip_address(listen).is_loopback and not broker.get("users"):
        yield ("broker", "listen"), "others would reach a broker without users", "name broker.users"
    if tls and not listen:
        yield ("broker", "tls"), "it is for those who reach the broker from elsewhere", "name broker.listen"
    if tls and tls.get("port", 8883) == broker.get("port", 1883):
        yield ("broker", "tls"), "its port is that of this machine itself", "write another tls.port"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _users(users: list[Mapping[str, Any]]) -> Iterator[Finding]:
    for n, user in enumerate(users):
        where, name = ("broker", "users", n), user["name"]
        if name == OWN_USER:
            yield where, f"the hub itself is called {name}", "choose another name"
        if any(name == other["name"] for other in users[:n]):
            yield where, f"there is a user {name} already", "choose another name, or make one user of both"
        if not any(user.get(right) for right in ("read", "steer", "report")):
            yield where, f"{name} may do nothing", "name devices under read, steer or report"
