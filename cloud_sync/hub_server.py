"""The cloud end of the link: takes connections, decides who may stay, and hands each to its session."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from typing import Self

from cloud_sync.node_link import LinkState
from cloud_sync.node_logs import NodeLogs
from cloud_sync.registry import Registry
from cloud_sync.settings import HubSettings
from cloud_sync.twin_log import TwinLog

__all__ = ["HubServer"]


class HubServer:
    """Serves edges while it is entered with `async with`."""

    def __init__(
        self,
        *,
        registry: Registry,
        log: TwinLog,
        context: ssl.SSLContext,
        host: str | Sequence[str] | None = None,
        port: int = 10_000,
        settings: HubSettings | None = None,
        logs: NodeLogs | None = None,
    ) -> None:
        """`context` demands a certificate of our authority; `port` 0 = any free one, see `port`. `logs`: where the
        edges' log lines go."""
        self.port = port
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(self, *exc: object) -> None:
        raise NotImplementedError

    def links(self) -> list[LinkState]:
        """The connections there are."""
        raise NotImplementedError

    def wished(self, devices: Iterable[str]) -> None:
        """Desired values of these devices were set: bring them to their edges now. (Those set by another process
        are found within seconds.)"""
        raise NotImplementedError

    def disconnect(self, node: str, reason: str = "disconnected by the operator") -> int:
        """End the node's connections at once; returns how many there were."""
        raise NotImplementedError

    @property
    def refused_handshakes(self) -> int:
        """Connections that were not admitted since the start."""
        raise NotImplementedError
