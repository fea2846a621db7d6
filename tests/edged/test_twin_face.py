"""Speaking for twins: only what is new is said, and every wish is taken up until it is noted or cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from edged import twin_face
from edged.twin_face import TwinFace
from mappers.testing.side import MemorySide
from twin.store import StoreError

WEB = "default/pod.web"


class Notebook:
    """Takes up wishes; a page that is torn out is missed first."""

    def __init__(self) -> None:
        self.taken: list[Mapping[str, str]] = []
        self.torn = 0

    async def fulfil(self, _device_id: str, wishes: Mapping[str, str]) -> Mapping[str, str]:
        await asyncio.sleep(0)
        if self.torn:
            self.torn -= 1
            raise StoreError("the disk is full")
        self.taken.append(wishes)
        return {name: "it cannot be" for name in wishes if name == "image"}


@pytest.fixture
def side() -> MemorySide:
    return MemorySide()


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


def face_of(side: MemorySide, notebook: Notebook) -> TwinFace:
    face = TwinFace(side, notebook.fulfil)  # type: ignore[arg-type]
    face.serve(frozenset({WEB}))
    return face


async def test_only_what_is_new_is_said(side: MemorySide, notebook: Notebook) -> None:
    face = face_of(side, notebook)
    for values in ({"phase": "Pending", "restarts": "0"}, {"phase": "Running", "restarts": "0"}) * 2:
        face.report(WEB, "online", values)
    assert [one.value for one in side.readings(WEB, "phase")] == ["Pending", "Running", "Pending", "Running"]
    assert [one.value for one in side.readings(WEB, "restarts")] == ["0"]
    assert side.state_of(WEB) == "online"


async def test_who_is_not_served_is_passed_over(side: MemorySide, notebook: Notebook) -> None:
    face = face_of(side, notebook)
    face.report("default/pod.other", "online", {"phase": "Running"})
    face.serve(frozenset())
    face.report(WEB, "online", {"phase": "Running"})
    assert not side.readings(WEB, "phase")


async def test_after_coming_back_all_is_said_again(side: MemorySide, notebook: Notebook) -> None:
    face = face_of(side, notebook)
    face.report(WEB, "online", {"phase": "Running"})
    face.serve(frozenset())
    face.serve(frozenset({WEB}))
    face.report(WEB, "online", {"phase": "Running"})
    assert side.value(WEB, "phase") == "Running"


async def test_a_wish_is_taken_up(side: MemorySide, notebook: Notebook) -> None:
    async with face_of(side, notebook):
        side.wish(WEB, replicas="0")
        await side.until(lambda: notebook.taken == [{"replicas": "0"}])


async def test_a_wish_that_cannot_be_is_logged_once(
    side: MemorySide, notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    async with face_of(side, notebook):
        for image in ("a b", "a b", "c d"):
            before = len(notebook.taken)
            side.wish(WEB, image=image)
            await side.until(lambda before=before: len(notebook.taken) > before)
            await asyncio.sleep(0)
    assert [record.getMessage().split(" = ")[1] for record in caplog.records] == [
        "'a b' cannot be: it cannot be",
        "'c d' cannot be: it cannot be",
    ]


async def test_a_wish_that_could_not_be_noted_is_taken_up_again(
    side: MemorySide, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twin_face, "RETRY", 0.01)
    notebook.torn = 2
    async with face_of(side, notebook):
        side.wish(WEB, replicas="0")
        await side.until(lambda: notebook.taken == [{"replicas": "0"}])
