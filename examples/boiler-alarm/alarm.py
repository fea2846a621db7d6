"""An edge application: it raises an alarm while the boiler's flow is too hot. It needs Python and a broker, no more.

It runs as the pod of `alarm.yaml`, which is bound to the boiler, so it is told where the boiler's twin is. It reads
that twin, keeps the twin of the device `alarm` (`active`, `reason`), and obeys what is desired of its `limit`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

BOILER = os.environ.get("TWINHUB_DEVICE_TOPIC", "$hw/events/device/default/boiler")
ALARM = f"$hw/events/device/{os.environ.get('ALARM', 'default/alarm')}"
BROKER = os.environ.get("TWINHUB_BROKER", "mqtt://127.0.0.1:1883")
RETRY = 1.0  # s


class Bus:
    """The least MQTT 3.1.1 client: QoS 0, a session that ends with its connection."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), 10)
        self._socket.settimeout(None)
        self._stream = self._socket.makefile("rb")
        self._send(0x10, _text("MQTT") + bytes((4, 2, 0, 0)) + _text(f"alarm-{os.getpid()}-{time.time_ns()}"))

    def close(self) -> None:
        self._socket.close()

    def subscribe(self, *topics: str) -> None:
        self._send(0x82, b"\x00\x01" + b"".join(_text(topic) + b"\x00" for topic in topics))

    def publish(self, topic: str, document: object) -> None:
        self._send(0x30, _text(topic) + json.dumps(document).encode())

    def messages(self) -> Iterator[tuple[str, bytes]]:
        """Topic and payload; ConnectionError when the connection ends."""
        while True:
            first, body = self._packet()
            if first >> 4 == 3:
                end = 2 + int.from_bytes(body[:2], "big")
                yield body[2:end].decode(), body[end:]

    def _packet(self) -> tuple[int, bytes]:
        first, length, shift = self._bytes(1)[0], 0, 0
        while True:
            byte = self._bytes(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return first, self._bytes(length)

    def _bytes(self, count: int) -> bytes:
        found = self._stream.read(count)
        if len(found) < count:
            raise ConnectionError("the broker has closed the connection")
        return found

    def _send(self, first: int, body: bytes) -> None:
        length, head = len(body), bytearray((first,))
        while length > 0x7F:
            head.append(length & 0x7F | 0x80)
            length >>= 7
        self._socket.sendall(bytes((*head, length)) + body)


def _text(text: str) -> bytes:
    return len(text.encode()).to_bytes(2, "big") + text.encode()


class Alarm:
    """What is known, and what follows from it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._flow: float | None = None
        self._limit: float | None = None
        self._active: bool | None = None

    def hear(self, topic: str, payload: bytes) -> None:
        """Something was said of one of the two twins."""
        twin = _properties(payload)
        if topic.startswith(BOILER):
            self._flow = _number(twin, "flow-temperature", "actual", self._flow)
        else:
            self._obey(_number(twin, "limit", "expected", self._limit))
        self._judge()

    def _obey(self, limit: float | None) -> None:
        if limit is not None and limit != self._limit:
            self._limit = limit
            self._report({"limit": f"{limit:g}"})

    def _judge(self) -> None:
        if self._flow is None or self._limit is None:
            return
        active = self._flow > self._limit
        if active != self._active:
            self._active = active
            reason = f"the flow was {self._flow:.1f} °C, above {self._limit:g} °C" if active else ""
            self._report({"active": str(active).lower(), "reason": reason})
            print(reason or f"the flow is at {self._flow:.1f} °C, not above {self._limit:g} °C", flush=True)

    def _report(self, values: Mapping[str, str]) -> None:
        reported = {name: {"actual": {"value": value}} for name, value in values.items()}
        _publish(self._bus, f"{ALARM}/twin/update", {"twin": reported})


def _properties(payload: bytes) -> Mapping[str, Mapping[str, object]]:
    """Of a document, or of the answer to `twin/get`."""
    twin = json.loads(payload).get("twin") or {}
    return {name: one.get("current", one) for name, one in twin.items() if one}


def _number(twin: Mapping[str, Mapping[str, object]], name: str, side: str, before: float | None) -> float | None:
    found = twin.get(name, {}).get(side)
    return float(str(found["value"])) if isinstance(found, dict) and found.get("value") else before


def _publish(bus: Bus, topic: str, body: Mapping[str, object]) -> None:
    bus.publish(topic, {"event_id": str(time.time_ns()), "timestamp": time.time_ns() // 1_000_000, **body})


def watch(bus: Bus) -> None:
    """Until the connection ends."""
    for twin in (BOILER, ALARM):
        bus.subscribe(f"{twin}/twin/update/document", f"{twin}/twin/get/result")
        _publish(bus, f"{twin}/twin/get", {})
    _publish(bus, f"{ALARM}/state/update", {"state": "online"})
    alarm = Alarm(bus)
    for topic, payload in bus.messages():
        alarm.hear(topic, payload)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    address = urlsplit(BROKER)
    while True:
        try:
            bus = Bus(address.hostname or "127.0.0.1", address.port or 1883)
            try:
                watch(bus)
            finally:
                bus.close()
        except OSError as error:
            print(f"{BROKER}: {error}; again in {RETRY:g} s", flush=True)
            time.sleep(RETRY)


if __name__ == "__main__":
    main()
