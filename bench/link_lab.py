"""A laboratory with two ends: a cloud by its command line, killed and started again, a cable, edges that joined."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

from bench import link_identities
from bench.lab import ROOT, Lab, LabError, free_ports
from cloud_sync.authority import Authority
from twinhub.cloud_client import Address, CloudClient
from twinhub.errors import CommandError

T = TypeVar("T")

EXAMPLE = ROOT / "examples" / "boiler-plant"
BATCH = 1_000
"""Objects declared at once."""
LOOK_EVERY = 0.02
"""Seconds between two looks at whether the cloud answers."""


class LinkLab(Lab):
    """`async with LinkLab() as lab`: a cloud runs, and answers."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.port = free_ports(3)
        self.link_port, self.cable_port = self.port + 1, self.port + 2
        self._cloud_state = self.folder / "cloud"
        self._cloud_state.mkdir(mode=0o700)
        self._cable: Process | None = None
        settings = f"listen: 127.0.0.1\nport: {self.port}\nlinkPort: {self.link_port}\nmetricsPort: 0\n"
        (self._cloud_state / "cloud.yaml").write_text(settings)
        os.environ["TWINHUB_OPERATOR"] = str(self.folder / "operator.pem")
        try:
            await self.start_cloud()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def start_cloud(self) -> None:
        """Returns when it answers its operator."""
        await self._start("cloud", [sys.executable, "-m", "twinhub", "cloud", f"--state-dir={self._cloud_state}"])
        until = time.monotonic() + 30
        while not await asyncio.to_thread(self._answers):
            self.check("cloud")
            if time.monotonic() > until:
                raise LabError(f"the cloud does not answer; it said:\n{self.said('cloud')}")
            await asyncio.sleep(LOOK_EVERY)

    async def kill_cloud(self) -> None:
        """SIGKILL."""
        process = self._processes.pop("cloud")
        process.kill()
        await process.wait()

    def operator(self) -> CloudClient:
        """A connection to the cloud, not yet entered."""
        return CloudClient(Address("127.0.0.1", self.port), self.folder / "operator.pem", timeout=60)

    async def ask(self, question: Callable[[CloudClient], T]) -> T:
        """Ask the cloud as its operator."""

        def answer() -> T:
            with self.operator() as client:
                return question(client)

        return await asyncio.to_thread(answer)

    async def declare(self, objects: Iterable[dict[str, Any]]) -> None:
        """Have the cloud declare them."""
        waiting = iter(objects)
        while batch := list(islice(waiting, BATCH)):
            outcomes = await self.ask(lambda client, batch=batch: list(client.apply(batch)))  # type: ignore[misc]
            if refused := [o for o in outcomes if o.outcome == "refused"]:
                raise LabError(f"the cloud refuses {refused[0].key}: {refused[0].message}")

    async def join(self, node: str, *, cable: bool = False) -> Path:
        """Let a node join; its identity. `cable`: its link goes through the cable."""
        token = (await self.ask(lambda client: client.token(node))).token
        identity = self.folder / "identities" / node
        port = self.cable_port if cable else self.link_port
        options = [f"--cloud=127.0.0.1:{self.port}", f"--link-port={port}", f"--node={node}"]
        process = await self.program("-m", "twinhub", "join", *options, f"--identity={identity}")
        await process.communicate(token.encode())
        if process.returncode:
            raise LabError(f"{node} could not join the cloud, which said:\n{self.said('cloud')}")
        return identity

    def light_identities(self, nodes: Sequence[str]) -> Path:
        """Identities that the cloud's authority signed without being asked."""
        folder = self.folder / "light"
        link_identities.make(Authority.open(self._cloud_state / "authority"), folder, nodes)
        return folder

    async def cable(self, order: str) -> None:
        """Lay the cable when there is none yet, and give it an order (`examples/boiler-plant/cable.py`)."""
        if self._cable is None:
            words = [f"--listen={self.cable_port}", f"--to=127.0.0.1:{self.link_port}"]
            self._cable = await self.program(str(EXAMPLE / "cable.py"), *words)
            assert self._cable.stdout is not None
            await self._cable.stdout.readline()
        assert self._cable.stdin is not None
        assert self._cable.stdout is not None
        self._cable.stdin.write(f"{order}\n".encode())
        await self._cable.stdout.readline()

    async def plc(self, port: int) -> None:
        """The example's PLC."""
        await self._start("plc", [sys.executable, str(EXAMPLE / "plc.py"), f"--port={port}"])

    def cloud_pid(self) -> str:
        return f"cloud={self._processes['cloud'].pid}"

    def _answers(self) -> bool:
        try:
            with self.operator() as client:
                list(client.nodes())
        except CommandError:
            return False
        return True
