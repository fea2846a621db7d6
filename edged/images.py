"""Whether an image is there, as its pull policy asks; pulled where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from edged.events import Happening
from edged.pod import Container
from edged.runtime import Runtime, RuntimeRefused, RuntimeUnavailable

__all__ = ["Abandoned", "Images", "names", "policy"]

PULLS = 2
"""At the same time, on the whole node."""


class Abandoned(Exception):
    """Nobody may want it any more."""


class Images:
    """Those of one engine."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._pulling = asyncio.Semaphore(PULLS)

    async def ensure(self, container: Container, say: Callable[[Happening], None], news: asyncio.Event) -> None:
        """Returns when it is there. RuntimeRefused ErrImagePull, ErrImageNeverPull: it is not. Abandoned: there was
        `news` while it was pulled."""
        image, rule = container.image, policy(container)
        if rule != "Always" and await self._there(image):
            say(Happening("Normal", "Pulled", f'Container image "{image}" already present on machine'))
            return
        if rule == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            raise RuntimeRefused("ErrImageNeverPull", message)
        async with self._pulling:
            say(Happening("Normal", "Pulling", f'Pulling image "{image}"'))
            await _unless(news, self._runtime.pull(image))
        say(Happening("Normal", "Pulled", f'Successfully pulled image "{image}"'))

    async def _there(self, image: str) -> bool:
        wanted = names(image)
        images = await self._runtime.images()
        return any(wanted & {one.id, one.id.removeprefix("sha256:"), *one.names} for one in images)


async def _unless(news: asyncio.Event, work: Coroutine[object, object, str]) -> None:
    """Do the work; give it up when there is news."""
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(news.wait(), name="news of a wish")
        pull = group.create_task(_kept(work), name="pull of an image")
        await asyncio.wait((waiting, pull), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        pull.cancel()
    if pull.cancelled():
        raise Abandoned
    if error := pull.result():
        raise error


async def _kept(work: Coroutine[object, object, str]) -> RuntimeRefused | RuntimeUnavailable | None:
    """What went wrong, as a value: a group would wrap it."""
    try:
        await work
    except (RuntimeRefused, RuntimeUnavailable) as error:
        return error
    return None


def policy(container: Container) -> str:
    """The one that is written; else Always for the tag `latest` or none, IfNotPresent for others."""
    if container.image_pull_policy:
        return container.image_pull_policy
    if "@" in container.image:
        return "IfNotPresent"
    name, _, tag = container.image.rpartition(":")
    return "IfNotPresent" if name and "/" not in tag and tag != "latest" else "Always"


def names(image: str) -> set[str]:
    """All names under which an engine may hold what is called so in a manifest: registries and tags that are left
    out have defaults."""
    last = image.rpartition("/")[2]
    full = image if ":" in last or "@" in image else f"{image}:latest"
    host, slash, _ = full.partition("/")
    known = {image, full}
    if not slash:
        return known | {f"docker.io/library/{full}", f"localhost/{full}"}
    if "." in host or ":" in host or host == "localhost":
        return known
    return known | {f"docker.io/{full}", f"localhost/{full}"}
