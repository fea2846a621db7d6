"""Which MQTT library a session gets."""

from __future__ import annotations

from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.transport import Session, Transport


def transport(session: Session) -> Transport:
    """A transport for `session`, to be entered with `async with`; BusError when its address cannot be used."""
    return Mqtt5Transport(session)
