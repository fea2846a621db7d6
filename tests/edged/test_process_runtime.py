"""The process runtime: the contract that all engines keep, and what is its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import busybox_image
import pytest
from runtime_contract import FOREVER, Bench, RuntimeContract, lines_of, text_of, until
from session_contract import SessionContract

from edged.pod import Capabilities
from edged.process import cgroups, record
from edged.process.images import HOST
from edged.process.runtime import ProcessRuntime
from edged.runtime import Mount, PublishedPort, RuntimeRefused, RuntimeUnavailable

ROOT = os.geteuid() == 0


class Directory:
    """The engine is a directory: nothing answers for it that could be killed, but those who use it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def runtime(self) -> ProcessRuntime:
        return ProcessRuntime(self.path)

    async def kill(self) -> None:
        return None

    async def revive(self) -> None:
        return None


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Directory:
    if not busybox_image.busybox():
        pytest.skip(busybox_image.MISSING)
    return Directory(tmp_path_factory.mktemp("process"))


def lacking() -> dict[str, str]:
    lacks = {} if ROOT else {"user": "runs this here", "groups": "supplemental groups"}
    return lacks if "memory" in cgroups.Cgroups().controllers else {**lacks, "memory": "memory limits"}


class TestContract(RuntimeContract, SessionContract):
    lacks = lacking()


@pytest.fixture
async def runtime(engine: Directory, tmp_path: Path) -> AsyncIterator[ProcessRuntime]:
    async with engine.runtime() as runtime:
        await runtime.load(str(busybox_image.docker_archive(tmp_path / "busybox.tar")))
        yield runtime


