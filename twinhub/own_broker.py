"""The private broker of an edge, as its settings want it: where it listens, and whom it lets in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import msgspec

from edged.node_status import address_of
from eventbus.broker import PrivateBroker
from eventbus.broker_users import BrokerUser
from eventbus.listener import Listener
from eventbus.rights import EVERYTHING, access
from eventbus.transport import BusError
from twinhub.errors import CommandError
from twinhub.own_user import OWN_USER, own_password
from twinhub.pod_broker import PodBroker
from twinhub.settings import FILE, BrokerSettings, Secret

__all__ = ["OwnBroker", "as_ourselves"]

logger = logging.getLogger("twinhub")

LOCAL = "127.0.0.1"


def as_ourselves(broker: BrokerSettings, state: Path) -> BrokerSettings:
    """With our own name and password, where the private broker of these settings asks for them."""
    if broker.url is not None or not broker.users:
        return broker
    return msgspec.structs.replace(broker, username=OWN_USER, password=Secret(file=str(own_password(state))))


class OwnBroker:
    """It runs as long as the `async with`; `url` is where we reach it, `pods` what pods do."""

    def __init__(self, settings: BrokerSettings, folder: Path, state: Path) -> None:
        """`settings`: as ourselves. CommandError when a password or a file is not there."""
        self._settings = settings
        self._users = _users(settings, folder)
        outside = _outside(settings, folder)
        self._broker = PrivateBroker(
            state / "broker", port=settings.port, kind=settings.kind, outside=outside, users=self._users
        )
        self.url = self._broker.url
        own = self._users[0].password if self._users else ""
        self.pods = PodBroker(_address(settings), own, self._let_in if self._users else None)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """BusError when it cannot run, with what helps."""
        settings = self._settings
        if settings.listen and not settings.tls and not ip_address(settings.listen).is_loopback:
            logger.warning("%s: broker.listen without broker.tls: passwords and values pass in clear", FILE)
        try:
            await self._stack.enter_async_context(self._broker)
        except BusError as error:
            raise BusError(f"{error}{await _way_out(settings.port, self.url)}") from None
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def _let_in(self, pods: Sequence[BrokerUser]) -> None:
        self._broker.admit([*self._users, *pods])


def _users(settings: BrokerSettings, folder: Path) -> list[BrokerUser]:
    """Ourselves first, then those of the settings; none where they name none."""
    if not settings.users or not settings.password:
        return []
    own = BrokerUser(OWN_USER, settings.password.read(folder), EVERYTHING)
    named = (
        BrokerUser(one.name, _password(one.password, one.name, folder), access(one.read, one.steer, one.report))
        for one in settings.users
    )
    return [own, *named]


def _password(secret: Secret, user: str, folder: Path) -> str:
    if password := secret.read(folder):
        return password
    raise CommandError(f"{FILE}: the password of {user} is empty; give it one")


def _outside(settings: BrokerSettings, folder: Path) -> Listener | None:
    if settings.listen is None:
        return None
    if settings.tls is None:
        return Listener(settings.listen, settings.port)
    files = [folder.absolute() / name for name in (settings.tls.cert_file, settings.tls.key_file)]
    for file in files:
        if not file.is_file():
            raise CommandError(f"{FILE}: broker.tls: there is no file {file}")
    return Listener(settings.listen, settings.tls.port, *files)


def _address(settings: BrokerSettings) -> str:
    """Where pods of this node reach the broker."""
    host, tls = settings.listen or LOCAL, settings.tls
    if ip_address(host).is_unspecified:
        host = address_of() or LOCAL
    shown = f"[{host}]" if ":" in host else host
    return f"mqtts://{shown}:{tls.port}" if tls else f"mqtt://{shown}:{settings.port}"


async def _way_out(port: int, url: str) -> str:
    """What helps when somebody else listens on the port of the private broker."""
    try:
        _, writer = await asyncio.open_connection(LOCAL, port)
    except OSError:
        return ""
    writer.close()
    return f". With --broker {url} it is used, if it is a broker; `broker: {{port: 18830}}` in {FILE} is another port"
