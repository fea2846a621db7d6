"""A simulated OPC-UA server: a boiler, and as many counters as one likes.

    python -m mappers.opcua.simulator --port 14840

    ns=2;s=Boiler.Temperature   Double, °C, 0 to 120                            read
    ns=2;s=Boiler.Pressure      Float, bar; uncertain while the burner is off   read
    ns=2;s=Boiler.SetPoint      Int32, °C, 0 to 100                             read, write
    ns=2;s=Boiler.Burner        Boolean                                         read, write
    ns=2;s=Boiler.Operator      String                                          read, write
    ns=2;s=Boiler.Profile       Double[]                                        read, write
    ns=2;s=Boiler.Batch         structure: Number, Product, Masses, Note        read, write
    ns=2;s=Boiler.Rinse         method (Seconds Double, Zones Int32[]) → (Litres Double, Report String)
    ns=2;s=Item.N               Double, counts, with --items                    read

Temperature follows the set-point while the burner is on. With --security the server also offers the three usual
policies, with a certificate that it makes in that folder, and knows the user `operator`, whose password is `boiler`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import Server, ua, uamethod
from asyncua.common.node import Node
from asyncua.common.structures104 import new_struct, new_struct_field
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.binary_server_asyncio import BinaryServer
from cryptography.x509.oid import ExtendedKeyUsageOID

OUTSIDE = 15.0
"""°C"""
INERTIA = 30.0
"""Seconds in which the boiler comes nearer to its goal by a factor e."""
STEP = 0.1
"""Seconds between two steps of the boiler."""
IN_A_FOLDER = 100
"""Counters under one node: adding more to it becomes slow."""

NAMESPACE = "urn:twinhub:boiler"
CELSIUS, BAR = 4408652, 4342098
"""UNECE codes of units, as OPC-UA has them as numbers."""
USER, PASSWORD = "operator", "boiler"


class Boiler:
    """The address space, and the server in front of it. `start` and `stop` may be repeated; values are kept."""

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, items: int = 0, more: int = 0, security: Path | None = None
    ) -> None:
        self.host = host
        self.port = port
        """0: a free one is taken at the first start, and kept."""
        self.names = ("Boiler", *(f"Boiler{n}" for n in range(2, more + 2)))
        self._items = items
        self._security = security
        self._server: Server | None = None
        self._listener: BinaryServer | None = None
        self._nodes: dict[str, ua.NodeId] = {}

    @property
    def url(self) -> str:
        """Where it is."""
        return f"opc.tcp://{self.host}:{self.port}/"

    async def start(self) -> None:
        """Serve. OSError when the address is taken."""
        if self._listener is None:
            self._server = await self._build()
            self._listener = self._server.bserver
            self.port = self._listener.port
        else:
            await self._listener.start()

    async def stop(self) -> None:
        """End all connections and serve no more."""
        if self._listener is not None:
            await self._listener.stop()

    async def end(self) -> None:
        """Stop for good."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    async def show(self, name: str, value: Any, status: int = ua.StatusCodes.Good) -> datetime:
        """Let a variable say it; returns the source time it says it with."""
        now = datetime.now(UTC)
        node = self._nodes[name]
        data = ua.DataValue(
            ua.Variant(value, self._kind(name)), ua.StatusCode(status), SourceTimestamp=now, ServerTimestamp=now
        )
        await self._running.write_attribute_value(node, data)
        return now

    def holds(self, name: str) -> Any:
        """What a variable holds."""
        return self._running.read_attribute_value(self._nodes[name]).Value.Value

    async def live(self, rate: float = 1.0) -> None:
        """Be a boiler, for ever, and let each counter change so many times a second."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._burn(self.names))
            if self._items:
                tasks.create_task(self._count(1 / rate))

    async def _burn(self, names: Sequence[str]) -> None:
        while True:
            await asyncio.sleep(STEP)
            for name in names:
                on = self.holds(f"{name}.Burner")
                goal = float(self.holds(f"{name}.SetPoint")) if on else OUTSIDE
                temperature = goal + (self.holds(f"{name}.Temperature") - goal) * math.exp(-STEP / INERTIA)
                await self.show(f"{name}.Temperature", temperature)
                status = ua.StatusCodes.Good if on else ua.StatusCodes.UncertainSensorNotAccurate
                await self.show(f"{name}.Pressure", 1 + temperature / 100, status)

    async def _count(self, period: float) -> None:
        loop = asyncio.get_running_loop()
        due, value = loop.time(), 0.0
        while True:
            value += 1
            for number in range(self._items):
                await self.show(f"Item.{number}", value)
                if number % IN_A_FOLDER == 0:
                    await asyncio.sleep(0)  # subscriptions have their turn
            due = max(due + period, loop.time())
            await asyncio.sleep(due - loop.time())

    @property
    def _running(self) -> Server:
        assert self._server is not None
        return self._server

    def _kind(self, name: str) -> ua.VariantType:
        return self._running.read_attribute_value(self._nodes[name]).Value.VariantType

    # -- the address space ---------------------------------------------------------------------------------

    async def _build(self) -> Server:
        server = Server(user_manager=_Users() if self._security else None)
        await server.init()
        server.set_endpoint(f"opc.tcp://{self.host}:{self.port}/")
        await server.set_application_uri(f"urn:{socket.gethostname()}:boiler")
        server.set_server_name("boiler")
        if self._security:
            await self._secure(server, self._security)
        space = await server.register_namespace(NAMESPACE)
        kind = await _batch_type(server, space)
        for name in self.names:
            boiler = await server.nodes.objects.add_object(ua.NodeId(name, space), ua.QualifiedName(name, space))
            await self._add_variables(boiler, space)
            await self._add_batch(boiler, kind, space)
            await _add_method(boiler, space)
        for start in range(0, self._items, IN_A_FOLDER):
            await self._add_items(server, space, range(start, min(start + IN_A_FOLDER, self._items)))
        await server.start()
        return server

    async def _secure(self, server: Server, folder: Path) -> None:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        key, certificate = folder / "boiler-key.pem", folder / "boiler.der"
        uri, host = f"urn:{socket.gethostname()}:boiler", socket.gethostname()
        await setup_self_signed_certificate(key, certificate, uri, host, [ExtendedKeyUsageOID.SERVER_AUTH], {})
        await server.load_certificate(str(certificate))
        await server.load_private_key(key)

    async def _add_variables(self, boiler: Node, space: int) -> None:
        temperature = await self._add(boiler, space, "Temperature", OUTSIDE, ua.VariantType.Double)
        await self._describe(temperature, "°C", CELSIUS, 0, 120)
        pressure = await self._add(boiler, space, "Pressure", 1.0, ua.VariantType.Float)
        await self._describe(pressure, "bar", BAR, 0, 10)
        set_point = await self._add(boiler, space, "SetPoint", 60, ua.VariantType.Int32, writable=True)
        await self._describe(set_point, "°C", CELSIUS, 0, 100)
        await self._add(boiler, space, "Burner", True, ua.VariantType.Boolean, writable=True)
        await self._add(boiler, space, "Operator", "nobody", ua.VariantType.String, writable=True)
        await self._add(boiler, space, "Profile", [20.0, 60.0, 80.0], ua.VariantType.Double, writable=True)

    async def _add(
        self, parent: Node, space: int, name: str, value: Any, kind: ua.VariantType, *, writable: bool = False
    ) -> Node:
        path = f"{parent.nodeid.Identifier}.{name}"
        self._nodes[path] = ua.NodeId(path, space)
        node = await parent.add_variable(self._nodes[path], ua.QualifiedName(name, space), value, varianttype=kind)
        if writable:
            await node.set_writable()
        return node

    @staticmethod
    async def _describe(node: Node, unit: str, code: int, low: float, high: float) -> None:
        information = ua.EUInformation(
            NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact", UnitId=code,
            DisplayName=ua.LocalizedText(unit), Description=ua.LocalizedText(unit),
        )  # fmt: skip
        await node.add_property(0, "EngineeringUnits", information)
        await node.add_property(0, "EURange", ua.Range(Low=float(low), High=float(high)))

    async def _add_batch(self, boiler: Node, kind: ua.NodeId, space: int) -> None:
        batch = ua.BoilerBatch(Number=7, Product="steam", Masses=[1.5, 2.5])
        path = f"{boiler.nodeid.Identifier}.Batch"
        self._nodes[path] = ua.NodeId(path, space)
        name = ua.QualifiedName("Batch", space)
        node = await boiler.add_variable(self._nodes[path], name, batch, datatype=kind)
        await node.set_writable()

    async def _add_items(self, server: Server, space: int, numbers: range) -> None:
        name = f"Items {numbers[0]}"
        folder = await server.nodes.objects.add_folder(ua.NodeId(name, space), ua.QualifiedName(name, space))
        for number in numbers:
            path = f"Item.{number}"
            self._nodes[path] = ua.NodeId(path, space)
            await folder.add_variable(self._nodes[path], ua.QualifiedName(str(number), space), 0.0)


async def _batch_type(server: Server, space: int) -> ua.NodeId:
    fields = [
        new_struct_field("Number", ua.VariantType.UInt32),
        new_struct_field("Product", ua.VariantType.String),
        new_struct_field("Masses", ua.VariantType.Double, array=True),
        new_struct_field("Note", ua.VariantType.LocalizedText, optional=True),
    ]
    kind, _ = await new_struct(server, space, "BoilerBatch", fields)
    await server.load_data_type_definitions()  # which are the process's: a second server finds the first one's
    return kind.nodeid


async def _add_method(boiler: Node, space: int) -> None:
    await boiler.add_method(
        ua.NodeId(f"{boiler.nodeid.Identifier}.Rinse", space), ua.QualifiedName("Rinse", space), _rinse,
        [_argument("Seconds", ua.ObjectIds.Double), _argument("Zones", ua.ObjectIds.Int32, array=True)],
        [_argument("Litres", ua.ObjectIds.Double), _argument("Report", ua.ObjectIds.String)],
    )  # fmt: skip


class _Users:
    """Who may come in."""

    def get_user(
        self,
        _server: Any,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,  # noqa: ARG002
    ) -> User | None:
        known = username is None or (username, password) == (USER, PASSWORD)
        return User(role=UserRole.User) if known else None


@uamethod  # type: ignore[untyped-decorator]
def _rinse(_parent: ua.NodeId, seconds: float, zones: list[int]) -> Any:
    if seconds < 0:
        return ua.StatusCode(ua.StatusCodes.BadOutOfRange)
    litres = 2.5 * seconds * len(zones)
    return ua.Variant(litres, ua.VariantType.Double), ua.Variant(f"{len(zones)} zones", ua.VariantType.String)


def _argument(name: str, kind: int, *, array: bool = False) -> ua.Argument:
    rank = ua.ValueRank.OneDimension if array else ua.ValueRank.Scalar
    return ua.Argument(Name=name, DataType=ua.NodeId(kind), ValueRank=rank, ArrayDimensions=[0] if array else [])


async def _serve(boiler: Boiler, rate: float) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await boiler.start()
    print(f"a boiler with {boiler._items} counters on {boiler.url}", flush=True)  # noqa: SLF001 - of this module
    try:
        await boiler.live(rate)
    finally:
        await boiler.end()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until it is told to end. 1 when it cannot listen."""
    parser = argparse.ArgumentParser(
        "mappers.opcua.simulator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=14840, help="0: any that is free (default %(default)s)")
    parser.add_argument("--items", type=int, default=0, help="counters beside the boiler (default %(default)s)")
    parser.add_argument("--boilers", type=int, default=1, help="the others are Boiler2, … (default %(default)s)")
    parser.add_argument("--rate", type=float, default=1.0, help="changes of each a second (default %(default)s)")
    parser.add_argument("--security", type=Path, metavar="DIR", help="offer security; the certificate lies in DIR")
    options = parser.parse_args(arguments)
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)  # a client that leaves is nothing to report
    boiler = Boiler(
        options.host, options.port, items=options.items, more=options.boilers - 1, security=options.security
    )
    try:
        with suppress(asyncio.CancelledError):
            asyncio.run(_serve(boiler, options.rate))
    except OSError as error:
        print(f"opcua simulator: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
