"""The hub's side of the bus: requests in, answers out, each answer only after what it says is durable (P1).

A message is acknowledged to the broker after the commit and after its answers, so whatever was sent while the
hub was away or dying is delivered again, and `Replay` tells apart what was handled already.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from eventbus import topics
from eventbus.broker_config import MAX_PACKET_SIZE
from eventbus.repeats import Repeats
from eventbus.topics import Address, Request
from eventbus.transport import Message, Transport
from twin import requests
from twin.documents import (
    ErrorResult,
    MembershipGetResult,
    MembershipUpdate,
    MsgTwin,
    StateResult,
    TwinDelta,
    TwinDocument,
    TwinUpdate,
    TwinValue,
)
from twin.journal import Durable, Journal
from twin.keeper import Keeper, Membership
from twin.refused import BadRequest, Refused

logger = logging.getLogger("eventbus")

encode = msgspec.json.Encoder().encode
STORAGE_REASON = "the update could not be stored: "
TOO_LARGE = "the twins of this device have {} bytes, a message at most {}: follow twin/update/document instead"
REMEMBERED_TOPICS = 50_000
LARGEST_ANSWER = MAX_PACKET_SIZE - 16
"""Bytes of topic and payload; the rest is for the packet's own fields."""

_RESULT = {
    Request.TWIN_UPDATE: topics.TWIN_RESULT,
    Request.TWIN_DESIRED: topics.TWIN_RESULT,
    Request.TWIN_CLOUD_UPDATED: topics.TWIN_RESULT,
    Request.TWIN_GET: topics.TWIN_GET_RESULT,
    Request.STATE_UPDATE: topics.STATE_RESULT,
    Request.MEMBERSHIP_GET: topics.MEMBERSHIP_GET_RESULT,
}


class _Answer(NamedTuple):
    topic: str
    payload: bytes


class _Held:
    """The answers to one delivery of messages, until they may leave."""

    __slots__ = ("answers", "done", "receipts", "stored")

    def __init__(self, done: Durable | None = None) -> None:
        self.done = done
        self.answers: list[_Answer] = []
        self.receipts: list[int] = []
        self.stored: list[tuple[Address, str]] = []
        """The accepted updates (address, event_id): they are answered with 500 when the disk fails."""

    def add(self, topic: str, payload: bytes) -> None:
        self.answers.append(_Answer(topic, payload))


def _fits(topic: str, payload: bytes) -> bool:
    return len(topic.encode()) + len(payload) < LARGEST_ANSWER