@pytest.fixture
async def bench(runtime: ProcessRuntime, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(runtime, tmp_path)
    yield bench
    await bench.clear()


def room(engine: Directory, id_: str) -> Path:
    return engine.path / "containers" / id_[:32]


def keeper(engine: Directory, id_: str) -> record.Started:
    started = record.started(room(engine, id_))
    assert started
    return started


async def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


STARTER = """
import asyncio, os, sys
from pathlib import Path
from edged.process.runtime import ProcessRuntime
from edged.runtime import ContainerPlan, SandboxPlan
async def main():
    directory, node, log, script = sys.argv[1:]
    labels = {"io.twinhub.node": node}
    async with ProcessRuntime(Path(directory)) as runtime:
        sandbox = await runtime.run_sandbox(SandboxPlan(name=node, hostname="box", labels=labels))
        plan = ContainerPlan(name=node, image="localhost/busybox:1", command=("/bin/sh", "-c", script), env={},
                             labels=labels, log_path=log)
        id_ = await runtime.create(sandbox, plan)
        await runtime.start(id_)
        print(id_, flush=True)
        await asyncio.sleep(1000)
asyncio.run(main())
"""


async def test_who_started_it_is_killed_and_all_is_known_of_it_all_the_same(engine: Directory, bench: Bench) -> None:
    go = bench.directory / "go"
    plan = bench.plan("")
    script = "echo up; while [ ! -e /tmp/go ]; do echo beat; sleep 0.1; done; echo end; exit 9"
    command = [sys.executable, "-c", STARTER, str(engine.path), bench.node, plan.log_path, script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as starter:
        assert starter.stdout
        id_ = starter.stdout.readline().decode().strip()
        before = await bench.here(id_)
        os.killpg(starter.pid, signal.SIGKILL)
    assert before.state == "running"
    lines = len(lines_of(plan))

    async def more() -> bool:
        return len(lines_of(plan)) > lines + 3

    await until(more, "the log goes on")
    assert await bench.here(id_) == before
    assert not go.exists()
    await bench.runtime.execute(id_, ("touch", "/tmp/go"), 20)
    after = await bench.exited(id_)
    assert (after.exit_code, after.started) == (9, before.started)
    assert text_of(plan).endswith(b"end\n")


async def test_a_keeper_that_is_killed_takes_all_with_it(engine: Directory, bench: Bench) -> None:
    apart = "setsid" if cgroups.Cgroups().controllers else ""  # only by its group is such a one found again
    user = 1234 if ROOT else None  # who changes its user would lose what binds it to its keeper
    id_ = await bench.up(f"{apart} sleep 1000 & sleep 1000 & {FOREVER}", user=user)
    started = keeper(engine, id_)
    inside = cgroups.members(cgroups.Cgroups().paths(id_))
    assert started.program in inside or not ROOT
    os.kill(started.keeper, signal.SIGKILL)
    await until(lambda: gone(started.program), "the program ends, though nobody looks")
    one = await bench.exited(id_)
    assert (one.exit_code, one.reason) == (137, "Error")
    assert await bench.here(id_) == one, "it is told the same again"
    for pid in {*inside, started.program}:
        await until(lambda pid=pid: gone(pid), f"process {pid} ends")
    await bench.runtime.remove(id_)


async def test_a_keeper_that_hangs_is_killed(
    engine: Directory, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.process.runtime.LAST_BREATH", 0.3)
    id_ = await bench.up(FOREVER)
    os.kill(keeper(engine, id_).keeper, signal.SIGSTOP)
    await bench.runtime.stop(id_, 0.1)
    assert (await bench.here(id_)).exit_code == 137


async def test_the_machine_starts_again(engine: Directory, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = await bench.sandbox()
    id_ = await bench.start(bench.plan(FOREVER), sandbox)
    os.kill(keeper(engine, id_).keeper, signal.SIGKILL)
    (bench.directory / "boot").write_text("another\n")
    monkeypatch.setattr("edged.process.runtime.BOOT", bench.directory / "boot")
    async with engine.runtime() as after:
        found = await after.found(bench.node)
        assert [one.ready for one in found.sandboxes] == [False]
        assert [one.state for one in found.containers] == ["exited"]


async def test_the_nursery_is_killed(bench: Bench) -> None:
    first = await bench.up(FOREVER)
    nursery = bench.runtime._nursery._process  # type: ignore[attr-defined]
    nursery.kill()
    nursery.wait()
    second = await bench.up(FOREVER)
    assert [(await bench.here(id_)).state for id_ in (first, second)] == ["running", "running"]


async def test_a_start_that_was_cut_leaves_nothing_by_half(engine: Directory, bench: Bench) -> None:
    id_ = await bench.runtime.create(await bench.sandbox(), bench.plan("echo up; " + FOREVER))
    starting = asyncio.create_task(bench.runtime.start(id_))
    await asyncio.sleep(0.01)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await bench.runtime.remove(id_)
    assert await bench.container(id_) is None
    await asyncio.sleep(0.5)
    assert not any(str(room(engine, id_)) in line for line in _command_lines())


def _command_lines() -> list[str]:
    return subprocess.run(
        ["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()


async def test_a_program_of_the_node(bench: Bench) -> None:
    plan = bench.plan(
        "", image=HOST, command=(sys.executable, "-c", "import os; print(os.environ['A'])"), env={"A": "b"}
    )
    one = await bench.exited(await bench.start(plan))
    assert (one.exit_code, one.image_id) == (0, HOST)
    assert text_of(plan) == b"b\n"


async def test_a_program_of_the_node_finds_its_volumes_where_there_is_a_place(bench: Bench) -> None:
    for name in ("data", "place"):
        (bench.directory / name).mkdir()
    (bench.directory / "data" / "word").write_text("hello")
    mount = Mount(str(bench.directory / "data"), str(bench.directory / "place"), read_only=True)
    plan = bench.plan(f"cat {bench.directory}/place/word", image=HOST, mounts=(mount,))
    await bench.exited(await bench.start(plan))
    assert text_of(plan) == b"hello"
    assert not list((bench.directory / "place").iterdir())
    mounts = (Mount(str(bench.directory / "data"), "/nowhere/at/all"),)
    with pytest.raises(RuntimeRefused, match="/nowhere/at/all"):
        await bench.start(bench.plan("true", image=HOST, mounts=mounts))


async def test_in_a_user_namespace(engine: Directory, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine permits no user namespaces")
    monkeypatch.setattr("edged.process.runtime.rights", lambda: "own")
    async with engine.runtime() as runtime:
        own = Bench(runtime, bench.directory)
        own.node = bench.node
        (bench.directory / "word").write_text("hello")
        mounts = (Mount(str(bench.directory / "word"), "/data/word", read_only=True),)
        plan = own.plan("id -u; cat /data/word; echo up; echo x > /data/word || " + FOREVER, mounts=mounts)
        id_ = await own.start(plan)
        await until(lambda: own._said(plan, "up"), "the program says that it is up")
        assert text_of(plan, b"stdout") == b"0\nhelloup\nup\n"
        done = await runtime.execute(id_, ("cat", "/data/word"), 20)
        assert done == (0, b"hello")
        with pytest.raises(RuntimeRefused, match="user 1234"):
            await own.start(own.plan("true", user=1234, group=1234))
        assert any("supplemental groups" in one for one in (await runtime.info()).lacks)
        await runtime.stop(id_, 20)
        assert (await own.here(id_)).exit_code == 7


async def test_without_any_rights(engine: Directory, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.process.runtime.rights", lambda: "")
    async with engine.runtime() as runtime:
        own = Bench(runtime, bench.directory)
        own.node = bench.node
        plan = own.plan("echo ok", image=HOST)
        await own.exited(await own.start(plan))
        assert text_of(plan) == b"ok\n"
        for refused in (own.plan("echo"), own.plan("echo", image=HOST, mounts=(Mount("/etc", "/mnt"),))):
            with pytest.raises(RuntimeRefused) as refusal:
                await own.start(refused)
            assert refusal.value.reason == "CreateContainerError"
        lacks = " ".join((await runtime.info()).lacks)
        assert "image `host`" in lacks
        assert "mounts" in lacks


@pytest.mark.skipif("memory" not in cgroups.Cgroups().controllers, reason="no control groups may be made here")
async def test_limits_are_set_and_groups_go_with_their_container(bench: Bench) -> None:
    id_ = await bench.up(FOREVER, memory=64 << 20, cpu=0.5, cpu_shares=512)
    paths = [Path(path) for path in cgroups.Cgroups().paths(id_)]
    names = ("memory.max", "cpu.max", "memory.limit_in_bytes", "cpu.cfs_quota_us", "cpu.shares")
    written = {name: (path / name).read_text().strip() for path in paths for name in names if (path / name).exists()}
    if cgroups.Cgroups().unified:
        assert (written["memory.max"], written["cpu.max"]) == (str(64 << 20), "50000 100000")
    else:
        assert written["memory.limit_in_bytes"] == str(64 << 20)
        assert (written["cpu.cfs_quota_us"], written["cpu.shares"]) == ("50000", "512")
    await bench.runtime.remove(id_)
    assert not any(path.exists() for path in paths)


async def test_without_groups_memory_is_limited_for_each_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.process.cgroups._mounts", list)
    async with ProcessRuntime(Path(bench.runtime._directory)) as runtime:  # type: ignore[attr-defined]
        own = Bench(runtime, bench.directory)
        own.node = bench.node
        one, text = await own.run("exec tail -c 500000000 /dev/zero", memory=24 << 20)
        assert one.exit_code == 1
        assert "memory" in text
        id_ = await own.up("echo up; while :; do :; done")

        async def used() -> bool:
            usage = await runtime.usage(id_)
            return usage.cpu_seconds > 0.05 and usage.memory > 0

        await until(used, "it has used some processor time")
        assert any("memory limits" in one for one in (await runtime.info()).lacks)


async def test_a_capability_that_is_dropped(bench: Bench) -> None:
    if not ROOT:
        pytest.skip("only root has some to drop")
    one = await bench.ended("chown 1:1 /root", capabilities=Capabilities(drop=("CHOWN",)))
    assert one.exit_code == 1
    one = await bench.ended("chown 1:1 /root", capabilities=Capabilities(drop=("ALL",), add=("CHOWN",)))
    assert one.exit_code == 0
    with pytest.raises(RuntimeRefused, match="FLY"):
        await bench.start(bench.plan("true", capabilities=Capabilities(drop=("FLY",))))


async def test_a_port_is_the_nodes(bench: Bench) -> None:
    await bench.sandbox(ports=(PublishedPort(8080, 8080),))
    with pytest.raises(RuntimeRefused, match="hostPort 80"):
        await bench.sandbox(ports=(PublishedPort(8080, 80),))


async def test_secrets_are_kept_from_others(engine: Directory, bench: Bench) -> None:
    id_ = await bench.start(bench.plan(FOREVER, env={"PASSWORD": "very-secret"}))
    assert "very-secret" not in "\n".join(_command_lines())
    assert room(engine, id_).stat().st_mode & 0o77 == 0


async def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeUnavailable, match="file/pods"):
        await ProcessRuntime(tmp_path / "file" / "pods").__aenter__()


async def test_a_log_that_cannot_be_written_is_told(bench: Bench) -> None:
    (bench.directory / "file").write_text("")
    with pytest.raises(RuntimeRefused, match="file"):
        await bench.start(bench.plan("true", log_path=str(bench.directory / "file" / "0.log")))
