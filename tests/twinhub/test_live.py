"""Edits of a folder that take effect, and those that must not."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from twinhub import live
from twinhub.folder_watch import signature
from twinhub.manifests import Manifests, read_manifests

MODEL = """\
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: valve}
spec: {properties: [{name: open, type: BOOLEAN, accessMode: ReadOnly}]}
"""
DEVICE = """\
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: valve-1}
spec: {deviceModelRef: {name: valve}, protocol: {protocolName: external}}
"""


@asynccontextmanager
async def following(folder: Path) -> AsyncIterator["asyncio.Queue[Manifests]"]:
    """What is applied."""
    applied: asyncio.Queue[Manifests] = asyncio.Queue(10)

    async def apply(manifests: Manifests) -> None:
        applied.put_nowait(manifests)

    task = asyncio.create_task(live.follow(folder, signature(folder), read_manifests(folder), apply))
    try:
        yield applied
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_was_half_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "DOUBT", 20.0)
    read = asyncio.Event()

    def reading(folder: Path) -> Manifests:
        read.set()
        return read_manifests(folder)

    async with following(tmp_path) as applied, asyncio.timeout(20):
        monkeypatch.setattr(live, "read_manifests", reading)
        (tmp_path / "valve.yaml").write_text(MODEL + DEVICE[:-12])
        await read.wait()
        assert applied.empty()
        (tmp_path / "valve.yaml").write_text(MODEL + DEVICE)
        assert [one.id for one in (await applied.get()).devices] == ["default/valve-1"]
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


async def test_what_stays_broken_is_refused_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "DOUBT", 0.01)
    async with following(tmp_path) as applied, asyncio.timeout(20):
        (tmp_path / "valve.yaml").write_text(MODEL + DEVICE[:-12])
        while "the edit is refused" not in caplog.text:
            await asyncio.sleep(0.01)
        assert applied.empty()
        (tmp_path / "valve.yaml").write_text(MODEL + DEVICE)
        assert (await applied.get()).devices
