"""What the rest of the house asks of an MQTT client, whichever library is behind it.

`async with` is the only way in. Inside, the transport keeps the session connected by itself (full-jitter
reconnect, one log line when the broker goes and one when it is back) and delivers messages in the order the
broker sent them. Everything runs in the event loop that entered it; no method blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self


class Message(NamedTuple):
    """One received PUBLISH."""

    topic: str
    payload: bytes
    receipt: int
    """What to hand to `acknowledge`; 0 for QoS 0, which needs none. Valid for this connection only; a receipt
    of an earlier connection is silently ignored (the broker delivers that message again)."""
    duplicate: bool
    """The DUP flag: the broker delivered it before and saw no acknowledgement."""
    retained: bool = False
    """The broker had it in store and sent it because we subscribed; nobody published it just now."""


@dataclass(frozen=True, slots=True)
class Session:
    """How to connect. `client_id` names the session; with `expiry` > 0 the broker keeps it while we are away."""

    url: str
    """`mqtt://HOST:PORT`, `mqtts://HOST:PORT` or `unix:///path/to/socket`."""
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    keepalive: int = 30
    """Seconds; a connection silent for 1.5 times as long is given up."""
    expiry: int = 0
    """Seconds the broker shall keep the session while we are away; 0 = clean session."""
    receive_maximum: int = 1000
    """QoS 1 messages that may be unacknowledged at a time: what bounds the hub's memory."""
    subscriptions: Sequence[str] = ()
    """Filters, subscribed at QoS 1 on every connect. More can be added with `subscribe`."""


class Statistics(NamedTuple):
    """Depth of the outbound queue, and what it dropped since the start."""

    queued: int
    queued_bytes: int
    dropped: int
    connected: bool


class Transport(Protocol):
    """One MQTT session."""

    on_messages: Callable[[Sequence[Message]], None]
    """Called with every message of one read from the socket, in order. Set before entering."""
    on_up: Callable[[bool], None]
    """Called after each CONNACK and SUBACK with `session_present`, before the first message is delivered."""
    on_down: Callable[[], None]
    """Called when an established connection is lost."""

    async def __aenter__(self) -> Self:
        """Start. Returns when the first connection stands, or raises `BusError` when the broker refuses us for
        good (wrong credentials, wrong protocol, certificate); an absent broker is waited for. What a callback
        raises later cancels the body and comes out of the `async with`."""
        ...

    async def __aexit__(self, *exc: object) -> None:
        """Flush what is queued (bounded: 2 s), say DISCONNECT, close."""
        ...

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Queue a message for the next write. Kept across reconnects when qos is 1, up to the queue's bound;
        False (and counted as dropped) when the bound is reached, when `topic` cannot be one (wildcards, U+0000,
        too long) or, with qos 0, while disconnected."""
        ...

    def acknowledge(self, receipts: Sequence[int]) -> None:
        """Send the PUBACKs of received messages, in the order given. They leave after everything that was
        published before this call: a result is always in the broker's hands before its request is done."""
        ...

    async def subscribe(self, filters: Sequence[str]) -> None:
        """Add filters (QoS 1); kept and repeated on every reconnect. Returns after the SUBACK, or at once while
        disconnected. Raises `BusError` when the broker refuses one."""
        ...

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """Remove filters."""
        ...

    def pause(self) -> None:
        """Stop reading from the socket: back-pressure towards the broker."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def statistics(self) -> Statistics: ...


class BusError(Exception):
    """The broker cannot be used as configured; the message says what to do."""
