"""Log lines go up on a channel of their own, that is open while there is something to say."""

from __future__ import annotations

import asyncio
import logging

from edge_site import QUICK, Open
from stub_cloud import StubCloud, content, until

from edgehub.log_lines import LINES, LogLines
from link.handshake import Channel

LOUD = QUICK._replace(logs=True)
plant = logging.getLogger("mappers.plant")


async def test_lines_arrive_and_the_channel_closes_again(edge: Open, cloud: StubCloud) -> None:
    plant.setLevel(logging.INFO)
    async with edge(cloud.port, settings=LOUD):
        plant.info("valve %d is %s", 7, "open")
        plant.debug("not this")
        link = await cloud.link(Channel.STREAM)
        await until(lambda: any("valve 7 is open" in str(content(m)) for m in link.messages))
        lines = [line for message in link.messages for line in content(message)]
        line = next(line for line in lines if line["text"] == "valve 7 is open")
        assert (line["level"], line["logger"]) == ("INFO", "mappers.plant")
        assert line["time"] > 1_700_000_000_000
        assert not [line for line in lines if line["text"] == "not this"]
        await until(lambda: link.closed)
        plant.info("again")
        await cloud.link(Channel.STREAM, 2)


async def test_one_frame_at_a_time_until_it_is_confirmed(edge: Open, cloud: StubCloud) -> None:
    plant.setLevel(logging.INFO)
    cloud.confirms = False
    async with edge(cloud.port, settings=LOUD) as running:
        for n in range(1000):
            plant.info("line %d", n)
        link = await cloud.link(Channel.STREAM)
        await until(lambda: link.messages)
        await asyncio.sleep(0.1)
        assert len(link.messages) == 1
        assert len(content(link.messages[0])) == 200
        assert running.link.statistics().log_lines_waiting >= 800


async def test_the_oldest_lines_give_way_and_are_counted() -> None:
    with LogLines(asyncio.get_running_loop()) as lines:
        for n in range(LINES + 50):
            plant.warning("line %d", n)
        lines.emit(logging.makeLogRecord({"name": "x", "msg": "%d", "args": ("not a number",)}))
        logging.getLogger("edgehub.stream").warning("of its own")
        await asyncio.sleep(0)
        assert (len(lines), lines.dropped) == (LINES, 51)
        assert lines.take(1, 10)[0].text == "line 50"
        plant.warning("x" * 100_000)
        await asyncio.sleep(0)
        assert max(len(line.text) for line in lines.take(LINES + 1, 10**9)) == 4096
