"""What podman has is listed although something is removed at that moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from edged.podman.api import Api
from edged.podman.found import STUMBLES, Finder
from edged.runtime import Found, RuntimeUnavailable


async def nobody() -> None:
    raise RuntimeUnavailable("the service is away")


@asynccontextmanager
async def stumbling(tmp_path: Path, times: int) -> AsyncIterator[Api]:
    """A podman that has nothing, and so often answers as podman 4.3 does when a pod vanishes while it lists."""
    left = times

    async def listed(_: web.Request) -> web.Response:
        nonlocal left
        left -= 1
        if left >= 0:
            return web.json_response({"message": "no such pod", "cause": "no such pod"}, status=404)
        return web.json_response([])

    application = web.Application()
    application.router.add_get("/{path:.*}", listed)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "podman.sock")).start()
    api = Api(tmp_path / "podman.sock", nobody)
    try:
        yield api
    finally:
        await api.close()
        await runner.cleanup()


async def test_a_listing_that_stumbled_is_asked_for_again(tmp_path: Path) -> None:
    async with stumbling(tmp_path, STUMBLES - 1) as api:
        assert await Finder().found(api, "edge-1") == Found([], [])


async def test_a_podman_that_stumbles_for_ever_is_away(tmp_path: Path) -> None:
    async with stumbling(tmp_path, 1000) as api:
        with pytest.raises(RuntimeUnavailable, match="could not list"):
            await Finder().found(api, "edge-1")
