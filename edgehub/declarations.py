"""What the cloud declares for this edge and wishes of it: taken from the link, kept, and applied."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from device_models import Device, ProtocolSchema
from edgehub.bad_content import BadContent
from edgehub.cloud_devices import CloudDevices
from edgehub.cloud_pods import CloudPods
from edgehub.downlink import Downlink
from edgehub.kept_objects import Object
from edgehub.pending_wishes import PendingWishes
from edgehub.together import together
from eventbus.hub_side import HubSide
from twin.store import Store, StoreError

__all__ = ["Apply", "Declarations"]

logger = logging.getLogger("edgehub")


class Apply(NamedTuple):
    """How the edge takes up what changed; it is served, or on its way, when they return."""

    devices: Callable[[Sequence[Device]], Awaitable[None]]
    """All of the cloud's but those that are declared here as well."""
    pods: Callable[[Sequence[Object]], Awaitable[None]]
    """All Pods, ConfigMaps and Secrets of the cloud, as they came but with apiVersion, kind, name and namespace."""


class Declarations:
    """`recall` first; `run` applies what comes through `downlink`."""

    def __init__(
        self,
        catalogue: Store,
        hub_side: HubSide,
        protocols: Mapping[str, ProtocolSchema],
        apply: Apply,
        tell_again: Callable[[Collection[str]], None],
    ) -> None:
        """`tell_again` is called with the ids of twins of which the cloud is to be told all there is."""
        self._apply = apply
        self._tell_again = tell_again
        self._wishes = PendingWishes(catalogue)
        self.devices = CloudDevices(catalogue, protocols, self._apply_devices)
        self.pods = CloudPods(catalogue, self._apply_pods)
        self.downlink = Downlink(self.devices, self.pods, self._wishes, hub_side)

    @property
    def pending_wishes(self) -> int:
        """Devices not served yet for which the cloud wishes something."""
        return len(self._wishes)

    async def recall(self, local: Mapping[str, Object], served: Iterable[Device]) -> list[Device]:
        """As `CloudDevices.recall`; the wishes too."""
        await self._wishes.recall()
        return await self.devices.recall(local, served)

    async def run(self) -> None:
        """For ever."""
        await self._follow_up(())
        await together(devices=self.devices.apply_changes(), pods=self.pods.apply_changes())

    async def _apply_devices(self, devices: Sequence[Device], sent: Collection[str]) -> None:
        await self._apply.devices(devices)
        await self._follow_up(sent)

    async def _apply_pods(self, objects: Sequence[Object], sent: Collection[str]) -> None:
        await self._apply.pods(objects)
        await self._follow_up(sent)

    async def _follow_up(self, sent: Collection[str]) -> None:
        """Of what our cloud has just sent, it is told all there is: it may have moved away and back, and what did not
        change meanwhile would never be said again."""
        self._tell_again(sent)
        try:
            await self.downlink.carry_out()
        except (StoreError, sqlite3.Error, BadContent) as error:
            logger.error("wishes of the cloud that waited for their devices wait on: %s", error)
