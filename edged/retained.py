"""The statuses of pods and node as retained messages, for whoever wants all of it in one: Kubernetes' own forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from edged.node_status import NodeStatus
from edged.status import PodStatus
from eventbus import topics

__all__ = ["Publish", "Retained"]

encode = msgspec.json.Encoder().encode


class Publish(Protocol):
    """As `Transport.publish`."""

    def __call__(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool: ...


class Retained:
    """What stands on the broker now; a broker that was restarted knows nothing, so `repeat` when it is back."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._said: dict[str, bytes] = {}

    def pod(self, pod_id: str, status: PodStatus | None) -> None:
        """A pod is like this; None: it is gone."""
        topic = topics.pod_status(pod_id)
        if status is None:
            self._said.pop(topic, None)
            self._publish(topic, b"", retain=True)
        else:
            self._say(topic, encode(status))

    def node(self, status: NodeStatus) -> None:
        """The node is like this."""
        self._say(topics.node_status(), encode(status))

    def repeat(self) -> None:
        """Say all of it again."""
        for topic, payload in self._said.items():
            self._publish(topic, payload, retain=True)

    def _say(self, topic: str, payload: bytes) -> None:
        if self._said.get(topic) != payload:
            self._said[topic] = payload
            self._publish(topic, payload, retain=True)


def repeating(retained: Retained, on_up: Callable[[bool], None]) -> Callable[[bool], None]:
    """`on_up`, and then all of it again."""

    def heard(session_present: bool) -> None:
        on_up(session_present)
        retained.repeat()

    return heard
