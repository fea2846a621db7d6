"""While the readings lag, what is newest goes ahead of them."""

from __future__ import annotations

from edge_site import QUICK, Open
from stub_cloud import StubCloud, content, until


async def test_new_values_arrive_while_the_readings_lag(edge: Open, cloud: StubCloud) -> None:
    cloud.confirms = False
    async with edge(cloud.port, settings=QUICK._replace(fresh=0.1)) as running:
        for n in range(2000):
            running.report(n)
        running.keeper.set_state("default/pump", "online")
        link = await cloud.link()
        await until(lambda: len(link.reports) >= 2)
        states = [m for m in link.reports if m.route.resource.endswith("state/update")]
        speeds = [m for m in link.reports if m.route.resource.endswith("twin/edge_updated")]
        assert len(states) == 1
        newest = content(speeds[0])["twin"]["speed"]
        assert (newest["actual"]["value"], newest["actual_version"]["edge"]) == ("1999", 2000)
        running.report(7777)
        await until(lambda: len(link.reports) == 3, within=2)
        assert content(link.reports[-1])["twin"]["speed"]["actual"]["value"] == "7777"
        assert running.journal.outbox_depth == 2002, "they come in their turn as well"


async def test_without_a_lag_nothing_goes_ahead(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port, settings=QUICK._replace(fresh=0.05)) as running:
        link = await cloud.link()
        for n in range(20):
            running.report(n)
            await until(lambda: not running.journal.outbox_depth)
        assert not link.reports
