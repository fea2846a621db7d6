"""What an edge says is declared in its own folder, on its way to the registry.

It says first which objects there are, and then each of them. Until all have come, a report of a device that nobody
knows may be of one that is still on its way.
"""

from __future__ import annotations

import asyncio
from hashlib import blake2b

from cloud_sync.declared import key_of
from cloud_sync.node_link import NodeLink
from cloud_sync.registry import Registry
from cloud_sync.twin_log import TwinLog
from link import contents
from link.message import BadFrame, Message, content_json
from link.resources import DECLARED, Kind, parse

__all__ = ["EdgeDeclarations"]

_KINDS = {Kind.DEVICE: "Device", Kind.MODEL: "DeviceModel"}


class EdgeDeclarations:
    """Of one hub connection."""

    def __init__(self, link: NodeLink, registry: Registry, log: TwinLog, limit: int, complete: asyncio.Event) -> None:
        """`complete` is set when everything the edge declares is in the registry, or was refused."""
        self._link, self._registry, self._log = link, registry, log
        self._limit, self._complete = limit, complete
        complete.clear()
        self._listed: frozenset[str] | None = None
        self._missing: set[str] = set()
        self._too_many = False

    async def take(self, message: Message) -> None:
        """One message of source `twinhub`. What is refused is counted and logged, and becomes a condition."""
        try:
            if message.route.resource == DECLARED:
                await self._list(contents.declared(message))
            else:
                await self._declare(message)
        except BadFrame as fault:
            self._link.refuse(message.route.resource, str(fault))
        if not self._missing and self._listed is not None:
            self._complete.set()

    async def _list(self, keys: list[str]) -> None:
        self._too_many = len(keys) > self._limit
        if self._too_many:  # said once; waiting for them would hold up all its reports
            self._listed = frozenset()
            raise BadFrame(
                f"{len(keys):,} objects are declared at the edge, the most is {self._limit:,}: none is taken"
            )
        node = self._link.node
        before = {one.id for one in self._registry.devices_of(node) if one.origin == node}
        await self._registry.edges.declared(node, keys)
        for device in before - {one.id for one in self._registry.devices_of(node)}:
            await self._log.forget(device)
        self._listed = frozenset(keys)
        self._missing = set(keys)

    async def _declare(self, message: Message) -> None:
        if self._too_many:
            return
        resource = parse(message.route.resource)
        key = f"{_KINDS.get(resource.kind, '')}/{resource.id}"
        if key not in (self._listed or ()):
            raise BadFrame(f"{key} is not in the list of what this edge declares")
        self._missing.discard(key)
        digest = blake2b(content_json(message), digest_size=16).hexdigest()
        if self._registry.edges.declares(self._link.node, key, digest):
            return
        manifest = contents.manifest(message)
        if (named := key_of(manifest)) != key:
            raise BadFrame(f"{key} is announced, and {named} is sent")
        reason = await self._registry.edges.declare(self._link.node, manifest, digest)
        if reason:
            self._link.refuse(key, reason)
