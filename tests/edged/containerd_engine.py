"""containerd for tests: a private one below a temporary directory, with a network of its own, and nothing of it left
at the end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import busybox_image
import pytest
from cri_api.v1 import api_pb2 as cri

from edged.cri import CriRuntime
from edged.runtime import RuntimeRefused, RuntimeUnavailable, SandboxPlan

LIMIT = 60
"""Seconds for a command, and for containerd to come up."""
PAUSE = "localhost/pause:1"
PLUGINS = Path("/usr/lib/cni")
"""Where Debian has them."""
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
"""The bridge plugin switches it on, for the whole machine."""
CONFIG = """\
version = 2
root = "{directory}/root"
state = "{directory}/state"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{pause}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{directory}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


class ContainerdEngine:
    """As `runtime_contract.Engine` wants it."""

    def __init__(self, directory: Path, number: int) -> None:
        """`number`: 0 to 255, of the network of its pods."""
        self.directory = directory
        self.socket = directory / "c.sock"
        self.bridge = _bridge(number)
        self.subnet = f"10.213.{number}.0/24"
        self._process: subprocess.Popen[bytes] | None = None

    def runtime(self) -> CriRuntime:
        return CriRuntime(self.directory / "logs", f"unix://{self.socket}")

    async def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = None

    async def revive(self) -> None:
        self.start()

    def configure(self) -> None:
        networks = self.directory / "cni"
        networks.mkdir()
        if has_networks():
            (networks / "10-bridge.conflist").write_text(json.dumps(self._network()))
        config = CONFIG.format(
            directory=self.directory,
            socket=self.socket,
            pause=PAUSE,
            plugins=PLUGINS,
            snapshotter=_snapshotter(self.directory),
        )
        (self.directory / "config.toml").write_text(config)

    def _network(self) -> dict[str, object]:
        addresses = {
            "type": "host-local",
            "dataDir": f"{self.directory}/addresses",
            "ranges": [[{"subnet": self.subnet}]],
        }
        bridge = {"type": "bridge", "bridge": self.bridge, "isGateway": True, "ipam": addresses}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "0.4.0", "name": self.bridge, "plugins": [bridge, ports]}

    def start(self) -> None:
        """Returns when it answers. CalledProcessError: it does not."""
        program = ["containerd", "--config", str(self.directory / "config.toml")]
        with (self.directory / "containerd.log").open("ab") as log:
            self._process = subprocess.Popen(program, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + LIMIT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise subprocess.CalledProcessError(1, program, stderr=self._last_words())
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(subprocess.SubprocessError):
            self.ctr("version")
            return True
        return False

    def _last_words(self) -> str:
        lines = (self.directory / "containerd.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it says nothing"

    def ctr(self, *words: str) -> str:
        """What containerd's own program says."""
        done = subprocess.run(
            ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *words],
            check=True,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        return done.stdout

    def load_pause(self) -> None:
        """The image of sandboxes."""
        pause = busybox_image.docker_archive(self.directory / "pause.tar", PAUSE, ("/bin/sleep", "2147483647"))
        self.ctr("images", "import", str(pause))

    def clear(self) -> None:
        """All that was made, and containerd itself."""
        with suppress(RuntimeUnavailable, TimeoutError, subprocess.CalledProcessError):
            if not self._answers():
                self.start()
            asyncio.run(asyncio.wait_for(self._remove_all(), LIMIT))
        if self._process:
            self._process.kill()
            self._process.wait()
        for pid in _shims(self.socket):
            _kill_with_children(pid)
        for mount in reversed(_mounts(self.directory)):
            subprocess.run(["umount", "--lazy", mount], check=False, timeout=LIMIT)
        subprocess.run(["ip", "link", "delete", self.bridge], check=False, capture_output=True, timeout=LIMIT)
        shutil.rmtree(self.directory, ignore_errors=True)
        _clear_after_plugins()

    async def _remove_all(self) -> None:
        async with self.runtime() as runtime:
            all_ = await runtime._api.call(cri.ListPodSandboxRequest(), cri.ListPodSandboxResponse)
            for one in all_.items:
                with suppress(RuntimeRefused):
                    await runtime.remove_sandbox(one.id)


@contextmanager
def containerd_engine(directory: Path) -> Iterator[ContainerdEngine]:
    """An engine in this directory, which is removed with it. Skips where containerd cannot run."""
    if missing := _missing():
        pytest.skip(missing)
    engine = ContainerdEngine(directory, _free_number())
    forwarding = FORWARDING.read_text()
    try:
        if why := _why_not(engine):
            pytest.skip(why)
        yield engine
    finally:
        engine.clear()
        if not list(Path("/sys/class/net").glob("*/bridge")):
            FORWARDING.write_text(forwarding)  # else somebody needs it


def has_networks() -> bool:
    """Pods can have networks of their own here."""
    return (PLUGINS / "bridge").exists() and shutil.which("iptables") is not None


def _missing() -> str:
    if not all(map(shutil.which, ("containerd", "ctr", "runc"))):
        return "containerd is not installed: apt-get install containerd runc containernetworking-plugins iptables"
    if os.geteuid() != 0:
        return "containerd cannot run containers here: only root may"
    return "" if busybox_image.busybox() else busybox_image.MISSING


_reasons: dict[str, str] = {}


def _why_not(engine: ContainerdEngine) -> str:
    """Why containerd cannot be tested here, found out once; empty: it can."""
    if reason := _reasons.get("containerd"):
        return reason
    engine.configure()
    try:
        engine.start()
        engine.load_pause()
        asyncio.run(asyncio.wait_for(_trial(engine), LIMIT))
    except (subprocess.CalledProcessError, RuntimeRefused, RuntimeUnavailable) as error:
        words = getattr(error, "stderr", None) or str(error)
        _reasons["containerd"] = f"containerd cannot run containers here: {' '.join(words.split())[:300]}"
    except (subprocess.TimeoutExpired, TimeoutError):
        _reasons["containerd"] = f"containerd cannot run containers here: no answer in {LIMIT} s"
    return _reasons.get("containerd", "")


async def _trial(engine: ContainerdEngine) -> None:
    async with engine.runtime() as runtime:
        plan = SandboxPlan(name="trial", hostname="trial", labels={}, host_network=not has_networks())
        await runtime.remove_sandbox(await runtime.run_sandbox(plan))


def _free_number() -> int:
    numbers = random.sample(range(256), 256)
    return next(one for one in numbers if not Path(f"/sys/class/net/{_bridge(one)}").exists())


def _bridge(number: int | str) -> str:
    return f"twinhub-t{number}"


def _snapshotter(directory: Path) -> str:
    """One overlay cannot lie upon another."""
    done = subprocess.run(["stat", "-f", "-c", "%T", str(directory)], check=True, capture_output=True, text=True)
    return "native" if done.stdout.strip() == "overlayfs" else "overlayfs"


def _clear_after_plugins() -> None:
    """What the plugins leave behind for the next pod, if nobody has one."""
    for directory in ("/var/lib/cni/results", "/var/lib/cni"):
        with suppress(OSError):
            Path(directory).rmdir()
    if not has_networks() or list(Path("/sys/class/net").glob(_bridge("*"))):
        return
    rules = [line for line in _nat("-S").splitlines() if "CNI-" in line]
    if any("CNI-DN-" in line for line in rules):
        return
    for line in sorted(rules):  # those that are added (-A) before those that are made (-N)
        words = shlex.split(line)
        _nat({"-A": "-D", "-N": "-X"}[words[0]], *words[1:])


def _nat(*words: str) -> str:
    command = ["iptables", "--wait", "10", "--table", "nat", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=LIMIT).stdout


def _shims(socket: Path) -> list[int]:
    """Those who look after containers for the containerd at this socket."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"containerd-shim" in words[0] and os.fsencode(socket) in words:
                found.append(int(path.parent.name))
    return found


def _kill_with_children(pid: int) -> None:
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (*map(int, children), pid):
            os.kill(one, signal.SIGKILL)


def _mounts(directory: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [one for one in points if one.startswith(f"{directory}/")]
