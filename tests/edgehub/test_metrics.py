"""What Prometheus is shown."""

from __future__ import annotations

import asyncio

from edge_site import Open
from prometheus_client import CollectorRegistry, generate_latest
from stub_cloud import StubCloud, until

from edgehub.metrics import LinkCollector
from link.handshake import Channel


async def test_the_link_is_shown_also_from_another_thread(edge: Open, cloud: StubCloud) -> None:
    registry = CollectorRegistry()
    cloud.confirms = False
    async with edge(cloud.port) as running:
        registry.register(LinkCollector(running.link.statistics))
        running.report(1)
        link = await cloud.link(Channel.BUS)
        await until(lambda: link.reports)
        text = (await asyncio.to_thread(generate_latest, registry)).decode()
    shown = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert shown['twinhub_link_up{channel="hub"}'] == "1.0"
    assert shown['twinhub_link_up{channel="stream"}'] == "0.0"
    assert shown["twinhub_link_outbox_depth"] == "1.0"
    assert shown["twinhub_link_sent_total"] == "1.0"
    assert shown["twinhub_link_acknowledged_total"] == "0.0"
    assert float(shown["twinhub_link_outbox_age_seconds"]) >= 0
    assert float(shown["twinhub_link_certificate_seconds_left"]) > 0
    for name in ("folded", "refused", "unconfirmed", "log_lines_dropped"):
        assert shown[f"twinhub_link_{name}_total"] == "0.0"
