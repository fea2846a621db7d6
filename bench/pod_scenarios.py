"""The measurements of pods. What edged costs is told apart from what its engine does: the same is done by hand."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Sequence
from statistics import median

from bench.lab import LabError
from bench.mqtt_client import Client
from bench.pod_lab import PATIENCE, PodLab, pod_lab
from bench.processes import Meter, parse_pids
from bench.scenarios import Pace, Row
from edged.pod_names import twin_id
from eventbus import topics

TIMES, QUICK_TIMES = 20, 7
CALM = 1.0
"""Seconds."""
FULL_SECONDS = 10
"""A pace of less is a quick one."""
WARM = "warm"
"""A pod that is there already, so that nothing is done for the first time."""


async def start(engine: str, pace: Pace) -> list[Row]:
    """A manifest is written, or a pod is wished back over MQTT; its container's program runs. By hand in between."""
    times = _times(pace)
    written, wished, alone = list[float](), list[float](), list[float]()
    async with pod_lab(engine) as pods:
        await _warm(pods)
        async with await pods.lab.client("bench-start", lambda _topic, _payload: None) as client:
            for n in range(times):
                written.append(await _by_manifest(pods, f"one-{n}"))
                alone.append(await _by_hand(pods, f"one-{n}"))
                wished.append(await _by_wish(pods, client))
    return [
        *_apart(written, alone, "≤ 100 ms", "from its manifest"),
        *_apart(wished, alone, "≤ 100 ms", "from a wish"),
        Row("pods", f"{times}"),
    ]


async def wish(engine: str, pace: Pace) -> list[Row]:
    """A pod is wished away over MQTT; its container has ended."""
    times = _times(pace)
    async with pod_lab(engine) as pods:
        await _warm(pods)
        async with await pods.lab.client("bench-wish", lambda _topic, _payload: None) as client:
            edged = [await _wished(pods, client) for _ in range(times)]
        alone = [await _stopped_by_hand(pods, f"one-{n}") for n in range(times)]
    return [*_apart(edged, alone, "≤ 50 ms", "ended"), Row("wishes", f"{times}")]


async def fifty(engine: str, count: int, pace: Pace) -> list[Row]:
    """Many pods that do nothing: what the hub costs, and how soon it knows them again when it was killed."""
    async with pod_lab(engine) as pods:
        await pods.lab.hub()
        before = await _cost(pods, Pace(pace.seconds / 4, pace.settle))
        started = time.perf_counter()
        for n in range(count):
            pods.write(f"pod-{n:02}")
        await pods.until(lambda found: len(found) == count, f"{count} pods run")
        rolled_out = time.perf_counter() - started
        after = await _cost(pods, pace)
        ran = {name: (one.id, one.started) for name, one in (await pods.running()).items()}
        known = await _adoption(pods, count)
        runs = {name: (one.id, one.started) for name, one in (await pods.running()).items()}
    same = sum(runs.get(name) == one for name, one in ran.items())
    return [
        Row("hub, of a core", f"{after[0]:.1%}", "≤ 2 %"),
        Row("hub, resident, without / with them", f"{before[1]} / {after[1]} MB", "≤ 30 MB more"),
        Row("all started", f"{rolled_out:.1f} s"),
        Row("all known again after kill -9, from the hub's start", f"{known:.2f} s", "≤ 3 s"),
        Row("containers that are the same", f"{same} of {count}", "all"),
    ]


async def _warm(pods: PodLab) -> None:
    pods.write(WARM)
    await pods.lab.hub()
    await pods.until(lambda found: WARM in found, "a first pod runs")


async def _by_manifest(pods: PodLab, name: str) -> float:
    """Seconds until the program was started."""
    await _calm()
    begun = _since_boot()
    pods.write(name)
    await pods.until(lambda found: name in found, f"{name} runs")
    took = await pods.began(name) - begun
    pods.remove(name)
    await pods.until(lambda found: name not in found, f"{name} is gone")
    return took


