"""What a server has, written down as a DeviceModel and a Device."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from asyncua import ua

from mappers.mapper import CannotDiscover, Discovery
from mappers.opcua import nodes, place, spelling
from mappers.opcua.browse import Found, Walk, children
from mappers.opcua.config import DEFAULT_PORT, OpcuaConfig
from mappers.opcua.session import Session, meaning
from mappers.opcua.structures import Structures
from mappers.opcua.types import Definitions

READ, WRITE = 1, 2
"""Bits of AccessLevel and UserAccessLevel."""
WHOLE = frozenset({
    ua.VariantType.SByte, ua.VariantType.Byte, ua.VariantType.Int16, ua.VariantType.UInt16, ua.VariantType.Int32,
    ua.VariantType.UInt32, ua.VariantType.Int64, ua.VariantType.UInt64,
})  # fmt: skip
TYPES = {
    ua.VariantType.Boolean: "BOOLEAN",
    ua.VariantType.Float: "FLOAT",
    ua.VariantType.Double: "DOUBLE",
    ua.VariantType.ByteString: "BYTES",
} | dict.fromkeys(WHOLE, "INT")
"""Types of properties; all others are STRING."""
ABSTRACT = {26: "DOUBLE", 27: "INT", 28: "INT"}
"""Number, Integer and UInteger of namespace 0."""
ATTRIBUTES = (
    ua.AttributeIds.DataType,
    ua.AttributeIds.ValueRank,
    ua.AttributeIds.AccessLevel,
    ua.AttributeIds.UserAccessLevel,
    ua.AttributeIds.Description,
)


async def discover(target: str, options: Mapping[str, str]) -> Discovery:
    """Browse `opc.tcp://host:port/path`, with `#NODE` after it only what is below that node (a node id or a browse
    path). Options are fields of `protocol.configData`."""
    url, _, start = (target or f"opc.tcp://localhost:{DEFAULT_PORT}").partition("#")
    if start:
        place.check(start)
    config = _config(url, options)
    session = Session(config)
    try:
        await session.open()
        return await _Survey(session, config).run(start)
    except ua.UaError as error:
        raise meaning(error) from None
    finally:
        await session.close()


def _config(url: str, options: Mapping[str, str]) -> OpcuaConfig:
    try:
        return msgspec.convert(spelling.CONFIG.tidy({"url": url, **options}), OpcuaConfig, strict=False)
    except msgspec.ValidationError as error:
        raise CannotDiscover(f"{error}; options are fields of protocol.configData") from None


class _Survey:
    """One look at a server."""

    def __init__(self, session: Session, config: OpcuaConfig) -> None:
        self._session = session
        self._config = config
        self._structures = Structures(Definitions(session))
        self._names: set[str] = set()
        self._model: list[dict[str, Any]] = []
        self._device: list[dict[str, Any]] = []
        self._methods: list[dict[str, Any]] = []

    async def run(self, start: str) -> Discovery:
        walk = Walk(self._session)
        found = [each async for each in walk.run(await self._start(start))]
        await self._variables([each for each in found if each.kind == ua.NodeClass.Variable])
        for method in (each for each in found if each.kind == ua.NodeClass.Method):
            await self._method(method)
        if not self._model:
            raise CannotDiscover("there is nothing that could be read or called; browse from another node: URL#NODE")
        remarks = [] if walk.complete else ["the server has more than this; browse a part of it: URL#NODE"]
        if self._config.password:
            remarks.append("the password is left out: write it to a file and name that as passwordFile")
        return Discovery(self._manifests(), remarks)

    async def _start(self, written: str) -> ua.NodeId:
        if not written:
            return ua.NodeId(ua.ObjectIds.ObjectsFolder)
        found = await nodes.find(self._session, [written])
        if written not in found:
            raise CannotDiscover(f"the server has no {written}")
        return found[written]

    # -- variables -----------------------------------------------------------------------------------------

    async def _variables(self, found: Sequence[Found]) -> None:
        attributes = await self._attributes([each.node for each in found])
        await self._structures.learn([row[0] for row in attributes if isinstance(row[0], ua.NodeId)])
        described = await self._properties([each.node for each in found])
        for each, row, more in zip(found, attributes, described, strict=True):
            type_, rank, access, own_access, description = row
            allowed = (access if isinstance(access, int) else READ) & (
                own_access if isinstance(own_access, int) else 3
            )
            if allowed & READ:
                visitor = {"nodeId": each.node.to_string()}
                text = description.Text if description is not None else None
                declared = {"description": text} if text and text != each.path[-1] else {}
                kind = self._type(type_, rank)
                self._declare(each.path, kind, visitor, writable=bool(allowed & WRITE), more=declared | more)

    def _type(self, type_: Any, rank: Any) -> str:
        if not isinstance(type_, ua.NodeId) or (isinstance(rank, int) and rank >= 0):
            return "STRING"
        if type_.NamespaceIndex == 0 and type_.Identifier in ABSTRACT:
            return ABSTRACT[type_.Identifier]
        kind = self._structures.builtin(type_)
        return "STRING" if kind is None else TYPES.get(kind, "STRING")

    async def _attributes(self, found: Sequence[ua.NodeId]) -> list[list[Any]]:
        columns = [[_good(each) for each in await self._session.read(found, attribute)] for attribute in ATTRIBUTES]
        return [list(row) for row in zip(*columns, strict=True)]

    async def _properties(self, found: Sequence[ua.NodeId]) -> list[dict[str, str]]:
        """Unit and limits of each variable, where it has EngineeringUnits and EURange."""
        named = await children(self._session, found)
        wanted = [node for each in named for name, node in each.items() if name in ("EngineeringUnits", "EURange")]
        values = dict(zip(wanted, map(_good, await self._session.read(wanted)), strict=True))
        return [
            _unit(values.get(each.get("EngineeringUnits"))) | _range(values.get(each.get("EURange")))
            for each in named
        ]

    # -- methods -------------------------------------------------------------------------------------------

    async def _method(self, method: Found) -> None:
        [properties] = await children(self._session, [method.node])
        visitor = {"method": method.node.to_string(), "object": method.parent.to_string()}
        inputs = await self._arguments(properties.get("InputArguments"))
        what = ", ".join(str(each.Name) for each in inputs)
        call = self._declare(
            method.path,
            "STRING",
            visitor,
            writable=True,
            more={"description": f"call it with a JSON array: [{what}]"},
        )
        self._methods.append({"name": call, "propertyNames": [call]})
        await self._structures.learn([each.DataType for each in inputs])
        for number, output in enumerate(await self._arguments(properties.get("OutputArguments"))):
            await self._structures.learn([output.DataType])
            kind = self._type(output.DataType, output.ValueRank)
            path = (*method.path, str(output.Name or number))
            self._declare(path, kind, visitor | {"output": number}, writable=False, more={})

    async def _arguments(self, node: ua.NodeId | None) -> Sequence[ua.Argument]:
        if node is None:
            return ()
        [value] = await self._session.read([node])
        return _good(value) or ()

    # -- manifests -----------------------------------------------------------------------------------------

    def _declare(
        self, path: Sequence[str], kind: str, visitor: Mapping[str, Any], *, writable: bool, more: Mapping[str, str]
    ) -> str:
        name = self._name(path)
        access = "ReadWrite" if writable else "ReadOnly"
        self._model.append({"name": name, "type": kind, "accessMode": access, **more})
        visitors = {"protocolName": "opcua", "configData": dict(visitor)}
        self._device.append({"name": name, "collectCycle": 1000, "visitors": visitors})
        return name

    def _name(self, path: Sequence[str]) -> str:
        """As short as it can be, and nobody else's."""
        words = [_hyphenated(word) or "node" for word in path]
        for count in range(1, len(words) + 1):
            name = "-".join(words[-count:])[-100:].strip("-")
            if name not in self._names:
                break
        else:
            name = next(f"{name}-{n}" for n in range(2, len(self._names) + 3) if f"{name}-{n}" not in self._names)
        self._names.add(name)
        return name

    def _manifests(self) -> list[dict[str, Any]]:
        name = re.sub(r"[^a-z0-9]+", "-", f"opcua-{self._config.host}-{self._config.port}".lower()).strip("-")
        written: dict[str, Any] = msgspec.to_builtins(self._config)
        default: dict[str, Any] = msgspec.to_builtins(OpcuaConfig(url=self._config.url))
        config = {key: value for key, value in written.items() if key == "url" or value != default[key]}
        config.pop("password", None)
        device: dict[str, Any] = {
            "deviceModelRef": {"name": name},
            "protocol": {"protocolName": "opcua", "configData": config},
            "properties": self._device,
        }
        if self._methods:
            device["methods"] = self._methods
        return [
            _manifest("DeviceModel", name, {"protocol": "opcua", "properties": self._model}),
            _manifest("Device", name, device),
        ]


def _hyphenated(name: str) -> str:
    """`SetPoint` → `set-point`"""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    return re.sub(r"[^a-z0-9_]+", "-", words.lower()).strip("-")


def _manifest(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _good(data: ua.DataValue) -> Any:
    if data.StatusCode is not None and not data.StatusCode.is_good():
        return None
    return None if data.Value is None else data.Value.Value


def _unit(value: Any) -> dict[str, str]:
    text = value.DisplayName.Text if isinstance(value, ua.EUInformation) and value.DisplayName else ""
    return {"unit": text} if text else {}


def _range(value: Any) -> dict[str, str]:
    if not isinstance(value, ua.Range) or not value.Low < value.High:
        return {}
    return {"minimum": f"{value.Low:.15g}", "maximum": f"{value.High:.15g}"}
