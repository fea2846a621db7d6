"""The ledger under kill -9 (P1): nothing acknowledged is missing, nothing goes backwards within a twin."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
from pathlib import Path

import pytest
from killable import Killable
from ledger import Witness, Writers, values

from eventbus.broker import PrivateBroker

ROUNDS = 50
"""Kills in all, of the hub and of the broker in turn."""
DEVICES = [f"default/counter-{n}" for n in range(12)]

MODEL = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: counter}
spec: {properties: [{name: n, type: INT, accessMode: ReadOnly}]}
"""
DEVICE = """
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: NAME}
spec: {deviceModelRef: {name: counter}, protocol: {protocolName: external}}
"""


def hub_process(directory: Path, broker: str) -> Killable:
    command = [sys.executable, "-m", "twinhub", "run", directory, "--broker", broker]
    return Killable(command, directory / "hub.log")


def manifests(directory: Path) -> None:
    names = [device.partition("/")[2] for device in DEVICES]
    (directory / "plant.yaml").write_text(MODEL + "".join(DEVICE.replace("NAME", name) for name in names))


async def disturb(hub: Killable, broker: PrivateBroker, dice: random.Random) -> None:
    """Kill at random moments; before half of the broker's deaths it saves a state that is old by then."""
    for n in range(ROUNDS):
        await asyncio.sleep(dice.uniform(0.05, 1.2))
        if n % 2:
            if dice.random() < 0.5:
                os.kill(broker.pid, signal.SIGUSR1)
                await asyncio.sleep(dice.uniform(0.02, 0.2))
            os.kill(broker.pid, signal.SIGKILL)
        else:
            await hub.kill()
            await asyncio.sleep(dice.uniform(0, 0.3))
            await hub.start()


def outbox(directory: Path) -> dict[str, list[int]]:
    """The numbers on their way to the cloud, of each device, in order."""
    found: dict[str, list[int]] = {device: [] for device in DEVICES}
    with sqlite3.connect(directory / ".twinhub" / "journal.db") as journal:
        rows = journal.execute("SELECT device, body FROM outbox WHERE kind = 'twin' ORDER BY seq")
        for device, body in rows.fetchall():
            if device in found:  # not the node itself
                found[device].append(int(json.loads(body)["n"]["actual"]["value"]))
    journal.close()
    return found


@pytest.mark.fault
async def test_fifty_kills_lose_and_reorder_nothing(tmp_path: Path, unused_tcp_port: int) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    manifests(tmp_path)
    async with (
        PrivateBroker(tmp_path / "broker", port=unused_tcp_port) as broker,
        hub_process(tmp_path, broker.url) as hub,
    ):
        writers, witness, stop = Writers(broker.url, DEVICES), Witness(broker.url), asyncio.Event()
        async with witness.transport, asyncio.TaskGroup() as group:
            group.create_task(writers.run(stop))
            await disturb(hub, broker, random.Random(seed))
            stop.set()
        held = await values(broker.url, DEVICES)
        assert await hub.stop() == 0
    kept = outbox(tmp_path)
    assert min(writers.acknowledged.values()) > ROUNDS / 4, "the writers got on between the kills"
    assert held == writers.acknowledged, "what is acknowledged last is what the twins hold"
    assert witness.backwards == []
    for device, last in writers.acknowledged.items():
        assert kept[device] == list(range(1, last + 1)), "every acknowledged change once, in order"
