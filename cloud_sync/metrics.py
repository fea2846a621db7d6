"""The cloud end of the link as Prometheus sees it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from cloud_sync.authority import Authority
from cloud_sync.hub_server import HubServer
from cloud_sync.node_link import COUNTS, LinkState
from cloud_sync.registry import Registry
from cloud_sync.stored import NodeEntry
from link.handshake import Channel

__all__ = ["CloudMetrics"]

_LOOK_SECONDS = 10.0


class _Now(NamedTuple):
    """What is looked at in the loop; the rest is done in the thread that asked."""

    links: Sequence[LinkState]
    totals: Mapping[Channel, Counter[str]]
    refused_handshakes: int
    certificates: Mapping[str, float]
    nodes: Sequence[NodeEntry]
    log: Mapping[str, int]
    ends: Mapping[str, float]


class LogCounts(Protocol):
    """What a log counts."""

    @property
    def taken(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def passed_over(self) -> int: ...
    @property
    def pruned(self) -> int: ...
    @property
    def depth(self) -> int: ...


class CloudMetrics(Collector):
    """Make it in the loop of the server; it may be asked from any thread."""

    def __init__(
        self, registry: Registry, log: LogCounts, server: HubServer, authority: Authority | None = None
    ) -> None:
        self._registry, self._log, self._server, self._authority = registry, log, server, authority
        self._loop = asyncio.get_running_loop()

    def collect(self) -> Iterator[Metric]:
        now = self._look()
        yield from _links(now)
        yield from _totals(now)
        yield _counter("handshakes_refused", "Connections that were not admitted", now.refused_handshakes)
        yield from _nodes(now)
        yield from _log(now.log)
        ends = GaugeMetricFamily(
            "twinhub_cloud_certificate_end_seconds", "When the cloud's own end, Unix time", labels=["certificate"]
        )
        for name, end in now.ends.items():
            ends.add_metric([name], end)
        yield ends

    def _look(self) -> _Now:
        """The server's tables change while its loop runs: they are read there."""
        if _running() is self._loop:
            return self._now()
        return asyncio.run_coroutine_threadsafe(self._now_in_loop(), self._loop).result(_LOOK_SECONDS)

    async def _now_in_loop(self) -> _Now:
        return self._now()

    def _now(self) -> _Now:
        server = self._server
        return _Now(
            server.links(),
            server.totals(),
            server.refused_handshakes,
            server.certificates(),
            self._registry.nodes(),
            {name: getattr(self._log, name) for name in ("taken", "lost", "passed_over", "pruned", "depth")},
            self._authority.ends() if self._authority else {},
        )


def _links(now: _Now) -> Iterator[Metric]:
    labels = ["node", "channel"]
    up = GaugeMetricFamily("twinhub_cloud_link_up", "Connections to this process", labels=labels)
    plain = GaugeMetricFamily("twinhub_cloud_link_plain", "Whether it carries KubeEdge's plain wire", labels=labels)
    queue = GaugeMetricFamily("twinhub_cloud_link_queue", "Messages the edge has not confirmed", labels=labels)
    oldest = GaugeMetricFamily("twinhub_cloud_link_queue_age_seconds", "Age of the oldest of them", labels=labels)
    for link in now.links:
        said = [link.node, link.channel.value]
        up.add_metric(said, 1)
        plain.add_metric(said, link.plain)
        if link.channel is Channel.HUB:
            queue.add_metric(said, link.queue)
            oldest.add_metric(said, link.oldest)
    yield from (up, plain, queue, oldest)


_SAID = {
    "sent": "Messages sent down, repeats included",
    "acked": "Messages down that an edge confirmed",
    "refused": "Messages up not taken, and messages down answered with an error",
    "received": "Messages that came up",
    "resent": "Messages down sent once more for want of a confirmation",
    "requeued": "Messages down that went to the end of the queue, unconfirmed in spite of their repeats",
}


def _totals(now: _Now) -> Iterator[Metric]:
    for name in COUNTS:
        family = CounterMetricFamily(f"twinhub_cloud_{name}", _SAID[name], labels=["channel"])
        for channel, counts in now.totals.items():
            family.add_metric([channel.value], counts[name])
        yield family


def _nodes(now: _Now) -> Iterator[Metric]:
    states = Counter(_state(node) for node in now.nodes)
    nodes = GaugeMetricFamily("twinhub_cloud_nodes", "Nodes that have enrolled, by state", labels=["state"])
    for state in ("connected", "away", "revoked"):
        nodes.add_metric([state], states[state])
    ends = GaugeMetricFamily(
        "twinhub_cloud_node_certificate_end_seconds", "When its certificate ends, Unix time", labels=["node"]
    )
    for node, end in now.certificates.items():
        ends.add_metric([node], end)
    yield from (nodes, ends)


def _log(counts: Mapping[str, int]) -> Iterator[Metric]:
    yield _counter("changes_taken", "Changes that edges reported and the log took", counts["taken"])
    yield _counter("wishes_lost", "Desired values that gave way to one set at the edge", counts["lost"])
    said = "Properties in reports of devices that have too many already"
    yield _counter("properties_passed_over", said, counts["passed_over"])
    yield _counter("readings_pruned", "Readings that were too old", counts["pruned"])
    said = "Readings that wait for a commit"
    yield GaugeMetricFamily("twinhub_cloud_readings_waiting", said, value=counts["depth"])


def _state(node: NodeEntry) -> str:
    if node.revoked:
        return "revoked"
    return "connected" if node.connected else "away"


def _counter(name: str, said: str, value: float) -> Metric:
    return CounterMetricFamily(f"twinhub_cloud_{name}", said, value=value)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