async def _by_wish(pods: PodLab, client: Client) -> float:
    _wish(client, 0)
    await pods.until(lambda found: WARM not in found, "the pod is gone")
    await _calm()
    begun = _since_boot()
    _wish(client, 1)
    await pods.until(lambda found: WARM in found, "the pod is back")
    return await pods.began(WARM) - begun


async def _by_hand(pods: PodLab, name: str) -> float:
    await _calm()
    begun = _since_boot()
    sandbox, _ = await pods.by_hand(name)
    took = await pods.began(name) - begun
    await pods.runtime.remove_sandbox(sandbox)
    return took


async def _calm() -> None:
    """Until the engine has swept up after the pod before; whatever ticks in it or in the hub is met at any point."""
    await asyncio.sleep(CALM + random.random() / 2)


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def _wished(pods: PodLab, client: Client) -> float:
    """Seconds from the wish to the end of the container's program."""
    ended = _end(await pods.pid(WARM))
    begun = time.perf_counter()
    _wish(client, 0)
    took = await ended - begun
    await pods.until(lambda found: WARM not in found, "the pod is gone")
    _wish(client, 1)
    await pods.until(lambda found: WARM in found, "the pod is back")
    await asyncio.sleep(0.5)
    return took


async def _stopped_by_hand(pods: PodLab, name: str) -> float:
    sandbox, container = await pods.by_hand(name)
    await asyncio.sleep(0.5)
    ended = _end(await pods.pid(name))
    begun = time.perf_counter()
    await pods.runtime.stop(container, 5)
    took = await ended - begun
    await pods.runtime.remove_sandbox(sandbox)
    return took


def _end(pid: int) -> asyncio.Future[float]:
    """When this process ends, by `perf_counter`."""
    loop, process = asyncio.get_running_loop(), os.pidfd_open(pid)
    ended: asyncio.Future[float] = loop.create_future()

    def note() -> None:
        loop.remove_reader(process)
        os.close(process)
        ended.set_result(time.perf_counter())

    loop.add_reader(process, note)
    return ended


def _wish(client: Client, replicas: int) -> None:
    topic = topics.of_device(twin_id(f"default/{WARM}"), topics.TWIN_UPDATE)
    update = {"event_id": "1", "timestamp": 1, "twin": {"replicas": {"expected": {"value": str(replicas)}}}}
    client.publish(topic.encode(), json.dumps(update).encode(), 1)


async def _cost(pods: PodLab, pace: Pace) -> tuple[float, float]:
    """Of the hub: cores, and resident megabytes."""
    await asyncio.sleep(pace.settle)
    meter = Meter(parse_pids(pods.lab.pids))
    meter.start()
    await asyncio.sleep(pace.seconds)
    pods.lab.check("hub")
    return meter.stop()["hub"]


async def _adoption(pods: PodLab, count: int) -> float:
    """Seconds from the start of another hub until it has said of every pod how it is."""
    await pods.lab.end_hub(kill=True)
    told, everyone = set[bytes](), asyncio.Event()

    def hear(topic: bytes, payload: bytes) -> None:
        if begun and b'"Running"' in payload:
            told.add(topic)
            if len(told) == count:
                everyone.set()

    begun = 0.0
    async with await pods.lab.client("bench-adoption", hear) as client:
        await client.subscribe([topics.pod_status("+/+")], 0)
        await client.stay(1.0)  # what was retained before is passed over
        begun = time.perf_counter()
        await pods.lab.hub()
        try:
            await asyncio.wait_for(everyone.wait(), PATIENCE)
        except TimeoutError:
            raise LabError(f"{len(told)} of {count} pods were known again; {pods.lab.said('hub')}") from None
    return time.perf_counter() - begun


def _times(pace: Pace) -> int:
    return QUICK_TIMES if pace.seconds < FULL_SECONDS else TIMES


def _apart(edged: Sequence[float], alone: Sequence[float], reach: str, what: str) -> list[Row]:
    both = [f"{median(ones) * 1000:.0f} ms" for ones in (edged, alone)]
    return [
        Row(f"{what}, by edged / by its engine alone, p50", " / ".join(both)),
        Row(f"{what}, what edged adds, p50", f"{(median(edged) - median(alone)) * 1000:.0f} ms", reach),
    ]
