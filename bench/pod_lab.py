"""A laboratory with pods: a container engine with a storage of its own, and a hub that has it run pods."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from bench.lab import Lab, LabError
from edged.podman import PodmanRuntime
from edged.podman.private import private_podman
from edged.process.runtime import ProcessRuntime
from edged.runtime import LABEL, ContainerPlan, FoundContainer, Runtime, RuntimeUnavailable, SandboxPlan

NODE = "bench"
COMMAND = ("/bin/sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait")
IMAGE = "localhost/bench:1"
PATIENCE = 300.0
"""Seconds until a pod that does not come about is given up."""
_POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
    - name: main
      image: {image}
      imagePullPolicy: Never
      command: {command}
      env: [{{name: BENCH, value: {mark}}}]
"""


class PodLab:
    """A lab whose hub runs pods on `runtime`."""

    def __init__(self, lab: Lab, runtime: Runtime, name: str, image: str) -> None:
        self.lab = lab
        self.runtime = runtime
        self._image = image
        (lab.manifests / "twinhub.yaml").write_text(f"node: {NODE}\npods: {{runtime: {name}}}\n")

    def write(self, name: str) -> None:
        """This pod is declared, all at once."""
        text = _POD.format(name=name, image=self._image, command=list(COMMAND), mark=self._mark(name))
        beside = self.lab.folder / name
        beside.write_text(text)
        beside.rename(self.lab.manifests / f"{name}.yaml")

    def remove(self, name: str) -> None:
        (self.lab.manifests / f"{name}.yaml").unlink()

    async def running(self) -> dict[str, FoundContainer]:
        """What runs, by the pod's name."""
        found = await self.runtime.found(NODE)
        return {
            one.labels[LABEL.pod].partition("/")[2]: one
            for one in found.containers
            if one.state == "running" and LABEL.container in one.labels
        }

    async def until(self, condition: Callable[[dict[str, FoundContainer]], bool], what: str) -> None:
        """Wait until what runs is like this."""
        for _ in range(int(PATIENCE / 0.1)):
            self.lab.check("hub")
            if condition(await self.running()):
                return
            await asyncio.sleep(0.1)
        raise LabError(f"not within {PATIENCE:.0f} s: {what}; the hub said:\n{self.lab.said('hub')}")

    async def by_hand(self, name: str) -> tuple[str, str]:
        """The same pod made without edged, by the same engine; its sandbox and container."""
        labels = {LABEL.node: "by-hand", LABEL.pod: f"default/{name}", LABEL.uid: "0", LABEL.spec: "0"}
        sandbox = await self.runtime.run_sandbox(SandboxPlan(name=f"hand-{name}", hostname=name, labels=labels))
        plan = ContainerPlan(
            name=f"hand-{name}-main",
            image=self._image,
            command=COMMAND,
            env={"BENCH": self._mark(name)},
            labels={**labels, LABEL.container: "main"},
            log_path=str(self.lab.folder / f"hand-{name}.log"),
        )
        container = await self.runtime.create(sandbox, plan)
        await self.runtime.start(container)
        return sandbox, container

    async def pid(self, name: str) -> int:
        """Of the pod's program, as this machine counts; it has been started."""
        for _ in range(100):
            for process in Path("/proc").glob("[0-9]*"):
                if self._is(process, name):
                    return int(process.name)
            await asyncio.sleep(0.05)
        raise LabError(f"the program of {name} does not run")

    async def began(self, name: str) -> float:
        """When its program was started, in seconds since the machine's start, to a hundredth."""
        ticks = Path(f"/proc/{await self.pid(name)}/stat").read_text().rpartition(")")[2].split()[19]
        return int(ticks) / os.sysconf("SC_CLK_TCK")

    def _is(self, process: Path, name: str) -> bool:
        with suppress(OSError):
            if (process / "cmdline").read_bytes().startswith(b"/bin/sh\0"):
                return f"BENCH={self._mark(name)}".encode() in (process / "environ").read_bytes().split(b"\0")
        return False

    def _mark(self, name: str) -> str:
        return f"{self.lab.folder.name}.{name}"

    async def clear(self) -> None:
        for node in (NODE, "by-hand"):
            for sandbox in (await self.runtime.found(node)).sandboxes:
                await self.runtime.remove_sandbox(sandbox.id)


@asynccontextmanager
async def pod_lab(name: str) -> AsyncIterator[PodLab]:
    """On `podman` or `process`. LabError: it is not there."""
    async with Lab() as lab, AsyncExitStack() as stack:
        if name == "podman":
            socket = await stack.enter_async_context(_podman(lab.folder / "engine"))
            runtime: Runtime = PodmanRuntime(socket, lab.folder / "engine")
        else:
            runtime = ProcessRuntime(lab.folder / "state" / "edged" / "process")
        await stack.enter_async_context(runtime)
        pods = PodLab(lab, runtime, name, IMAGE if name == "podman" else "host")
        stack.push_async_callback(pods.clear)
        stack.push_async_callback(lab.end_hub)
        yield pods


@asynccontextmanager
async def _podman(folder: Path) -> AsyncIterator[Path]:
    """Its service, with the image in it, listens at this socket; nothing is left at the end."""
    if not shutil.which("podman") or not shutil.which("busybox"):
        raise LabError("podman or busybox is missing: apt-get install podman runc netavark catatonit busybox-static")
    folder.mkdir()
    with private_podman(folder) as podman:
        try:
            podman.call("import", "--quiet", str(_root(folder / "root.tar")), IMAGE)
            os.environ["CONTAINER_HOST"] = await podman.serve()  # where the hub finds it
        except subprocess.CalledProcessError as error:
            raise LabError(f"podman cannot be used here: {error.stderr.strip()[-300:]}") from None
        except RuntimeUnavailable as error:
            raise LabError(str(error)) from None
        try:
            yield podman.socket
        finally:
            del os.environ["CONTAINER_HOST"]


def _root(path: Path) -> Path:
    """The machine's static busybox as the root of a container."""
    program = Path(str(shutil.which("busybox"))).read_bytes()
    with tarfile.open(path, "w") as archive:
        one = tarfile.TarInfo("bin/busybox")
        one.mode, one.size = 0o755, len(program)
        archive.addfile(one, io.BytesIO(program))
        for name in ("sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return path
