"""What a session delivers a second time is answered again, and applied only once."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from eventbus.replay import Handled, Replay, digest, refused
from eventbus.topics import Address
from eventbus.transport import Message
from twin.documents import TwinUpdate
from twin.journal import Journal
from twin.refused import Refused
from twin.requests import StateUpdate

__all__ = ["REFUSED_BEFORE", "Repeats"]

REFUSED_BEFORE = "this message was refused already when it came first; send it again to hear why"


class Repeats:
    """The hub's memory of what it handled, across its sessions with the broker."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._resumed = False
        self._replay: Replay | None = None
        self._marker = b""

    def on_up(self, session_present: bool) -> bytes | None:
        """A session begins. Returns what to send ourselves: it comes back behind everything the broker had kept for
        us, so what follows it is new. None where nothing can come twice."""
        self._resumed, self._replay = session_present, None
        if not session_present:
            return None
        self._marker = str(uuid.uuid4()).encode()
        return self._marker

    def on_messages(self) -> None:
        """Messages come in."""
        if self._resumed:
            # not before: a commit may have been under way when the connection stood, and failed since
            self._resumed, self._replay = False, Replay(self._journal.handled())

    def on_marker(self, payload: bytes) -> None:
        """What we sent ourselves came back."""
        if payload == self._marker:
            self._replay = None

    def once(
        self,
        address: Address,
        message: Message,
        request: TwinUpdate | StateUpdate,
        apply: Callable[[], None],
        answer_repeat: Callable[[], None],
    ) -> None:
        """Apply a message, or only answer it when the broker delivers it once more."""
        mark = _mark(address, message, request)
        handled = self._replay.find(mark) if mark and self._replay else None
        if handled is Handled.ACCEPTED:
            answer_repeat()
            return
        if handled is Handled.REFUSED:
            raise Refused(400, REFUSED_BEFORE, request.event_id)
        try:
            apply()
        except Refused as refusal:
            refusal.event_id = request.event_id
            if mark:
                self._journal.mark_handled(refused(mark))
            raise
        if mark:
            self._journal.mark_handled(mark)


def _mark(address: Address, message: Message, request: TwinUpdate | StateUpdate) -> bytes:
    """What a message is recognised by; empty when it cannot or need not be. QoS 0 never comes twice, and overtakes
    what comes again. What does not name itself may be meant when it is equal."""
    if not message.receipt or not (request.event_id or request.timestamp):
        return b""
    return digest(address.subject, message.payload)
