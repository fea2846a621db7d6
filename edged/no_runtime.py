"""A node that runs no pods: their twins say so."""

# ruff: noqa: ARG002
from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NoReturn, Self

from edged.runtime import (
    ContainerPlan,
    Found,
    Image,
    Info,
    Runtime,
    RuntimeUnavailable,
    SandboxPlan,
    Usage,
)
from edged.session import Session, Size

__all__ = ["NoRuntime"]


class NoRuntime(Runtime):
    """Never there, and says why."""

    def __init__(self, why: str) -> None:
        self._why = why

    def _refuse(self) -> NoReturn:
        raise RuntimeUnavailable(self._why)

    async def __aenter__(self) -> Self:
        self._refuse()

    async def __aexit__(self, *exc: object) -> None:
        """Nothing was reached."""

    async def info(self) -> Info:
        self._refuse()

    async def found(self, node: str) -> Found:
        self._refuse()

    async def run_sandbox(self, plan: SandboxPlan) -> str:
        self._refuse()

    async def stop_sandbox(self, id_: str) -> None:
        self._refuse()

    async def remove_sandbox(self, id_: str) -> None:
        self._refuse()

    async def create(self, sandbox: str, plan: ContainerPlan) -> str:
        self._refuse()

    async def start(self, id_: str) -> None:
        self._refuse()

    async def stop(self, id_: str, grace: float) -> None:
        self._refuse()

    async def remove(self, id_: str) -> None:
        self._refuse()

    async def images(self) -> Sequence[Image]:
        self._refuse()

    async def pull(self, image: str) -> str:
        self._refuse()

    async def load(self, archive: str) -> Sequence[str]:
        self._refuse()

    def session(
        self, id_: str, command: Sequence[str], *, stdin: bool = False, terminal: Size | None = None
    ) -> AbstractAsyncContextManager[Session]:
        self._refuse()

    async def usage(self, id_: str) -> Usage:
        self._refuse()

    def changes(self) -> AsyncIterator[None]:
        self._refuse()
