"""The command line's MQTT client: asks a running hub and follows what it says. Blocking, on paho-mqtt.

There is no thread: whoever waits drives paho's loop, so a slow reader slows the broker down instead of filling
a queue. MQTT 3.1.1, which every broker speaks. What comes from the network is decoded into typed structures;
what does not fit is skipped.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
from paho.mqtt.client import Client, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from eventbus import topics
from twin.documents import MemberDevice, MembershipGetResult, MsgTwin, TwinValue
from twinhub.errors import CommandError

__all__ = ["Message", "TwinClient", "decode"]

T = TypeVar("T")

LONGEST_QUEUE = 50_000
"""Messages kept while an answer is awaited; beyond, the oldest go."""

_UNKNOWN = ("Not authorized", "Bad user name or password")


class Message(NamedTuple):
    """One received message."""

    topic: str
    payload: bytes


class _Answer(msgspec.Struct):
    event_id: str = ""


class _Result(_Answer):
    """A twin get or update result, or the error in its place."""

    twin: dict[str, MsgTwin | None] | None = None
    code: int = 0
    reason: str = ""


class TwinClient:
    """A connection to the broker at `url`: `mqtt://[USER:PASSWORD@]HOST[:PORT]`, `mqtts://...`, `unix:///PATH`.

    `timeout`: seconds to wait for a connection or for an answer. Every method raises `CommandError` with what to
    do when there is none.
    """

    def __init__(self, url: str, *, ca_file: str | None = None, timeout: float = 5.0) -> None:
        self._address = urlsplit(url)
        self._timeout = timeout
        self._received: deque[Message] = deque(maxlen=LONGEST_QUEUE)
        self._acknowledged: set[int] = set()
        self._refused: str | None = None
        self._client = self._make_client(ca_file)

    def __enter__(self) -> Self:
        address = self._address
        host = address.path if address.scheme == "unix" else address.hostname or "127.0.0.1"
        port = address.port or (8883 if address.scheme == "mqtts" else 1883)
        try:
            self._client.connect(host, port, keepalive=30)
        except (OSError, ValueError) as error:
            raise CommandError(
                f"no broker at {self._shown} ({error}); start a hub with `twinhub run DIR`,"
                " or name its broker with --broker mqtt://HOST:PORT"
            ) from None
        self._until(self._client.is_connected, f"the broker at {self._shown} did not answer")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()

    def devices(self) -> list[MemberDevice]:
        """The devices the hub knows, by id."""
        answer = f"{topics.NODE}+/{topics.MEMBERSHIP_GET_RESULT}"  # from the hub's own node, whatever its name
        payload = self._ask(topics.of_node("any", topics.MEMBERSHIP_GET), answer)
        members = decode(payload, MembershipGetResult, MembershipGetResult("", 0, []))
        return sorted(members.devices, key=lambda device: device.id)

    def twin(self, device: str) -> dict[str, MsgTwin]:
        """The twin of `device` (`<namespace>/<name>`), property by property."""
        payload = self._ask(
            topics.of_device(device, topics.TWIN_GET), topics.of_device(device, topics.TWIN_GET_RESULT)
        )
        return {name: twin for name, twin in self._result(device, payload).items() if twin is not None}

    def wish(self, device: str, wishes: dict[str, str]) -> None:
        """Set desired values; returns when the hub has them safe."""
        update = {"twin": {name: MsgTwin(expected=TwinValue(value=text)) for name, text in wishes.items()}}
        topic = topics.of_device(device, topics.TWIN_DESIRED)
        payload = self._ask(topic, topics.of_device(device, topics.TWIN_RESULT), update)
        self._result(device, payload)

    def subscribe(self, filters: Sequence[str]) -> None:
        """Follow topics (QoS 1); their messages come out of `messages`."""
        code, number = self._client.subscribe([(name, 1) for name in filters])
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or number is None:
            raise CommandError(f"the connection to the broker at {self._shown} was lost")
        self._until(lambda: number in self._acknowledged, f"the broker at {self._shown} did not answer")

    def messages(self, seconds: float | None = None) -> Iterator[Message]:
        """What arrives, for `seconds` or for ever."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            while self._received:
                yield self._received.popleft()
            left = 1.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return
            self._turn(min(left, 1.0))

    def _ask(self, topic: str, answer: str, body: dict[str, Any] | None = None) -> bytes:
        """Publish a request and return the reply that carries its event_id."""
        event_id = str(uuid.uuid4())
        request = {"event_id": event_id, "timestamp": time.time_ns() // 1_000_000, **(body or {})}
        self.subscribe([answer])
        self._client.publish(topic, msgspec.json.encode(request), qos=1)
        aside: deque[Message] = deque(maxlen=LONGEST_QUEUE)
        for message in self.messages(self._timeout):
            ours = topic_matches_sub(answer, message.topic)
            if ours and decode(message.payload, _Answer, _Answer()).event_id == event_id:
                self._received.extendleft(reversed(aside))
                return message.payload
            aside.append(message)
        unless = f", or {self._address.username} may not ask that" if self._address.username else ""
        raise CommandError(
            f"no hub answers at {self._shown}: the broker is there, `twinhub run` seems not to be{unless}"
        )

    def _result(self, device: str, payload: bytes) -> dict[str, MsgTwin | None]:
        result = decode(payload, _Result, _Result(code=500, reason="the answer was not understood"))
        if result.code == 404:
            raise CommandError(f"the hub knows no device {device}; `twinhub get` lists those it knows")
        if result.code:
            raise CommandError(f"{device}: refused ({result.code}): {result.reason}")
        return result.twin or {}

    def _until(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + self._timeout
        while not condition():
            if time.monotonic() > deadline:
                raise CommandError(otherwise)
            self._turn(0.1)

    def _turn(self, seconds: float) -> None:
        """Drive the connection: wait at most so long for something to arrive."""
        code = self._client.loop(seconds)
        if self._refused:
            raise CommandError(f"the broker at {self._shown} refuses us: {self._refused}")
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise CommandError(f"the connection to the broker at {self._shown} was lost")

    def _make_client(self, ca_file: str | None) -> Client:
        address = self._address
        client = Client(CallbackAPIVersion.VERSION2, transport="unix" if address.scheme == "unix" else "tcp")
        client.connect_timeout = self._timeout
        if address.username:
            client.username_pw_set(unquote(address.username), unquote(address.password or "") or None)
        if address.scheme == "mqtts":
            client.tls_set(ca_certs=ca_file)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    @property
    def _shown(self) -> str:
        """The address without what is secret in it."""
        address = self._address
        return f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            named = self._address.username
            advice = "check the user name and the password" if named else "name a user: mqtt://USER:PASSWORD@HOST"
            self._refused = f"{code}; {advice}" if code in _UNKNOWN else str(code)

    def _on_subscribe(self, _client: Client, _data: Any, number: int, codes: list[Any], _properties: Any) -> None:
        self._acknowledged.add(number)
        if any(code.is_failure for code in codes):
            self._refused = "a subscription is not allowed"

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._received.append(Message(message.topic, bytes(message.payload)))


def decode(payload: bytes, form: type[T], otherwise: T) -> T:
    """The payload as `form`, or `otherwise` when it is something else."""
    try:
        return msgspec.json.decode(payload, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return otherwise
