from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containerd_engine import PAUSE, ContainerdEngine, containerd_engine, has_networks
from runtime_contract import FOREVER, LABEL, Bench, RuntimeContract, _says, text_of, until
from session_contract import SessionContract
from small_registry import registry

from edged.cri import CriRuntime
from edged.cri.log_rotation import rotate
from edged.pod import Capabilities
from edged.runtime import Mount, PublishedPort, RuntimeRefused, RuntimeUnavailable

AWHILE = "; sleep 1"
"""containerd 1.6 and 1.7 may lose what a container says in the moment in which it ends."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerdEngine]:
    with containerd_engine(tmp_path_factory.mktemp("containerd")) as engine:
        yield engine


class TestContainerd(RuntimeContract, SessionContract):
    lacks = {} if has_networks() else {"hostname": "hostname", "ports": "ports"}

    async def test_bytes_that_are_no_text(self, bench: Bench) -> None:
        """Lines are cut by containerd itself, which takes a carriage return at their end for a part of it."""
        plan = bench.plan(r"printf '\377\000\200\033[0m\r.\nnext\n'")
        await bench.exited(await bench.start(plan))
        await until(lambda: _says(plan, b"next\n"), "the log is whole")
        assert text_of(plan) == b"\xff\x00\x80\x1b[0m\r.\nnext\n"

    async def test_long_lines_come_whole(self, bench: Bench) -> None:
        plan = bench.plan("head -c 100000 /dev/zero | tr '\\0' x; echo; echo end" + AWHILE)
        await bench.exited(await bench.start(plan))
        assert text_of(plan) == b"x" * 100_000 + b"\nend\n"

    async def test_a_flood_is_logged_whole_and_in_order(self, bench: Bench) -> None:
        plan = bench.plan("seq 1 20000" + AWHILE)
        await bench.exited(await bench.start(plan))
        assert text_of(plan) == b"".join(b"%d\n" % number for number in range(1, 20_001))

    # the sandbox

    async def test_a_pod_has_an_address_of_its_own(self, bench: Bench, engine: ContainerdEngine) -> None:
        self.needs("ports")
        on_host = await bench.sandbox()
        alone = await bench.sandbox(host_network=False)
        plan = bench.plan("ip -o -4 addr show eth0")
        await bench.exited(await bench.start(plan, alone))
        addresses = {one.id: one.address for one in (await bench.runtime.found(bench.node)).sandboxes}
        assert addresses[on_host] == ""
        assert addresses[alone].startswith(engine.subnet.removesuffix("0/24"))
        assert f"inet {addresses[alone]}/" in text_of(plan).decode()

    async def test_a_port_is_published(self, bench: Bench, engine: ContainerdEngine) -> None:
        self.needs("ports")
        port = _free_port()
        ports = (PublishedPort(8080, port, "", "TCP"),)
        sandbox = await bench.sandbox(host_network=False, ports=ports)
        await bench.start(bench.plan("while :; do echo hello | nc -l -p 8080; done"), sandbox)
        gateway = engine.subnet.replace("0/24", "1")

        async def answers() -> bool:
            try:
                reader, writer = await asyncio.open_connection(gateway, port)
            except OSError:
                return False
            text = await reader.read(5)
            writer.close()
            return text == b"hello"

        await until(answers, "the port of the node answers")

    async def test_containers_of_a_pod_share_a_network_and_see_their_own_processes(self, bench: Bench) -> None:
        self.needs("ports")
        sandbox = await bench.sandbox(host_network=False)
        await bench.start(bench.plan("while :; do echo hello | nc -l -p 8080; done"), sandbox)
        plan = bench.plan("until nc 127.0.0.1 8080 </dev/null | grep hello; do sleep 0.1; done; ps")
        await bench.exited(await bench.start(plan, sandbox))
        assert text_of(plan).startswith(b"hello\n")
        assert b"sleep 2147483647" not in text_of(plan)

    # what a container may do

    async def test_kernel_files_are_hidden_but_from_the_privileged(self, bench: Bench) -> None:
        script = "wc -c < /proc/timer_list; exec 2>/dev/null; echo 1 > /proc/sys/kernel/shmmni || echo kept"
        _, text = await bench.run(script)
        assert text == "0\nkept\n"
        plan = bench.plan("wc -c < /proc/timer_list; grep CapEff /proc/self/status", privileged=True)
        await bench.exited(await bench.start(plan, await bench.sandbox(privileged=True)))
        size, capabilities = text_of(plan).decode().splitlines()
        assert size != "0"
        assert int(capabilities.split()[1], 16) >> 21 & 1  # CAP_SYS_ADMIN

    async def test_capabilities(self, bench: Bench) -> None:
        script = "grep CapBnd /proc/self/status"
        _, text = await bench.run(script, capabilities=Capabilities(add=("NET_ADMIN",), drop=("ALL",)))
        assert int(text.split()[1], 16) == 1 << 12

    async def test_no_new_privileges(self, bench: Bench) -> None:
        _, text = await bench.run("grep NoNewPrivs /proc/self/status", no_new_privileges=True)
        assert text.split() == ["NoNewPrivs:", "1"]

    async def test_a_device(self, bench: Bench) -> None:
        one, _ = await bench.run("echo x > /dev/mine", devices=(Mount("/dev/null", "/dev/mine"),))
        assert one.exit_code == 0

    async def test_a_group_without_a_user_is_refused(self, bench: Bench) -> None:
        with pytest.raises(RuntimeRefused, match="runAsUser"):
            await bench.run("true", group=7)

    async def test_limits_are_in_the_control_group(self, bench: Bench, engine: ContainerdEngine) -> None:
        id_ = await bench.up(FOREVER, memory=64 << 20, cpu=0.25, cpu_shares=256)
        limits = _control_group(engine, id_)
        assert limits == {"memory": 64 << 20, "cpu": 0.25, "shares": 256}

    # images

    async def test_an_image_is_pulled(self, bench: Bench, tmp_path: Path) -> None:
        with registry(tmp_path) as address:
            image = f"{address}/some/image:2"
            id_ = await bench.runtime.pull(image)
        [one] = [one for one in await bench.runtime.images() if image in one.names]
        assert one.id == id_
        _, text = await bench.run("echo pulled", image=image)
        assert text == "pulled\n"

    # logs

    async def test_a_log_that_is_long_begins_anew(self, bench: Bench) -> None:
        plan = bench.plan("echo first; until [ -e /tmp/go ]; do sleep 0.05; done; echo second" + AWHILE)
        id_ = await bench.start(plan)
        log = Path(plan.log_path)
        await until(lambda: _says(plan, b"first\n"), "it has said something")
        assert isinstance(bench.runtime, CriRuntime)
        await rotate(bench.runtime._api, id_, log, 10_000)
        assert text_of(plan) == b"first\n"
        await rotate(bench.runtime._api, id_, log, 10)
        assert b"first" in log.with_name(f"{log.name}.1").read_bytes()
        await bench.runtime.execute(id_, ("/bin/touch", "/tmp/go"), 20)
        await until(lambda: _says(plan, b"second\n"), "it goes on in a new file")
        assert text_of(plan) == b"second\n"
        await bench.exited(id_)
        await rotate(bench.runtime._api, id_, log, 10)
        assert text_of(plan) == b"second\n", "there is no other file to go on in"

    async def test_logs_of_running_containers_are_looked_after(self, bench: Bench) -> None:
        plan = bench.plan(FOREVER)
        id_ = await bench.start(plan)
        await bench.here(id_)
        assert isinstance(bench.runtime, CriRuntime)
        assert bench.runtime._finder.logs() == {id_: plan.log_path}
        await bench.runtime.stop(id_, 1)
        await bench.here(id_)
        assert bench.runtime._finder.logs() == {}

    # commands

    async def test_a_command_whose_time_is_over_is_killed(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        with pytest.raises(TimeoutError, match="/bin/sleep"):
            await bench.runtime.execute(id_, ("/bin/sleep", "1234"), 0.5)
        done = await bench.runtime.execute(id_, ("/bin/ps",), 20)
        assert b"sleep 0.1" in done.output
        assert b"1234" not in done.output

    # what comes and goes

    async def test_what_is_known_is_not_asked_again(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        id_ = await bench.up(FOREVER)
        before = await bench.here(id_)
        asked: list[str] = []
        assert isinstance(bench.runtime, CriRuntime)
        call = bench.runtime._api.call

        async def counted(request: Any, *words: Any, **more: Any) -> Any:
            asked.append(type(request).__name__)
            return await call(request, *words, **more)

        monkeypatch.setattr(bench.runtime._api, "call", counted)
        assert await bench.here(id_) == before
        assert sorted(asked) == ["ListContainersRequest", "ListPodSandboxRequest"]

    async def test_without_a_sandboxs_image_there_is_advice(self, bench: Bench, engine: ContainerdEngine) -> None:
        engine.ctr("images", "remove", "--sync", PAUSE)

        async def gone() -> bool:
            return not any(PAUSE in one.names for one in await bench.runtime.images())

        try:
            await until(gone, "the engine notices")
            with pytest.raises(RuntimeRefused, match="twinhub image load"):
                await bench.sandbox()
        finally:
            engine.load_pause()

    async def test_calls_of_one_who_leaves_are_given_up(self, engine: ContainerdEngine, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        async with engine.runtime() as other:
            call = asyncio.create_task(other.execute(id_, ("/bin/sleep", "3"), 10))
            await asyncio.sleep(0.5)
        with pytest.raises(RuntimeUnavailable):
            await call
        with pytest.raises(RuntimeUnavailable):
            await other.found(bench.node)

    async def test_what_is_begun_is_noticed(self, bench: Bench) -> None:
        changes = bench.runtime.changes()
        await anext(changes)
        noticed = asyncio.create_task(anext(changes))
        await bench.sandbox()
        await asyncio.wait_for(noticed, 8)

    async def test_a_long_label_is_kept(self, bench: Bench) -> None:
        labels = bench.labels(**{LABEL.container: "one", LABEL.ending: "x" * 100_000})
        id_ = await bench.runtime.create(await bench.sandbox(), bench.plan(FOREVER, labels=labels))
        assert (await bench.here(id_)).labels == labels


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("", 0))
        return int(one.getsockname()[1])


def _control_group(engine: ContainerdEngine, id_: str) -> dict[str, float]:
    """As the kernel has it, version 1 or 2."""
    pid = next(line.split()[1] for line in engine.ctr("tasks", "list").splitlines() if line.startswith(id_))
    groups = dict(line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    if "memory" not in groups:
        group = Path(f"/sys/fs/cgroup{groups['']}")
        quota, period = map(int, (group / "cpu.max").read_text().split())
        weight = int((group / "cpu.weight").read_text())
        shares = 2 + (weight - 1) * 262_142 // 9999
        return {"memory": int((group / "memory.max").read_text()), "cpu": quota / period, "shares": shares}
    cpu = next(Path(f"/sys/fs/cgroup/{name}{path}") for name, path in groups.items() if "cpu" in name.split(","))
    memory = Path(f"/sys/fs/cgroup/memory{groups['memory']}/memory.limit_in_bytes")
    quota, period = (int((cpu / f"cpu.cfs_{what}_us").read_text()) for what in ("quota", "period"))
    return {
        "memory": int(memory.read_text()),
        "cpu": quota / period,
        "shares": int((cpu / "cpu.shares").read_text()),
    }
