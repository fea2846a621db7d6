"""What every container engine behind `edged.runtime.Runtime` must do: tests that each backend's module inherits."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import busybox_image
import pytest
from msgspec.structs import replace

from edged.last_words import place
from edged.runtime import (
    LABEL,
    MOST_OUTPUT,
    ContainerPlan,
    FoundContainer,
    FoundSandbox,
    Mount,
    NoSuchThing,
    Runtime,
    RuntimeRefused,
    RuntimeUnavailable,
    SandboxPlan,
)

IMAGE = busybox_image.NAME
LINE = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP]) (.*)", re.DOTALL
)
FOREVER = "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"
DEAF = "trap '' TERM; echo up; while :; do sleep 1; done"
PATIENCE = 20.0
"""Seconds to wait for a condition, on a machine that is busy with other things."""


class Engine(Protocol):
    """What a backend's test module gives: an engine that outlives those who use it. Its fixture `engine` may be of
    any scope, and skips with one line where the engine is not installed."""

    def runtime(self) -> Runtime:
        """One more user of the same engine, not entered yet."""
        ...

    async def kill(self) -> None:
        """With -9, what answers; the containers stay. Nothing, where there is no such thing."""
        ...

    async def revive(self) -> None:
        """Start it again."""
        ...


async def until(condition: Callable[[], Awaitable[Any]], what: str, within: float = PATIENCE) -> Any:
    """The first true value of the condition."""
    end = time.monotonic() + within
    while not (value := await condition()):
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.05)
    return value


class Bench:
    """One test's corner of the engine: a node of its own, cleared away at the end."""

    def __init__(self, runtime: Runtime, directory: Path) -> None:
        self.runtime = runtime
        self.directory = directory
        self.node = f"node-{uuid4().hex[:12]}"
        self._numbers = count()

    def labels(self, **more: str) -> dict[str, str]:
        pod = f"default/{self.node}"
        return {LABEL.node: self.node, LABEL.pod: pod, LABEL.uid: "u", LABEL.spec: "h", LABEL.restarts: "0", **more}

    def sandbox_plan(self, **changes: Any) -> SandboxPlan:
        name = f"{self.node}-s{next(self._numbers)}"
        return replace(SandboxPlan(name=name, hostname="box", labels=self.labels(), host_network=True), **changes)

    async def sandbox(self, **changes: Any) -> str:
        return await self.runtime.run_sandbox(self.sandbox_plan(**changes))

    def plan(self, script: str, **changes: Any) -> ContainerPlan:
        name = f"{self.node}-c{next(self._numbers)}"
        plan = ContainerPlan(
            name=name,
            image=IMAGE,
            command=("/bin/sh", "-c", script),
            env={},
            labels=self.labels(**{LABEL.container: "one"}),
            log_path=str(self.directory / f"{name}.log"),
        )
        return replace(plan, **changes)

    async def start(self, plan: ContainerPlan, sandbox: str = "") -> str:
        id_ = await self.runtime.create(sandbox or await self.sandbox(), plan)
        await self.runtime.start(id_)
        return id_

    async def up(self, script: str, **changes: Any) -> str:
        """A container that said `up`."""
        plan = self.plan(script, **changes)
        id_ = await self.start(plan)
        await until(lambda: self._said(plan, "up"), "the program says that it is up")
        return id_

    async def _said(self, plan: ContainerPlan, word: str) -> bool:
        return word.encode() in text_of(plan)

    async def container(self, id_: str, runtime: Runtime | None = None) -> FoundContainer | None:
        found = await (runtime or self.runtime).found(self.node)
        return next((one for one in found.containers if one.id == id_), None)

    async def here(self, id_: str) -> FoundContainer:
        one = await self.container(id_)
        assert one, f"container {id_} is not found"
        return one

    async def sandbox_here(self, id_: str) -> FoundSandbox | None:
        return next((one for one in (await self.runtime.found(self.node)).sandboxes if one.id == id_), None)

    async def exited(self, id_: str) -> FoundContainer:
        """Once it has."""

        async def ended() -> FoundContainer | None:
            one = await self.here(id_)
            return one if one.state == "exited" else None

        one = await until(ended, f"container {id_} exits")
        assert isinstance(one, FoundContainer)
        return one

    async def ended(self, script: str, **changes: Any) -> FoundContainer:
        """Run it to its end; what became of it."""
        return await self.exited(await self.start(self.plan(script, **changes)))

    async def run(self, script: str, **changes: Any) -> tuple[FoundContainer, str]:
        """Run it to its end; what became of it, and what it said on either stream."""
        plan = self.plan(script, **changes)
        one = await self.exited(await self.start(plan))
        said = await until(lambda: self._whole(plan, one), "the log is whole")
        return one, said[0]

    async def _whole(self, plan: ContainerPlan, one: FoundContainer) -> tuple[str] | None:
        """Its text, once there is some, or once it had a second to come."""
        text = text_of(plan).decode(errors="replace")
        return (text,) if text or time.time() > one.finished + 1 else None

    async def clear(self) -> None:
        found = await self.runtime.found(self.node)
        await asyncio.gather(*(self.runtime.remove_sandbox(one.id) for one in found.sandboxes))


