"""The link as Prometheus sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from edgehub.statistics import LinkStatistics

__all__ = ["LinkCollector"]

_COUNTS = {
    "sent": "Changes sent to the cloud, repeats included",
    "acknowledged": "Changes that the cloud has confirmed",
    "fresh": "Copies of newest values sent ahead of a backlog",
    "unconfirmed": "Changes given up because a KubeEdge cloud does not confirm them",
    "received": "Messages of the cloud, acknowledgements not counted",
    "unreadable": "Frames of the cloud that are none",
    "log_lines": "Log lines that the cloud has confirmed",
}


class LinkCollector(Collector):
    """Asked by Prometheus, in a thread of its server."""

    def __init__(self, statistics: Callable[[], LinkStatistics]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        now = self._statistics()
        yield from _channels(now)
        yield _gauge("in_contact", "Whether the link may be used: 0 = out of contact", now.in_contact)
        yield _gauge("outbox_depth", "Changes that the cloud has not confirmed", now.outbox_depth)
        yield _gauge("outbox_age_seconds", "Age of the oldest of them", now.outbox_age)
        yield _gauge("cloud_objects", "Objects that the cloud declared", now.objects)
        yield _gauge("cloud_objects_not_served", "Devices of the cloud that cannot be served", len(now.conditions))
        yield _gauge("pending_wishes", "Devices not served yet that have a wish", now.pending_wishes)
        yield _gauge("log_lines_waiting", "Log lines not sent yet", now.log_lines_waiting)
        left = now.not_after - time.time()
        yield _gauge("certificate_seconds_left", "Until the certificate of this edge expires", left)
        yield _counter("folded", "Changes folded into newer ones in the outbox", now.folded)
        yield _counter("refused", "Messages of the cloud that can never be used", now.refused)
        yield _counter("log_lines_dropped", "Log lines dropped before they were confirmed", now.log_lines_dropped)
        for name, said in _COUNTS.items():
            yield _counter(name, said, getattr(now.counts, name))


def _channels(now: LinkStatistics) -> Iterator[Metric]:
    up = GaugeMetricFamily("twinhub_link_up", "Whether the channel is connected", labels=["channel"])
    plain = GaugeMetricFamily("twinhub_link_plain", "Whether it carries KubeEdge's plain wire", labels=["channel"])
    made = CounterMetricFamily("twinhub_link_connections", "Connections made", labels=["channel"])
    for name, state in now.channels.items():
        up.add_metric([name], state.up)
        plain.add_metric([name], state.up and state.plain)
        made.add_metric([name], state.connections)
    yield from (up, plain, made)


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(f"twinhub_link_{name}", said, value=value)


def _counter(name: str, said: str, value: float) -> Metric:
    return CounterMetricFamily(f"twinhub_link_{name}", said, value=value)
