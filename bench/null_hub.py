"""A hub that does nothing: the ceiling that broker and client set for any hub.

    python -m bench.null_hub --broker 127.0.0.1:1883

It answers each twin update at once with its own content, as result and as document at QoS 1, decodes nothing, checks
nothing, stores nothing; and it remembers the last update of each device for `twin/get`.
"""

from __future__ import annotations

import argparse
import asyncio
import re

import uvloop

from bench.mqtt_client import Client

_EVENT = re.compile(rb'"event_id"\s*:\s*"([^"]*)"')


class NullHub:
    """`on_message` of the client that it is given."""

    def __init__(self) -> None:
        self.client: Client
        self._last: dict[bytes, bytes] = {}

    def on_message(self, topic: bytes, payload: bytes) -> None:
        device, _, request = topic.rpartition(b"/twin/")
        if request == b"update":
            self._last[device] = payload
            self.client.publish(topic + b"/result", payload, 1)
            self.client.publish(topic + b"/document", payload, 1)
        elif match := _EVENT.search(payload):
            twin = self._last.get(device, b'"twin":{}}').partition(b'"twin":')[2]
            body = b'{"event_id":"%s","timestamp":0,"twin":%s' % (match[1], twin)
            self.client.publish(topic + b"/result", body, 1)


async def run(host: str, port: int) -> None:
    hub = NullHub()
    async with await Client.connect(host, port, "bench-null-hub", hub.on_message) as client:
        hub.client = client
        await client.subscribe([f"$hw/events/device/+/+/twin/{request}" for request in ("update", "get")], 1)
        await client.lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", default="127.0.0.1:1883", metavar="HOST:PORT")
    host, port = parser.parse_args().broker.rsplit(":", 1)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(host, int(port)))


if __name__ == "__main__":
    main()
