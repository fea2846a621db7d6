"""The OPC-UA fields of a manifest as two typed forms: `protocol.configData` and `visitors.configData`.

Other spellings, KubeEdge's among them, are put into these by `spelling`.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta, Struct

Policy = Literal["None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"]
Mode = Literal["None", "Sign", "SignAndEncrypt"]

DEFAULT_PORT = 4840
ANYBODY = "anonymous"


class OpcuaConfig(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """How to reach a server, as whom, and how safely."""

    url: str
    """`opc.tcp://host:port/path`"""
    user_name: str = ""
    password: str = ""
    password_file: str = ""
    """A file whose text is the password, instead of `password`."""
    user_certificate: str = ""
    user_private_key: str = ""
    """Files (PEM or DER) of the certificate by which the user is known, instead of a user name."""
    security_policy: Policy = "None"
    security_mode: Mode | None = None
    """Left out: SignAndEncrypt with a policy, None without."""
    certificate: str = ""
    private_key: str = ""
    """Files (PEM or DER) of this client's own certificate; left out: made on first use, kept in the trust folder."""
    trust_folder: str = ""
    """Where certificates are kept; left out: see `trust.default_folder`."""
    timeout: Annotated[float, Meta(gt=0, le=60)] = 4.0
    """Seconds an answer is waited for."""
    subscribe: Literal["auto", "never"] = "auto"
    sampling_interval: Annotated[float, Meta(ge=0, le=86400)] | None = None
    """Seconds between two looks of the server at a value; left out: the property's collectCycle."""
    keep_alive: Annotated[float, Meta(gt=0, le=3600)] = 5.0
    """Seconds after which a subscription with no news says so."""

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if parts.username is not None:
            raise ValueError("url: write the user as userName and passwordFile, not in the URL")
        if self.password and self.password_file:
            raise ValueError("write either password or passwordFile, not both")
        if self.user_name and self.user_certificate:
            raise ValueError("write either userName or userCertificate, not both")
        if bool(self.user_certificate) != bool(self.user_private_key):
            raise ValueError("userCertificate and userPrivateKey belong together: write both or none")
        if bool(self.certificate) != bool(self.private_key):
            raise ValueError("certificate and privateKey belong together: write both or none")
        if self.security_mode not in (None, "None") and self.security_policy == "None":
            raise ValueError(f"securityMode {self.security_mode} needs a securityPolicy, Basic256Sha256 for example")
        if self.security_mode == "None" and self.security_policy != "None":
            raise ValueError(f"securityPolicy {self.security_policy} needs securityMode Sign or SignAndEncrypt")

    @property
    def mode(self) -> Mode:
        """How messages are protected."""
        return self.security_mode or ("None" if self.security_policy == "None" else "SignAndEncrypt")

    @property
    def host(self) -> str:
        return _split(self.url).hostname or ""

    @property
    def port(self) -> int:
        return _split(self.url).port or DEFAULT_PORT

    @property
    def identity(self) -> str:
        """Who the server takes us for, without the secret."""
        return self.user_name or (f"certificate {self.user_certificate}" if self.user_certificate else ANYBODY)


class OpcuaVisitor(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Where a property lies in a server: a variable, a method to call, or what a method answered."""

    node_id: str = ""
    """`ns=2;s=Boiler.Temperature`, `i=2258`"""
    browse_path: str = ""
    """From the root, by browse names: `Objects/2:Boiler/2:Temperature`."""
    sampling: Annotated[float, Meta(ge=0, le=86400)] | None = None
    """Seconds between two looks of the server at it; left out: the device's samplingInterval."""
    method: str = ""
    """Node id or browse path of a method, instead of a variable: setting the property calls it."""
    object: str = ""
    """Node id or browse path of the object whose method it is; left out: the part of the path above the method."""
    output: Annotated[int, Meta(ge=0, le=99)] | None = None
    """With `method`: this output argument of the last call, from 0, instead of the call itself."""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.node_id, self.browse_path, self.method))) != 1:
            raise ValueError("write nodeId, browsePath or method, and only one of them")
        if self.object and not self.method:
            raise ValueError("object belongs to a method: write method too")
        if self.output is not None and not self.method:
            raise ValueError("output belongs to a method: write method too")
        if self.method and not self.object and "/" not in self.method:
            raise ValueError("object is missing: write the node id of the object whose method it is")

    @property
    def place(self) -> str:
        """The variable, as written."""
        return self.node_id or self.browse_path

    @property
    def owner(self) -> str:
        """The object of the method, as written."""
        return self.object or self.method.rpartition("/")[0]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme == "opc.tcp" and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise ValueError("url: write opc.tcp://HOST:PORT, with the path the server may want")
