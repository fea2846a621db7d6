from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator

import pytest
from podman_engine import PodmanEngine, podman_engine
from runtime_contract import FOREVER, IMAGE, Bench, RuntimeContract, text_of, until
from session_contract import SessionContract

from edged.pod import Capabilities
from edged.runtime import Mount, NoSuchThing, PublishedPort, RuntimeRefused


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodmanEngine]:
    with podman_engine(tmp_path_factory.mktemp("podman")) as engine:
        yield engine


SERVER = "echo served > /tmp/word; echo up; exec httpd -f -p 8080 -h /tmp"


class TestPodman(RuntimeContract, SessionContract):
    async def test_a_pod_is_reached_by_its_address_its_ports_and_from_within(self, bench: Bench) -> None:
        port = _free_port()
        sandbox = await bench.sandbox(
            host_network=False, ports=(PublishedPort(8080, port), PublishedPort(8081, _free_port(), protocol="UDP"))
        )
        server = bench.plan(SERVER)
        await bench.start(server, sandbox)
        one = await bench.sandbox_here(sandbox)
        assert one
        assert one.address
        for host, number in ((one.address, 8080), ("127.0.0.1", port)):
            assert (
                await until(lambda host=host, number=number: _get(host, number), f"{host}:{number}")
            ) == b"served\n"
        client = bench.plan("wget -q -O - http://127.0.0.1:8080/word")
        await bench.exited(await bench.start(client, sandbox))
        assert text_of(client) == b"served\n"

    async def test_a_host_port_that_is_taken_is_refused_and_leaves_nothing(self, bench: Bench) -> None:
        with socket.create_server(("0.0.0.0", 0)) as taken:
            port = PublishedPort(80, taken.getsockname()[1])
            with pytest.raises(RuntimeRefused, match="address already in use"):
                await bench.sandbox(host_network=False, ports=(port,))
        assert not (await bench.runtime.found(bench.node)).sandboxes

    async def test_on_the_nodes_network_a_pod_has_no_address_of_its_own(self, bench: Bench) -> None:
        one = await bench.sandbox_here(await bench.sandbox())
        assert one
        assert one.address == ""

    async def test_devices_and_privileges(self, bench: Bench) -> None:
        one, text = await bench.run(
            "[ -c /dev/mine ] && echo device; grep NoNewPrivs /proc/self/status; chown 1 /tmp || echo dropped",
            devices=(Mount("/dev/null", "/dev/mine"),),
            no_new_privileges=True,
            capabilities=Capabilities(drop=("ALL",)),
        )
        assert one.exit_code == 0
        assert text.split()[:3] == ["device", "NoNewPrivs:", "1"]
        assert text.endswith("dropped\n")

    async def test_a_privileged_one_sees_the_nodes_devices(self, bench: Bench) -> None:
        _, text = await bench.run("ls /dev | wc -l", privileged=True)
        _, plain = await bench.run("ls /dev | wc -l")
        assert int(text) > int(plain)

    async def test_limits_are_the_kernels(self, bench: Bench, engine: PodmanEngine) -> None:
        id_ = await bench.up(FOREVER, memory=64 << 20, cpu=0.5, cpu_shares=128)
        form = "{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}} {{.HostConfig.CpuShares}}"
        assert engine.podman("inspect", "--format", form, id_).split() == ["67108864", "50000", "100000", "128"]

    async def test_the_services_proxies_are_not_the_containers(self, bench: Bench, engine: PodmanEngine) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HTTP_PROXY", "http://user:word@proxy:1")
            await engine.kill()
            _, text = await bench.run("env")
        assert "proxy" not in text.lower()

    async def test_a_command_that_took_too_long_is_killed(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        with pytest.raises(TimeoutError):
            await bench.runtime.execute(id_, ("/bin/sleep", "4321"), 1)

        async def gone() -> bool:
            seen = await bench.runtime.execute(id_, ("/bin/ps", "-o", "args"), 20)
            return b"sleep 4321" not in seen.output and b"sleep 0.1" in seen.output

        await until(gone, "the command is killed")

    async def test_what_is_refused_is_not_said_to_be_absent(self, bench: Bench) -> None:
        absent = (Mount(str(bench.directory / "absent"), "/data"),)
        with pytest.raises(RuntimeRefused) as refusal:
            await bench.start(bench.plan(FOREVER, mounts=absent))
        assert "no such file" in str(refusal.value)
        assert not isinstance(refusal.value, NoSuchThing)

    async def test_no_secret_is_told(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with pytest.raises(RuntimeRefused) as refusal:
            await bench.start(bench.plan("", command=("/no/such",), env={"PASSWORD": "s3cr3t"}))
        assert "s3cr3t" not in str(refusal.value) + caplog.text

    async def test_a_name_without_a_registry_is_found_here(self, bench: Bench) -> None:
        one, _ = await bench.run("exit 0", image=IMAGE.removeprefix("localhost/"))
        assert one.exit_code == 0

    async def test_one_that_was_being_made_when_the_service_was_killed_is_made(
        self, bench: Bench, engine: PodmanEngine
    ) -> None:
        sandbox, plan = await bench.sandbox(), bench.plan("exit 0")
        with engine.forgetting():
            forgotten = await bench.runtime.create(sandbox, plan)
        assert await bench.container(forgotten) is None
        assert (await bench.exited(await bench.start(plan, sandbox))).exit_code == 0

    async def test_one_that_ended_after_its_monitor_was_killed_has_ended(
        self, bench: Bench, engine: PodmanEngine
    ) -> None:
        sandbox = await bench.sandbox()
        id_ = await bench.start(bench.plan(FOREVER), sandbox)
        pids = engine.podman("inspect", "--format", "{{.State.ConmonPid}} {{.State.Pid}}", id_).split()
        for pid in map(int, pids):
            assert (await bench.here(id_)).state == "running"
            os.kill(pid, signal.SIGKILL)
        one = await bench.exited(id_)
        assert (one.exit_code, one.reason) == (255, "Error")
        assert await bench.here(id_) == one
        await bench.runtime.remove(id_)
        assert await bench.container(id_) is None

    async def test_a_sandbox_that_ended_after_its_monitor_was_killed_is_not_ready(
        self, bench: Bench, engine: PodmanEngine
    ) -> None:
        sandbox = await bench.sandbox()
        infra = engine.podman("pod", "inspect", "--format", "{{.InfraContainerID}}", sandbox).strip()
        for pid in engine.podman("inspect", "--format", "{{.State.ConmonPid}} {{.State.Pid}}", infra).split():
            os.kill(int(pid), signal.SIGKILL)

        async def not_ready() -> bool:
            one = await bench.sandbox_here(sandbox)
            assert one
            return not one.ready

        await until(not_ready, "the sandbox is seen to have ended")

    async def test_changes_go_on_when_the_service_was_killed(self, bench: Bench, engine: PodmanEngine) -> None:
        told: asyncio.Queue[None] = asyncio.Queue()

        async def listen() -> None:
            async for _ in bench.runtime.changes():
                told.put_nowait(None)

        listener = asyncio.create_task(listen(), name="listener")
        try:
            await asyncio.wait_for(told.get(), 20)
            await engine.kill()
            await asyncio.wait_for(told.get(), 20)
        finally:
            listener.cancel()
            await asyncio.wait([listener])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


async def _get(host: str, port: int) -> bytes:
    """The word that the server gives; empty before it is there."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return b""
    writer.write(b"GET /word HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n\r\n")[2]
