"""What is told of devices, and in how many messages."""

from __future__ import annotations

from typing import Any

from device_models import DataType
from eventbus.broker_config import MAX_PACKET_SIZE
from eventbus.device_messages import report_writer
from mappers.channel import LARGEST_TEXT

A = "default/a"


async def test_no_report_is_larger_than_a_broker_takes(stage: Any) -> None:
    """It would never be answered, and keep back all that the device says later."""
    names = [f"p{number}" for number in range(20)]
    stage.thing("a", **dict.fromkeys(names, "\0" * LARGEST_TEXT))
    async with stage.run(stage.device("a", *names, type=DataType.STRING)):
        await stage.until(lambda: all(stage.side.value(A, name) for name in names))
    write = report_writer()
    assert all(len(write(report).payload) < MAX_PACKET_SIZE // 2 for _, report in stage.side.reports)


async def test_small_values_leave_together(stage: Any) -> None:
    names = [f"p{number}" for number in range(100)]
    stage.thing("a", **dict.fromkeys(names, 7))
    async with stage.run(stage.device("a", *names)):
        await stage.until(lambda: stage.side.reports)
    assert [len(report) for _, report in stage.side.reports[:1]] == [100]