def lines_of(plan: ContainerPlan) -> list[tuple[bytes, bytes, bytes]]:
    """Stream, F or P, and text of each line of a log."""
    path = Path(plan.log_path)
    if not path.exists():
        return []
    content = path.read_bytes()
    assert content == b"" or content.endswith(b"\n"), "the log ends in the midst of a line"
    matches = [(line, LINE.fullmatch(line)) for line in content.split(b"\n")[:-1]]
    for line, match in matches:
        assert match, f"not in the form of a log line: {line[:100]!r}"
    return [(match[2], match[3], match[4]) for _, match in matches if match]


def text_of(plan: ContainerPlan, stream: bytes = b"") -> bytes:
    """What was said, put together again."""
    path = Path(plan.log_path)
    parts = []
    for line in (path.read_bytes() if path.exists() else b"").split(b"\n")[:-1]:
        match = LINE.fullmatch(line)
        if match and stream in (b"", match[2]):
            parts.append(match[4] + (b"\n" if match[3] == b"F" else b""))
    return b"".join(parts)


class RuntimeContract:
    """Subclass it as `Test…`, and give a fixture `engine`."""

    lacks: Mapping[str, str] = {}
    """What this engine does not have here, and a word of the sentence in `Info.lacks` that says so. Known: memory,
    user, groups, read-only root, mounts, hostname, ports, images."""

    @pytest.fixture
    async def runtime(self, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runtime]:
        async with engine.runtime() as runtime:
            if not any(IMAGE in one.names for one in await runtime.images()):
                await runtime.load(
                    str(busybox_image.docker_archive(tmp_path_factory.mktemp("image") / "busybox.tar"))
                )
            yield runtime

    @pytest.fixture
    async def bench(self, runtime: Runtime, tmp_path: Path) -> AsyncIterator[Bench]:
        tmp_path.chmod(0o755)
        bench = Bench(runtime, tmp_path)
        yield bench
        await bench.clear()

    def needs(self, what: str) -> None:
        if what in self.lacks:
            pytest.skip(f"this engine has no {what} here, and says so")

    # what it is

    async def test_it_says_what_it_is_and_what_it_lacks(self, runtime: Runtime) -> None:
        info = await runtime.info()
        assert info.name
        assert info.version
        for what, word in self.lacks.items():
            assert any(word in sentence for sentence in info.lacks), f"{what} lacks, and info does not tell"

    # sandboxes

    async def test_a_sandbox_is_found_with_its_labels(self, bench: Bench) -> None:
        before = time.time()
        labels = bench.labels(**{"example.org/any": 'text, "quoted" = ü'})
        id_ = await bench.sandbox(labels=labels)
        found = await bench.runtime.found(bench.node)
        assert [one.id for one in found.sandboxes] == [id_]
        assert not found.containers
        assert dict(found.sandboxes[0].labels) == labels
        assert found.sandboxes[0].ready
        assert before - 2 < found.sandboxes[0].created < time.time() + 2

    async def test_only_what_bears_the_nodes_label_is_found(self, bench: Bench) -> None:
        await bench.sandbox()
        found = await bench.runtime.found("another")
        assert not found.sandboxes
        assert not found.containers

    async def test_a_sandboxs_name_is_given_once(self, bench: Bench) -> None:
        plan = bench.sandbox_plan()
        made = await asyncio.gather(*(bench.runtime.run_sandbox(plan) for _ in range(3)), return_exceptions=True)
        assert sorted(isinstance(one, str) for one in made) == [False, False, True]
        assert all(isinstance(one, str | RuntimeRefused) for one in made), made
        assert len((await bench.runtime.found(bench.node)).sandboxes) == 1

    async def test_a_stopped_sandbox_stays_and_is_not_ready(self, bench: Bench) -> None:
        sandbox = await bench.sandbox()
        id_ = await bench.start(bench.plan(FOREVER), sandbox)
        await bench.runtime.stop_sandbox(sandbox)
        await bench.runtime.stop_sandbox(sandbox)
        assert (await bench.exited(id_)).exit_code not in (None, 0)
        one = await bench.sandbox_here(sandbox)
        assert one
        assert not one.ready
        with pytest.raises(RuntimeRefused):
            await bench.start(bench.plan(FOREVER), sandbox)

    async def test_a_sandbox_is_removed_with_all_that_runs_in_it(self, bench: Bench) -> None:
        sandbox = await bench.sandbox()
        await asyncio.gather(*(bench.start(bench.plan(DEAF), sandbox) for _ in range(2)))
        await bench.runtime.remove_sandbox(sandbox)
        found = await bench.runtime.found(bench.node)
        assert not found.sandboxes
        assert not found.containers
        await bench.runtime.remove_sandbox(sandbox)
        await bench.runtime.stop_sandbox(sandbox)

    async def test_hostname(self, bench: Bench) -> None:
        self.needs("hostname")
        sandbox = await bench.sandbox(host_network=False, hostname="the-box")
        plan = bench.plan("hostname")
        await bench.exited(await bench.start(plan, sandbox))
        assert text_of(plan) == b"the-box\n"

    # the life of a container

    async def test_created_running_exited(self, bench: Bench) -> None:
        before = time.time()
        sandbox = await bench.sandbox()
        plan = bench.plan(FOREVER, labels=bench.labels(**{LABEL.container: "one", LABEL.ending: '{"grace": 3}'}))
        id_ = await bench.runtime.create(sandbox, plan)
        one = await bench.here(id_)
        assert (one.state, one.sandbox, one.started, one.exit_code) == ("created", sandbox, 0, None)
        assert dict(one.labels) == dict(plan.labels)
        assert before - 2 < one.created < time.time() + 2
        await bench.runtime.start(id_)
        one = await bench.here(id_)
        assert (one.state, one.reason, one.exit_code) == ("running", "", None)
        assert before - 2 < one.started < time.time() + 2
        assert one.image_id
        await until(lambda: bench._said(plan, "up"), "the program says that it is up")
        await bench.runtime.stop(id_, PATIENCE)
        ended = await bench.here(id_)
        assert (ended.state, ended.exit_code, ended.reason) == ("exited", 7, "Error")
        assert one.started == ended.started <= ended.finished < time.time() + 2
        await bench.runtime.stop(id_, 1)

    async def test_one_that_ends_well_is_completed(self, bench: Bench) -> None:
        one = await bench.ended("exit 0")
        assert (one.exit_code, one.reason) == (0, "Completed")

    async def test_one_that_ends_badly_is_an_error(self, bench: Bench) -> None:
        one = await bench.ended("exit 42")
        assert (one.exit_code, one.reason) == (42, "Error")

    async def test_one_that_was_killed_has_the_signals_code(self, bench: Bench) -> None:
        one = await bench.ended("sh -c 'kill -9 $$'; exit $?")
        assert one.exit_code == 137

    async def test_one_that_uses_too_much_memory_is_killed(self, bench: Bench) -> None:
        self.needs("memory")
        one = await bench.ended("exec tail -c 500000000 /dev/zero", memory=24 << 20)
        assert one.reason == "OOMKilled"
        assert one.exit_code == 137

    async def test_grace_is_kept(self, bench: Bench) -> None:
        id_ = await bench.up(DEAF)
        began = time.monotonic()
        await bench.runtime.stop(id_, 2)
        assert 1.8 <= time.monotonic() - began < PATIENCE
        one = await bench.here(id_)
        assert (one.state, one.exit_code) == ("exited", 137)

    async def test_no_grace_is_no_pause(self, bench: Bench) -> None:
        id_ = await bench.up(DEAF)
        await bench.runtime.stop(id_, 0)
        assert (await bench.here(id_)).state == "exited"

    async def test_one_that_hears_is_not_waited_for(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        began = time.monotonic()
        await bench.runtime.stop(id_, 120)
        assert time.monotonic() - began < 60
        assert (await bench.here(id_)).exit_code == 7

    async def test_children_end_with_their_container(self, bench: Bench) -> None:
        token = f"/tmp/beat-{uuid4().hex}"
        beat = bench.directory / "beats"
        beat.touch()
        beat.chmod(0o666)
        script = f"(while :; do echo x >> {token}; sleep 0.1; done) & setsid sh -c 'sleep 1000' & {FOREVER}"
        if "mounts" in self.lacks:
            script = script.replace(token, str(beat))
        mounts = () if "mounts" in self.lacks else (Mount(str(beat), token),)
        id_ = await bench.up(script, mounts=mounts)
        await until(lambda: _grown(beat, 0), "the child beats")
        await bench.runtime.stop(id_, 5)
        size = beat.stat().st_size
        await asyncio.sleep(0.5)
        assert beat.stat().st_size == size

    async def test_removing_and_stopping_what_is_gone_is_no_error(self, bench: Bench) -> None:
        id_ = await bench.up(DEAF)
        await bench.runtime.remove(id_)
        assert await bench.container(id_) is None
        await bench.runtime.remove(id_)
        await bench.runtime.stop(id_, 1)
        await bench.runtime.stop_sandbox("0" * 64)
        await bench.runtime.remove_sandbox("0" * 64)

    async def test_one_that_was_not_started_is_removed(self, bench: Bench) -> None:
        id_ = await bench.runtime.create(await bench.sandbox(), bench.plan(FOREVER))
        await bench.runtime.stop(id_, 1)
        await bench.runtime.remove(id_)
        assert await bench.container(id_) is None

    async def test_what_is_not_there_is_told(self, bench: Bench) -> None:
        with pytest.raises(NoSuchThing):
            await bench.runtime.start("0" * 64)
        with pytest.raises(RuntimeRefused):
            await bench.runtime.create("0" * 64, bench.plan(FOREVER))
        with pytest.raises(NoSuchThing):
            await bench.runtime.execute("0" * 64, ("true",), 5)

    async def test_a_containers_name_is_given_once(self, bench: Bench) -> None:
        sandbox, plan = await bench.sandbox(), bench.plan(FOREVER)
        made = await asyncio.gather(*(bench.runtime.create(sandbox, plan) for _ in range(3)), return_exceptions=True)
        assert sorted(isinstance(one, str) for one in made) == [False, False, True]
        assert all(isinstance(one, str | RuntimeRefused) for one in made), made
        assert len((await bench.runtime.found(bench.node)).containers) == 1

    async def test_it_is_not_started_twice(self, bench: Bench) -> None:
        plan = bench.plan(FOREVER)
        id_ = await bench.runtime.create(await bench.sandbox(), plan)
        await asyncio.gather(*(bench.runtime.start(id_) for _ in range(3)), return_exceptions=True)
        await until(lambda: bench._said(plan, "up"), "the program says that it is up")
        await bench.runtime.stop(id_, PATIENCE)
        assert text_of(plan) == b"up\n"

    async def test_a_program_that_is_not_there_is_refused(self, bench: Bench) -> None:
        sandbox = await bench.sandbox()
        with pytest.raises(RuntimeRefused) as refusal:
            await bench.start(bench.plan("", command=("/no/such/program",)), sandbox)
        assert refusal.value.reason in ("RunContainerError", "CreateContainerError")
        assert "/no/such/program" in str(refusal.value)

    # what a container is made from

    async def test_environment_command_arguments_directory(self, bench: Bench) -> None:
        one, text = await bench.run(
            "",
            command=("/bin/sh", "-c", 'echo "$A|$B|$1|$2|$(pwd)|$MADE"', "name"),
            args=("x y", "$A"),
            env={"A": "a 'b' \"c\" $d\nline", "B": ""},
            working_dir="/tmp",
        )
        assert one.exit_code == 0
        assert text == "a 'b' \"c\" $d\nline||x y|$A|/tmp|here\n"

    async def test_the_images_own_command(self, bench: Bench) -> None:
        _, text = await bench.run("", command=())
        assert text == "by itself\n"

    async def test_mounts(self, bench: Bench) -> None:
        self.needs("mounts")
        for name in ("in", "out"):
            (bench.directory / name).mkdir(mode=0o777)
        (bench.directory / "in" / "word").write_text("hello")
        (bench.directory / "file").write_text("a file")
        one, text = await bench.run(
            "cat /data/in/word; cat /etc/one; echo made > /data/out/made; echo no > /data/in/no || exit 3",
            mounts=(
                Mount(str(bench.directory / "in"), "/data/in", read_only=True),
                Mount(str(bench.directory / "out"), "/data/out"),
                Mount(str(bench.directory / "file"), "/etc/one", read_only=True),
            ),
        )
        assert "helloa file" in text
        assert one.exit_code == 3
        assert (bench.directory / "out" / "made").read_text() == "made\n"
        assert not (bench.directory / "in" / "no").exists()

    async def test_a_mounts_source_that_is_not_there_is_refused(self, bench: Bench) -> None:
        self.needs("mounts")
        with pytest.raises(RuntimeRefused):
            await bench.start(bench.plan(FOREVER, mounts=(Mount(str(bench.directory / "absent"), "/data"),)))

    @pytest.mark.parametrize("path", ["/dev/termination-log", "/var/last/words"])
    @pytest.mark.parametrize("user", [None, 1234])
    async def test_last_words(self, bench: Bench, path: str, user: int | None) -> None:
        """The file at its message path is one of the node, for any user to write."""
        file = bench.directory / "words"
        plan = bench.plan(f"echo oh dear > {path}; exit 3", message_path=path, message_file=str(file), user=user)
        place(plan)
        one = await bench.exited(await bench.start(plan))
        assert one.exit_code == 3
        assert file.read_text() == "oh dear\n"

    async def test_user_and_group(self, bench: Bench) -> None:
        self.needs("user")
        _, text = await bench.run("echo $(id -u) $(id -g)", user=1234, group=4321)
        assert text == "1234 4321\n"

    async def test_a_user_may_open_its_own_output_again(self, bench: Bench) -> None:
        self.needs("user")
        one, text = await bench.run("echo again > /dev/stdout", user=1234, group=4321)
        assert (one.exit_code, text) == (0, "again\n")

    async def test_supplemental_groups(self, bench: Bench) -> None:
        self.needs("groups")
        _, text = await bench.run("id -G", user=1234, group=4321, groups=(777,))
        assert set(text.split()) == {"4321", "777"}

    async def test_read_only_root(self, bench: Bench) -> None:
        self.needs("read-only root")
        one = await bench.ended("echo x > /root/x || exit 3", read_only_root=True)
        assert one.exit_code == 3

    async def test_the_root_of_one_is_not_that_of_another(self, bench: Bench) -> None:
        self.needs("images")
        await bench.ended("echo x > /root/mine; rm /bin/vi")
        one, text = await bench.run("ls /root; ls /bin/vi")
        assert "mine" not in text
        assert one.exit_code == 0

    # logs

    async def test_both_streams_are_in_the_log(self, bench: Bench) -> None:
        plan = bench.plan("echo out; echo err >&2; echo again")
        await bench.exited(await bench.start(plan))
        await until(lambda: _says(plan, b"again\n"), "the log is whole")
        await until(lambda: _says(plan, b"err\n"), "the log is whole")
        assert text_of(plan, b"stdout") == b"out\nagain\n"
        assert text_of(plan, b"stderr") == b"err\n"
        assert all(part == b"F" for _, part, _ in lines_of(plan))

    async def test_long_lines_come_whole(self, bench: Bench) -> None:
        plan = bench.plan("head -c 100000 /dev/zero | tr '\\0' x; echo; echo end")
        await bench.exited(await bench.start(plan))
        await until(lambda: _says(plan, b"end\n"), "the log is whole")
        assert text_of(plan) == b"x" * 100_000 + b"\nend\n"
        assert all(len(text) <= 65_536 for _, _, text in lines_of(plan))

    async def test_a_last_line_without_its_end(self, bench: Bench) -> None:
        plan = bench.plan("echo first; printf last")
        await bench.exited(await bench.start(plan))
        await until(lambda: _says(plan, b"last"), "the log is whole")
        assert text_of(plan).removesuffix(b"\n") == b"first\nlast"

    async def test_bytes_that_are_no_text(self, bench: Bench) -> None:
        plan = bench.plan(r"printf '\377\000\200\033[0m\r\nnext\n'")
        await bench.exited(await bench.start(plan))
        await until(lambda: _says(plan, b"next\n"), "the log is whole")
        assert text_of(plan) == b"\xff\x00\x80\x1b[0m\r\nnext\n"

    async def test_a_flood_is_logged_whole_and_in_order(self, bench: Bench) -> None:
        plan = bench.plan("seq 1 20000")
        await bench.exited(await bench.start(plan))
        await until(lambda: _says(plan, b"\n20000\n"), "the log is whole")
        assert text_of(plan) == b"".join(b"%d\n" % number for number in range(1, 20_001))

    # execute, usage

    async def test_execute(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER, env={"A": "b"})
        done = await bench.runtime.execute(id_, ("/bin/sh", "-c", "echo $A; echo err >&2; exit 3"), PATIENCE)
        assert done.exit_code == 3
        assert sorted(done.output.split()) == [b"b", b"err"]

    async def test_execute_gives_the_last_of_much(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        script = f"head -c {2 * MOST_OUTPUT} /dev/zero; echo end"
        done = await bench.runtime.execute(id_, ("/bin/sh", "-c", script), PATIENCE)
        assert done.exit_code == 0
        assert len(done.output) <= MOST_OUTPUT
        assert done.output.endswith(b"\0end\n")

    async def test_execute_ends_in_time(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await bench.runtime.execute(id_, ("/bin/sleep", "1000"), 1)
        assert time.monotonic() - began < PATIENCE
        assert (await bench.here(id_)).state == "running"

    async def test_execute_what_is_not_there(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        try:
            done = await bench.runtime.execute(id_, ("/no/such/program",), PATIENCE)
        except RuntimeRefused as refusal:
            assert "/no/such/program" in str(refusal)  # noqa: PT017
        else:
            assert done.exit_code in (126, 127)

    async def test_execute_in_one_that_ended_is_refused(self, bench: Bench) -> None:
        one = await bench.ended("exit 0")
        with pytest.raises(RuntimeRefused):
            await bench.runtime.execute(one.id, ("/bin/true",), 5)

    async def test_usage(self, bench: Bench) -> None:
        id_ = await bench.up("echo up; while :; do :; done")

        async def used() -> bool:
            usage = await bench.runtime.usage(id_)
            return usage.cpu_seconds > 0.2 and usage.memory > 0

        await until(used, "it has used some processor time")
        assert (await bench.runtime.usage(id_)).memory < 1 << 30

    # images

    async def test_images(self, runtime: Runtime) -> None:
        [one] = [image for image in await runtime.images() if IMAGE in image.names]
        assert one.id
        assert one.size > 100_000

    @pytest.mark.parametrize("form", [busybox_image.docker_archive, busybox_image.oci_archive])
    async def test_load(self, form: Callable[[Path], Path], runtime: Runtime, tmp_path: Path) -> None:
        assert list(await runtime.load(str(form(tmp_path / "image.tar")))) == [IMAGE]
        assert any(IMAGE in one.names for one in await runtime.images())

    async def test_what_is_no_archive_is_not_loaded(self, runtime: Runtime, tmp_path: Path) -> None:
        path = tmp_path / "image.tar"
        path.write_bytes(b"this is no archive" * 100)
        with pytest.raises(RuntimeRefused):
            await runtime.load(str(path))
        with pytest.raises(RuntimeRefused):
            await runtime.load(str(tmp_path / "absent.tar"))

    async def test_an_image_that_is_not_there(self, bench: Bench) -> None:
        sandbox = await bench.sandbox()
        with pytest.raises(RuntimeRefused) as refusal:
            await bench.runtime.create(sandbox, bench.plan(FOREVER, image="localhost/absent:1"))
        assert refusal.value.reason in ("ErrImagePull", "ErrImageNeverPull", "CreateContainerError")
        assert "localhost/absent:1" in str(refusal.value)
        assert not (await bench.runtime.found(bench.node)).containers

    async def test_a_registry_that_does_not_answer(self, runtime: Runtime) -> None:
        with pytest.raises(RuntimeRefused) as refusal:
            await runtime.pull("localhost:9/absent:1")
        assert refusal.value.reason == "ErrImagePull"

    # many, again, and behind one's back

    async def test_twenty_at_once(self, bench: Bench) -> None:
        ids = await asyncio.gather(*(bench.start(bench.plan(FOREVER)) for _ in range(20)))
        found = await bench.runtime.found(bench.node)
        assert {one.id for one in found.containers if one.state == "running"} == set(ids)
        assert len({one.sandbox for one in found.containers}) == 20
        await asyncio.gather(*(bench.runtime.remove_sandbox(one.id) for one in found.sandboxes))
        assert not (await bench.runtime.found(bench.node)).containers

    async def test_another_user_of_the_engine_sees_the_same(self, engine: Engine, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        async with engine.runtime() as other:
            assert await other.found(bench.node) == await bench.runtime.found(bench.node)
            await other.stop(id_, PATIENCE)
        assert (await bench.here(id_)).exit_code == 7

    async def test_what_runs_goes_on_when_it_is_left(self, engine: Engine, bench: Bench) -> None:
        async with engine.runtime() as other:
            own = Bench(other, bench.directory)
            own.node = bench.node
            id_ = await own.up(FOREVER)
            before = await own.here(id_)
        assert await bench.here(id_) == before

    async def test_the_engine_is_killed_and_comes_back(self, engine: Engine, bench: Bench) -> None:
        plan = bench.plan("echo up; while :; do date +%s.%N; sleep 0.1; done")
        id_ = await bench.start(plan)
        await until(lambda: bench._said(plan, "up"), "the program says that it is up")
        before = await bench.here(id_)
        await engine.kill()
        await engine.revive()
        after = await until(lambda: self._answer(bench, id_), "the engine answers again", 60)
        assert after == before
        lines = len(lines_of(plan))
        await until(lambda: _more(plan, lines), "the log goes on")
        await bench.runtime.stop(id_, 1)
        assert (await bench.here(id_)).exit_code in (137, 143)

    async def _answer(self, bench: Bench, id_: str) -> FoundContainer | None:
        try:
            return await bench.container(id_)
        except RuntimeUnavailable:
            await bench.runtime.__aexit__(None, None, None)
            try:
                await bench.runtime.__aenter__()
            except RuntimeUnavailable:
                return None
            return None

    async def test_an_exit_is_told(self, bench: Bench) -> None:
        changes = bench.runtime.changes()
        told = asyncio.Event()
        plan = bench.plan("echo up; while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 5")
        id_ = await bench.start(plan)
        await until(lambda: bench._said(plan, "up"), "the program says that it is up")

        async def listen() -> None:
            async for _ in changes:
                told.set()

        async with asyncio.TaskGroup() as group:
            listener = group.create_task(listen(), name="listener")
            await asyncio.sleep(1)
            told.clear()
            await bench.runtime.execute(id_, ("/bin/touch", "/tmp/go"), PATIENCE)

            async def seen() -> bool:
                """An engine may tell a moment before it shows it."""
                await told.wait()
                told.clear()
                for _ in range(20):
                    if (await bench.here(id_)).state == "exited":
                        return True
                    await asyncio.sleep(0.05)
                return False

            await asyncio.wait_for(until(seen, "the exit is told"), PATIENCE)
            listener.cancel()
        finished = (await bench.here(id_)).finished
        assert time.time() - finished < PATIENCE


async def _says(plan: ContainerPlan, text: bytes) -> bool:
    return text in text_of(plan)


async def _grown(path: Path, size: int) -> bool:
    return path.stat().st_size > size


async def _more(plan: ContainerPlan, lines: int) -> bool:
    return len(text_of(plan).splitlines()) > lines
