"""How the processes of an edge present themselves to the broker."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from eventbus.hub_side import HubSide
from eventbus.transport import Session
from twinhub.own_user import derived
from twinhub.settings import Settings

__all__ = ["BusSessions"]

EXPIRY = 7 * 24 * 3600
"""Seconds a broker keeps what is sent while the hub is away."""


@dataclass(frozen=True)
class BusSessions:
    """The sessions that the settings of `folder` ask for, with the broker at `url`."""

    settings: Settings
    folder: Path
    url: str

    @property
    def secret_url(self) -> str:
        """`url` with the user and password of the private broker's own, where it has users."""
        broker = self.settings.broker
        if broker.url is not None or not broker.users or not broker.password:
            return self.url
        return self.url.replace("://", f"://{broker.username}:{broker.password.read(self.folder)}@")

    @property
    def node(self) -> str:
        """The name of this edge."""
        return self.settings.node or socket.gethostname()

    def hub(self) -> Session:
        """A session that outlives the hub: what is sent while it is away waits for it."""
        return self._session(f"twinhub-{self.node}", expiry=EXPIRY, subscriptions=HubSide.filters(self.node))

    def mapper(self, protocol: str) -> Session:
        """A mapper repeats by itself what was not answered, so its session need not outlive it."""
        return self._session(f"twinhub-{self.node}-{protocol}")

    def _session(self, client_id: str, *, expiry: int = 0, subscriptions: tuple[str, ...] = ()) -> Session:
        broker = self.settings.broker
        return Session(
            self.url,
            f"{client_id}{self._mark}",
            username=broker.username,
            password=broker.password.read(self.folder) if broker.password else None,
            ca_file=self._path(broker.ca_file),
            cert_file=self._path(broker.cert_file),
            key_file=self._path(broker.key_file),
            expiry=expiry,
            subscriptions=subscriptions,
        )

    @property
    def _mark(self) -> str:
        """Whoever connects under a session's name takes the session over, so where others are let in ours cannot be
        guessed."""
        broker = self.settings.broker
        own = broker.url is None and broker.users and broker.password
        return f"-{derived(own.read(self.folder), 'sessions')[:16]}" if own else ""

    def _path(self, name: str | None) -> str | None:
        return str(self.folder / name) if name else None
