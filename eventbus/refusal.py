"""What it means when a broker refuses a session, and what the user can do about it."""

from __future__ import annotations

from eventbus.endpoint import Endpoint
from eventbus.transport import BusError, Session

REFUSED = 0x80
"""MQTT reason codes from here on are failures."""
UNSUPPORTED_PROTOCOL = 0x84
_PASSING = {0x88, 0x89, 0x97, 0x9F}
"""Server unavailable, server busy, quota exceeded, connection rate exceeded: may be over at the next attempt."""
_ADVICE = {
    0x85: "choose another client id",
    0x86: "check the user name and the password",
    0x87: "check the user name and the password, and what the broker lets that user do",
    0x8A: "this client is banned; ask whoever runs the broker",
}


class ProtocolRefusedError(BusError):
    """The broker speaks another version of MQTT."""


def refusal(endpoint: Endpoint, session: Session, code: int, name: str) -> OSError | BusError:
    """The error for a CONNACK with reason `code` (as of MQTT 5) and its `name`: OSError when it may pass."""
    text = f"MQTT broker {endpoint} refuses the session {session.client_id!r}: {name}"
    if code in _PASSING:
        return ConnectionError(text)
    if code == UNSUPPORTED_PROTOCOL:
        return ProtocolRefusedError(f"{text}; choose another transport")
    return BusError(f"{text}; {_ADVICE.get(code, 'its log may say why')}")