class HubSide:
    """Answers every request on the bus from the keeper. Set it up before the transport is entered."""

    def __init__(
        self,
        transport: Transport,
        keeper: Keeper,
        journal: Journal,
        node: str,
        *,
        answer_on_empty_id: bool = False,
    ) -> None:
        """`answer_on_empty_id`: unreadable updates are answered on the empty device id as well, as KubeEdge does."""
        self._transport = transport
        self._keeper = keeper
        self._journal = journal
        self._node = node
        self._empty_id = answer_on_empty_id
        self._addresses: dict[str, Address] = {}
        self._waiting = 0
        self._dropping = False
        self._told_of_retained = False
        self._repeats = Repeats(journal)
        self._marker_topic = topics.marker(node)
        self._handlers: dict[Request, Callable[[Address, Message, _Held], None]] = {
            Request.TWIN_UPDATE: self._update,
            Request.TWIN_DESIRED: self._desired,
            Request.TWIN_CLOUD_UPDATED: self._cloud_update,
            Request.TWIN_GET: self._get,
            Request.STATE_UPDATE: self._state,
            Request.MEMBERSHIP_GET: self._membership,
        }
        transport.on_messages = self._on_messages
        transport.on_up = self._on_up

    @staticmethod
    def filters(node: str) -> tuple[str, ...]:
        """What the transport's session has to subscribe to."""
        return (*topics.REQUEST_FILTERS, topics.marker(node))

    def announce(self, membership: Membership) -> None:
        """Tell the node's apps which devices came and which left, once that is durable."""
        held = _Held()
        topic = topics.of_node(self._node, topics.MEMBERSHIP_UPDATED)
        for device in membership.added:
            held.add(topic, encode(MembershipUpdate(_new_id(), self._keeper.now(), [device], None)))
        for device in membership.removed:
            held.add(topic, encode(MembershipUpdate(_new_id(), self._keeper.now(), None, [device])))
        self._release_when_durable(held)

    def wish(self, device_id: str, values: Mapping[str, str]) -> str | None:
        """Set desired values as an app would; the reason when that is refused."""
        held = _Held()
        update = {name: MsgTwin(expected=TwinValue(text)) for name, text in values.items()}
        address = Address(Request.TWIN_UPDATE, device_id, topics.of_device(device_id, ""))
        try:
            self._apply(address, TwinUpdate(_new_id()), update, held)
        except Refused as refusal:
            return refusal.reason
        self._release_when_durable(held)
        return None

    def serves(self, device_id: str) -> bool:
        """Whether this device is a member."""
        return self._keeper.device(device_id) is not None

    def cloud_update(self, device_id: str, twin: Mapping[str, MsgTwin | None], done: Durable) -> None:
        """Apply desired values that were decided in the cloud, and tell the bus; `done` is called back once that is
        durable, or with the storage error.

        Where a wish cannot be (its type, its limits, a property that is read only) what is wished here stands, and
        the cloud is told. Raises `Refused` (404) when the device is no member: nothing is changed then.
        """
        address = Address(Request.TWIN_CLOUD_UPDATED, device_id, topics.of_device(device_id, ""))
        if not self.serves(device_id):
            raise Refused(404, f"{device_id} is no device of this node")
        held = _Held(done)
        try:
            self._apply_from_cloud(address, _new_id(), twin, held)
        except Refused:
            for name, wish in twin.items():
                self._apply_or_insist(address, name, wish, held)
        self._release_when_durable(held)

    def _apply_or_insist(self, address: Address, name: str, wish: MsgTwin | None, held: _Held) -> None:
        try:
            self._apply_from_cloud(address, _new_id(), {name: wish}, held)
        except Refused as refusal:
            logger.warning("%s: what the cloud wishes cannot be: %s", address.subject, refusal.reason)
            held.stored.append((address, ""))
            self._keeper.insist(address.subject, [name])

    # ---- messages

    def _on_up(self, session_present: bool) -> None:
        if marker := self._repeats.on_up(session_present):
            self._transport.publish(self._marker_topic, marker)

    def _on_messages(self, messages: Sequence[Message]) -> None:
        self._repeats.on_messages()
        held = _Held()
        for message in messages:
            if message.receipt:
                held.receipts.append(message.receipt)
            self._handle(message, held)
        self._release_when_durable(held)

    def _handle(self, message: Message, held: _Held) -> None:
        address = self._address(message.topic)
        if address is None:
            if message.topic == self._marker_topic:
                self._repeats.on_marker(message.payload)
            return
        if message.retained:
            self._tell_of_retained(message.topic)
            return
        try:
            self._handlers[address.request](address, message, held)
        except Refused as refusal:
            self._refuse(address, refusal, held)

    def _tell_of_retained(self, topic: str) -> None:
        """It was handled when it was published, and comes again with every subscription: as old as it may be, it
        would go over newer values."""
        if not self._told_of_retained:
            self._told_of_retained = True
            logger.warning("%.200s: the broker's retained copy is passed over, as all are; publish unretained", topic)

    def _address(self, topic: str) -> Address | None:
        """The topics of members repeat: taking one apart is worth remembering. Others may be of any number and
        length, and are not remembered."""
        address = self._addresses.get(topic)
        if address is None:
            address = topics.parse(topic)
            if address and self._keeper.device(address.subject):
                if len(self._addresses) >= REMEMBERED_TOPICS:
                    self._addresses.clear()
                self._addresses[topic] = address
        return address

    def _refuse(self, address: Address, refusal: Refused, held: _Held) -> None:
        end, now = _RESULT[address.request], self._keeper.now()
        error = ErrorResult(refusal.event_id, now, refusal.code, refusal.reason)
        held.add(address.prefix + end, encode(error))
        if self._empty_id and isinstance(refusal, BadRequest) and end == topics.TWIN_RESULT:
            held.add(topics.of_device("", end), encode(ErrorResult("", now, refusal.code, refusal.reason)))

    # ---- leaving

    def _release_when_durable(self, held: _Held) -> None:
        """Send the answers once they are true. Until then the bus is not read: what comes in meanwhile waits in
        the socket and is then handled, and committed, in one go; nothing can pile up in here."""
        durable = False

        def release(error: Exception | None) -> None:
            nonlocal durable
            durable = True
            if error:
                self._fail(held, error)
            left = [self._transport.publish(answer.topic, answer.payload) for answer in held.answers]
            self._tell_of_drops(left)
            self._transport.acknowledge(held.receipts)
            self._waiting -= 1
            if not self._waiting:
                self._transport.resume()
            if held.done:
                held.done(error)

        self._waiting += 1
        self._journal.when_durable(release)
        if not durable:
            self._transport.pause()

    def _tell_of_drops(self, left: Sequence[bool]) -> None:
        """QoS 1 requests are acknowledged behind their answers, so they cannot come faster than those leave; a
        flood of QoS 0 requests can."""
        if not all(left) and not self._dropping:
            self._dropping = True
            logger.warning("requests come faster than the broker takes the answers: some answers are dropped")
        elif self._dropping and left and all(left):
            self._dropping = False
            logger.info("answers leave again; %d were dropped since the start", self._transport.statistics().dropped)

    def _fail(self, held: _Held, error: Exception) -> None:
        """The disk refused, as the journal's log says: nothing of it is true, and whose update it was is told."""
        held.answers.clear()
        self._keeper.restore({address.subject for address, _ in held.stored})
        for address, event_id in held.stored:
            self._refuse(address, Refused(500, f"{STORAGE_REASON}{error}", event_id), held)

    # ---- the requests

    def _update(self, address: Address, message: Message, held: _Held) -> None:
        self._change(address, message, *requests.decode_update(message.payload), held)

    def _desired(self, address: Address, message: Message, held: _Held) -> None:
        self._change(address, message, *requests.decode_desired(message.payload), held)

    def _change(
        self, address: Address, message: Message, update: TwinUpdate, twin: Mapping[str, MsgTwin | None], held: _Held
    ) -> None:
        self._repeats.once(
            address,
            message,
            update,
            lambda: self._apply(address, update, twin, held),
            lambda: self._answer_repeat(address, update, twin, held),
        )

    def _answer_repeat(
        self, address: Address, update: TwinUpdate, twin: Mapping[str, MsgTwin | None], held: _Held
    ) -> None:
        """It is done already; its sender may not have heard."""
        shown = self._keeper.get(address.subject)
        if shown is None:
            return
        result = TwinUpdate(update.event_id, self._keeper.now(), {name: shown.get(name) for name in twin})
        held.add(address.prefix + topics.TWIN_RESULT, encode(result))

    def _apply(self, address: Address, update: TwinUpdate, twin: Mapping[str, MsgTwin | None], held: _Held) -> None:
        wished = any(each is not None and each.expected and not each.actual for each in twin.values())
        open_before = wished and self._wishes_are_open(address)
        outcome = self._keeper.update(address.subject, twin)
        held.stored.append((address, update.event_id))
        now, topic = self._keeper.now(), address.prefix + topics.TWIN_RESULT
        result = encode(TwinUpdate(update.event_id, now, outcome.result))
        if not _fits(topic, result):  # it is an acknowledgement first of all
            result = encode(TwinUpdate(update.event_id, now, {}))
        held.add(topic, result)
        if outcome.document:
            document = TwinDocument(update.event_id, now, outcome.document)
            held.add(address.prefix + topics.TWIN_DOCUMENT, encode(document))
        self._add_delta(address, now, held, taken_back=open_before)

    def _wishes_are_open(self, address: Address) -> bool:
        return self.serves(address.subject) and self._keeper.delta(address.subject) is not None

    def _add_delta(self, address: Address, now: int, held: _Held, *, taken_back: bool) -> None:
        """What differs. When a wish was taken back and nothing differs any more, that is told too: its mapper may
        still be trying to fulfil it."""
        delta = self._keeper.delta(address.subject) or (({}, {}) if taken_back else None)
        if delta:
            held.add(address.prefix + topics.TWIN_DELTA, encode(TwinDelta(_new_id(), now, *delta)))

    def _cloud_update(self, address: Address, message: Message, held: _Held) -> None:
        update, twin = requests.decode_update(message.payload, requests.CLOUD_REASON)
        try:
            self._apply_from_cloud(address, update.event_id, twin, held)
        except Refused as refusal:
            refusal.event_id = update.event_id
            raise

    def _apply_from_cloud(
        self, address: Address, event_id: str, twin: Mapping[str, MsgTwin | None], held: _Held
    ) -> None:
        open_before = self._wishes_are_open(address)
        outcome = self._keeper.cloud_update(address.subject, twin)
        held.stored.append((address, event_id))
        now = self._keeper.now()
        if outcome.document:
            held.add(address.prefix + topics.TWIN_DOCUMENT, encode(TwinDocument(event_id, now, outcome.document)))
        self._add_delta(address, now, held, taken_back=open_before)

    def _get(self, address: Address, message: Message, held: _Held) -> None:
        get = requests.decode_get(message.payload)
        shown = self._keeper.get(address.subject)
        if shown is None:
            raise Refused(404, f"Device {address.subject} not found while getting twin", get.event_id)
        topic = address.prefix + topics.TWIN_GET_RESULT
        result = encode(TwinUpdate(get.event_id, self._keeper.now(), dict(shown)))
        if not _fits(topic, result):
            raise Refused(400, TOO_LARGE.format(len(result), MAX_PACKET_SIZE), get.event_id)
        held.add(topic, result)

    def _state(self, address: Address, message: Message, held: _Held) -> None:
        update = requests.decode_state(message.payload)
        self._repeats.once(
            address,
            message,
            update,
            lambda: self._set_state(address, update, held),
            lambda: self._answer_state(address, held),
        )

    def _set_state(self, address: Address, update: requests.StateUpdate, held: _Held) -> None:
        self._keeper.set_state(address.subject, update.state)
        held.stored.append((address, update.event_id))
        self._answer_state(address, held)

    def _answer_state(self, address: Address, held: _Held) -> None:
        said = self._keeper.state(address.subject)
        if said is not None:
            held.add(address.prefix + topics.STATE_RESULT, encode(StateResult(_new_id(), self._keeper.now(), said)))

    def _membership(self, address: Address, message: Message, held: _Held) -> None:
        """Answered in the own node's name, whichever node was asked, as KubeEdge does."""
        own = address._replace(prefix=topics.of_node(self._node, ""))
        try:
            get = requests.decode_get(message.payload, requests.MEMBERSHIP_REASON)
        except BadRequest as fault:
            self._refuse(own, fault, held)
        else:
            members = MembershipGetResult(get.event_id, self._keeper.now(), self._keeper.members())
            held.add(own.prefix + topics.MEMBERSHIP_GET_RESULT, encode(members))


def _new_id() -> str:
    return str(uuid.uuid4())
