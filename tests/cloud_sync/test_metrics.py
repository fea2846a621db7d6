import asyncio
import time

from edge_clients import Cloud, until
from prometheus_client import CollectorRegistry, generate_latest
from test_session_bus import report

from cloud_sync.metrics import CloudMetrics
from link.handshake import Channel


def read(text: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


async def shown(cloud: Cloud) -> dict[str, float]:
    """What Prometheus reads, in a thread as its server has one."""
    registry = CollectorRegistry()
    registry.register(CloudMetrics(cloud.registry, cloud.log, cloud.server, cloud.authority))
    return read((await asyncio.to_thread(generate_latest, registry)).decode())


async def test_links_counts_and_certificates_are_shown(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    await cloud.enrol("edge-8")
    await cloud.enrol("edge-9")
    await cloud.registry.revoke("edge-9")
    async with cloud.edge() as hub, cloud.edge(channel=Channel.BUS) as bus:
        await bus.send(*(report(seq, seq) for seq in range(1, 11)), report(11, 0, "default/nosuch"))
        await until(lambda: [link for link in cloud.links() if link.channel is Channel.HUB and link.sent >= 2])
        await until(lambda: cloud.registry.node("edge-7").connected)  # type: ignore[union-attr]
        now = await shown(cloud)
        assert now['twinhub_cloud_link_up{channel="hub",node="edge-7"}'] == 1
        assert now['twinhub_cloud_link_queue{channel="hub",node="edge-7"}'] == 2
        assert now['twinhub_cloud_link_queue_age_seconds{channel="hub",node="edge-7"}'] < 10
        assert now['twinhub_cloud_nodes{state="connected"}'] == 1
        assert now['twinhub_cloud_nodes{state="away"}'] == 1
        assert now['twinhub_cloud_nodes{state="revoked"}'] == 1
        end = now['twinhub_cloud_node_certificate_end_seconds{node="edge-7"}']
        assert 3_000 < end - time.time() < 3_700
        for name in ("ca", "server"):
            assert now[f'twinhub_cloud_certificate_end_seconds{{certificate="{name}"}}'] > time.time()
        hub.kill()
        bus.kill()
    await until(lambda: not cloud.links())
    now = await shown(cloud)
    assert 'twinhub_cloud_link_up{channel="hub",node="edge-7"}' not in now
    assert now['twinhub_cloud_sent_total{channel="hub"}'] >= 2  # nobody acknowledged: they may have come again


async def test_what_the_log_took_and_what_was_refused_is_counted(cloud: Cloud) -> None:
    await cloud.declare("pump-01", node="edge-7")
    await cloud.declare("pump-08", node="edge-8")
    async with cloud.edge(channel=Channel.BUS) as bus:
        await bus.send(*(report(seq, seq) for seq in range(1, 11)), report(11, 0, "default/pump-08"))
        await bus.receive()
    await until(lambda: not cloud.links())
    now = await shown(cloud)
    assert now["twinhub_cloud_changes_taken_total"] == 10
    assert now['twinhub_cloud_refused_total{channel="bus"}'] == 1
    assert now['twinhub_cloud_received_total{channel="bus"}'] == 11
    assert now["twinhub_cloud_readings_waiting"] == 0
    assert now["twinhub_cloud_handshakes_refused_total"] == 0


async def test_it_may_be_asked_in_the_loop_as_well(cloud: Cloud) -> None:
    names = [metric.name for metric in CloudMetrics(cloud.registry, cloud.log, cloud.server).collect()]
    assert len(names) == len(set(names))
    assert all(name.startswith("twinhub_cloud_") for name in names)
