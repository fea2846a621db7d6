import asyncio
from collections.abc import Sequence

import pytest

from cloud_sync.intake import FRAMES, Intake
from cloud_sync.together import together
from cloud_sync.twin_log import Change
from link.message import Message, new_message


def report(seq: int) -> tuple[list[Change], list[Message]]:
    return [Change(seq, "default/d", {})], [new_message("twin", "", "update", "x", msg_id=str(seq))]


class Log:
    """Commits when it is told to."""

    def __init__(self) -> None:
        self.taken: list[list[int]] = []
        self.confirmed: list[list[int]] = []
        self.commit = asyncio.Semaphore(0)

    async def take(self, changes: Sequence[Change]) -> None:
        self.taken.append([change.seq for change in changes])
        await self.commit.acquire()

    async def confirm(self, reports: Sequence[Message]) -> None:
        self.confirmed.append([int(one.header.msg_id) for one in reports])


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_nothing_is_confirmed_before_it_is_durable_and_one_commit_takes_what_waits() -> None:
    log = Log()
    intake = Intake(log.take, log.confirm)
    running = asyncio.create_task(intake.run())
    await intake.put(*report(1))
    await turns()
    assert (log.taken, log.confirmed) == ([[1]], [])
    await intake.put(*report(2))
    await intake.put([], report(3)[1])
    await intake.put(*report(4))
    await turns()
    assert (log.taken, log.confirmed) == ([[1]], [])
    log.commit.release()
    await turns()
    assert (log.taken, log.confirmed) == ([[1], [2, 4]], [[1]])
    log.commit.release()
    await turns()
    assert log.confirmed == [[1], [2, 3, 4]]
    running.cancel()


async def test_what_is_only_to_be_confirmed_needs_no_commit() -> None:
    log = Log()
    intake = Intake(log.take, log.confirm)
    running = asyncio.create_task(intake.run())
    await intake.put([], report(1)[1])
    await turns()
    assert (log.taken, log.confirmed) == ([], [[1]])
    running.cancel()


async def test_who_brings_too_much_waits() -> None:
    log = Log()
    intake = Intake(log.take, log.confirm)
    for seq in range(FRAMES):
        await intake.put(*report(seq))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await intake.put(*report(FRAMES))


async def test_the_first_that_fails_ends_the_others_and_is_raised_itself() -> None:
    ended = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    async def fails() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await together(one=waits(), other=fails())
    assert ended == ["waits"]
