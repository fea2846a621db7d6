"""What pods are told of the broker, and what those that are bound to a device may do there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from device_models import Device
from eventbus.broker_users import BrokerUser
from eventbus.rights import access
from eventbus.transport import BusError
from twinhub.own_user import derived

__all__ = ["PodBroker"]

logger = logging.getLogger("twinhub")


class PodBroker:
    """The broker as pods reach it."""

    def __init__(
        self, url: str, password: str = "", let_in: Callable[[Sequence[BrokerUser]], None] | None = None
    ) -> None:
        """`let_in`: has the broker know these users of pods, and no others; None: it has no users of ours.
        `password`: what theirs are derived from."""
        self._url = url
        self._password = password
        self._let_in = let_in
        self._rights: Mapping[str, str] = {}

    def admit(self, devices: Iterable[Device]) -> None:
        """From now on there are pods that are bound to these devices, and to no others. Such a pod may steer its
        device, and report it where no mapper of ours does."""
        rights = {device.id: "report" if device.protocol == "external" else "steer" for device in devices}
        if self._let_in is None or rights == self._rights:
            return
        users = [BrokerUser(_name(id_), self._secret(id_), access(**{right: [id_]})) for id_, right in rights.items()]
        try:
            self._let_in(users)
            self._rights = rights
        except BusError as error:
            logger.error("pods that are bound to a device are not let in: %s", error)

    def env(self, device_id: str) -> Mapping[str, str]:
        """What a pod that is bound to this device has in its environment; the same after each restart."""
        reached = {"TWINHUB_BROKER": self._url}
        if self._let_in is None:
            return reached
        return reached | {
            "TWINHUB_BROKER_USER": _name(device_id),
            "TWINHUB_BROKER_PASSWORD": self._secret(device_id),
        }

    def _secret(self, device_id: str) -> str:
        return derived(self._password, f"bound to {device_id}")


def _name(device_id: str) -> str:
    """No user in the settings can be called so."""
    return f"pod@{device_id}"
