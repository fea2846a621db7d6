"""Fields of manifests in all their spellings, and what is wrong with some."""

from __future__ import annotations

from typing import Any

import pytest

from device_models import AccessMode, DataType, Device, Property
from mappers.configuration import ConfigurationErrors
from mappers.opcua import place
from mappers.opcua.mapper import OpcuaMapper
from mappers.protocols import PROTOCOLS
from mappers.runner import links

URL = {"url": "opc.tcp://plc:4840"}
NODE = {"nodeId": "ns=2;s=A"}


def mapper(config: dict[str, Any], visitor: dict[str, Any], access: AccessMode = AccessMode.READ_ONLY) -> Any:
    prop = Property("p", DataType.STRING, access, visitor=visitor)
    [plan] = links(PROTOCOLS["opcua"], [Device("default", "d", "m", "opcua", config, (prop,))]).values()
    return plan.mapper


def complaint(config: dict[str, Any], visitor: dict[str, Any], access: AccessMode = AccessMode.READ_ONLY) -> str:
    with pytest.raises(ConfigurationErrors) as wrong:
        mapper(config, visitor, access)
    return str(wrong.value)


def test_kubeedges_words_are_understood() -> None:
    config = {
        "opcua": {
            "URL": "opc.tcp://plc", "userName": "op", "password": "x", "timeout": 2000,
            "securityPolicy": "Aes128_Sha256_RsaOaep", "securityMode": "sign",
            "certificate": "c.pem", "privateKey": "k.pem", "remoteCertificate": "",
        },
        "common": {"commType": "TCP", "customizedValues": {}},
    }  # fmt: skip
    point = mapper(config, {"nodeID": "ns=2;i=7", "browseName": "Level", "dataType": "int"}).points[0]
    assert (point.config.timeout, point.config.port, point.config.mode) == (2.0, 4840, "Sign")
    assert point.config.security_policy == "Aes128Sha256RsaOaep"
    assert point.visitor.place == "ns=2;i=7"


@pytest.mark.parametrize("policy", ["None", "none", "", "http://opcfoundation.org/UA/SecurityPolicy#None"])
def test_no_policy_in_many_words(policy: str) -> None:
    assert mapper(URL | {"securityPolicy": policy, "securityMode": ""}, NODE).config.mode == "None"


def test_a_link_is_named_without_secrets() -> None:
    assert mapper(URL, NODE).link_of(mapper(URL, NODE).config) == "opc.tcp://plc:4840"
    safe = URL | {"userName": "op", "password": "geheim", "securityPolicy": "Basic256Sha256"}
    assert OpcuaMapper.link_of(mapper(safe, NODE).config) == "opc.tcp://plc:4840 as op, Basic256Sha256 SignAndEncrypt"


@pytest.mark.parametrize(
    ("config", "visitor", "why"),
    [
        ({"url": "http://plc"}, NODE, "write opc.tcp://HOST:PORT"),
        ({"url": "opc.tcp://op:x@plc"}, NODE, "write the user as userName and passwordFile"),
        ({"url": "opc.tcp://plc:0"}, NODE, "write opc.tcp://HOST:PORT"),
        ({"url": "opc.tcp://plc:99999"}, NODE, "write opc.tcp://HOST:PORT"),
        (URL | {"password": "x", "passwordFile": "y"}, NODE, "either password or passwordFile"),
        (URL | {"userCertificate": "x"}, NODE, "belong together"),
        (URL | {"securityMode": "Sign"}, NODE, "needs a securityPolicy"),
        (URL | {"securityPolicy": "Basic256Sha256", "securityMode": "None"}, NODE, "needs securityMode"),
        (URL | {"securityPolicy": "Basic128"}, NODE, "write one of"),
        (URL | {"tiemout": 1}, NODE, "did you mean timeout?"),
        (URL, {}, "write nodeId, browsePath or method"),
        (URL, NODE | {"browsePath": "A"}, "only one of them"),
        (URL, {"nodeId": "ns=2;A"}, "is no node id"),
        (URL, {"nodeId": "i=x"}, "is no node id"),
        (URL, {"nodeId": "ns=65536;s=A"}, "none above 65535"),
        (URL, {"nodeId": "ns=2;i=4294967296"}, "none above 4294967295"),
        (URL, {"browsePath": "2:A/32768:B"}, "none above 32767"),
        (URL, {"browsePath": "/"}, "empty browse path"),
        (URL, NODE | {"object": "x"}, "belongs to a method"),
        (URL, {"method": "ns=2;s=M"}, "object is missing"),
        (URL, {"method": "2:A/2:M"}, "write accessMode ReadWrite"),
    ],
)
def test_mistakes_are_told_with_a_remedy(config: dict[str, Any], visitor: dict[str, Any], why: str) -> None:
    assert why in complaint(config, visitor)


def test_an_output_cannot_be_set() -> None:
    wrong = complaint(URL, {"method": "2:A/2:M", "output": 0}, AccessMode.READ_WRITE)
    assert "write accessMode ReadOnly" in wrong


def test_devices_of_one_session_must_agree() -> None:
    prop = Property("p", DataType.STRING, visitor=NODE)
    devices = [
        Device("default", name, "m", "opcua", URL | {"userName": "op", "password": password}, (prop,))
        for name, password in (("a", "one"), ("b", "two"))
    ]
    with pytest.raises(ConfigurationErrors, match="disagree about password") as wrong:
        links(PROTOCOLS["opcua"], devices)
    assert "one" not in str(wrong.value).replace("session", "")


@pytest.mark.parametrize(
    ("written", "path"),
    [("ns=2;s=A/B", False), ("i=85", False), ("2:A/2:B", True), ("Objects/2:A", True), ("s=", False)],
)
def test_paths_and_node_ids(written: str, path: bool) -> None:
    assert place.is_path(written) is path


def test_a_path_begins_at_the_root_or_at_objects() -> None:
    assert place.steps("2:A/B") == [(0, "Objects"), (2, "A"), (0, "B")]
    assert place.steps("/0:Objects/2:A:b") == [(0, "Objects"), (2, "A:b")]
