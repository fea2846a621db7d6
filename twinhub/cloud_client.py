"""The command line's client of a cloud: asks its operators' interface over HTTPS. Blocking."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from cloud_sync.api_forms import (
    Applied,
    Device,
    Devices,
    Failure,
    LogLines,
    Node,
    Nodes,
    Objects,
    Outcomes,
    Pod,
    Pods,
    Reading,
    Readings,
    Source,
    Sources,
    Token,
    TokenRequest,
    Twin,
    Twins,
    Wishes,
)
from link.contents import LogLine
from twinhub.cloud_parts import parts
from twinhub.errors import CommandError
from twinhub.text import printable

__all__ = ["PORT", "Address", "CloudClient"]

T = TypeVar("T")
P = TypeVar("P", Nodes, Devices, Twins, Pods, Sources)

PORT = 10002
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes."""
LONGEST_MESSAGE = 1_000


class Address(NamedTuple):
    """Where a cloud listens for operators and for edges that join."""

    host: str
    port: int = PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORT else f"{host}:{self.port}"


class CloudClient:
    """A connection to the cloud at `address`; `credentials` is a file with certificate, key and CA.

    `timeout`: seconds to wait for a connection or for an answer. Every method raises `CommandError` with what to do
    when there is none, or when the cloud refuses.
    """

    def __init__(self, address: Address, credentials: Path, *, timeout: float = 10.0) -> None:
        self.address = address
        self._credentials = credentials
        self._timeout = timeout
        self._connection: http.client.HTTPSConnection

    def __enter__(self) -> Self:
        self._connection = http.client.HTTPSConnection(
            self.address.host, self.address.port, timeout=self._timeout, context=_context(self._credentials)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def nodes(self) -> Iterator[Node]:
        """All nodes, by name."""
        for page in self._pages("nodes", Nodes):
            yield from page.nodes

    def devices(self) -> Iterator[Device]:
        """All devices, by id."""
        for page in self._pages("devices", Devices):
            yield from page.devices

    def twins(self) -> Iterator[Twin]:
        """The twins of all devices, by id."""
        for page in self._pages("twins", Twins):
            yield from page.twins

    def twin(self, device: str) -> Twin:
        """The twin of one device (`<namespace>/<name>`)."""
        return self._ask("GET", f"twins/{device}", Twin)

    def pods(self) -> Iterator[Pod]:
        """All pods, by id."""
        for page in self._pages("pods", Pods):
            yield from page.pods

    def pod(self, pod: str) -> Pod:
        """One pod (`<namespace>/<name>`)."""
        return self._ask("GET", f"pods/{pod}", Pod)

    def sources(self, listing: Literal["configmaps", "secrets"]) -> Iterator[Source]:
        """All of them, by id, without their values."""
        for page in self._pages(listing, Sources):
            yield from page.sources

    def readings(self, device: str, name: str, *, since: int, until: int) -> Iterator[Reading]:
        """The readings with since ≤ time < until (Unix milliseconds), by time."""
        path = f"twins/{device}/{_quoted(name)}/readings"
        page = self._ask("GET", path, Readings, query={"since": since, "until": until})
        yield from page.readings
        while page.next:
            more = {"since": page.next, "skip": page.skip, "until": until}
            page = self._ask("GET", path, Readings, query=more)
            yield from page.readings

    def at(self, device: str, name: str, time: int) -> Reading | None:
        """What the property was at that time (Unix milliseconds)."""
        page = self._ask("GET", f"twins/{device}/{_quoted(name)}/readings", Readings, query={"at": time})
        return page.readings[0] if page.readings else None

    def wish(self, device: str, values: Mapping[str, str]) -> Twin:
        """Set desired values; returns when the cloud has them safe, with the twin as it is then."""
        return self._ask("POST", f"twins/{device}/wishes", Twin, Wishes(dict(values)))

    def apply(self, objects: Sequence[dict[str, Any]]) -> Iterator[Applied]:
        """Declare objects; those that are declared already take the new form."""
        for part in parts(objects):
            yield from self._ask("POST", "objects", Outcomes, Objects(part)).applied

    def delete(self, key: str) -> None:
        """Declare an object (`<Kind>/<namespace>/<name>`) no longer."""
        self._ask("DELETE", f"objects/{key}", dict)

    def token(self, node: str, minutes: float | None = None) -> Token:
        """A token with which this node, and no other, may join once."""
        return self._ask("POST", "tokens", Token, TokenRequest(node, minutes))

    def revoke(self, node: str) -> Node:
        """Turn away the certificates the node has."""
        return self._ask("POST", f"nodes/{_quoted(node)}/revoke", Node)

    def logs(self, node: str) -> list[LogLine]:
        """The newest log lines of a node, oldest first."""
        return self._ask("GET", f"nodes/{_quoted(node)}/logs", LogLines).lines

    def _pages(self, path: str, form: type[P]) -> Iterator[P]:
        page = self._ask("GET", path, form)
        yield page
        while page.next:
            page = self._ask("GET", path, form, query={"after": page.next})
            yield page

    def _ask(
        self,
        method: str,
        path: str,
        form: type[T],
        content: object = None,
        *,
        query: Mapping[str, str | int] | None = None,
    ) -> T:
        url = f"/api/v1/{path}{'?' + urlencode(query) if query else ''}"
        body = None if content is None else msgspec.json.encode(content)
        try:
            self._connection.request(method, url, body, {"Content-Type": "application/json"} if body else {})
            response = self._connection.getresponse()
            answer = response.read(LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(self._unreachable(error)) from None
        if response.status >= 400:
            raise CommandError(self._refusal(response.status, answer))
        try:
            return msgspec.json.decode(answer, type=form)
        except (msgspec.MsgspecError, UnicodeError):
            raise CommandError(
                f"what answers at {self.address} is no cloud of twinhub, or of another version"
            ) from None

    def _refusal(self, status: int, answer: bytes) -> str:
        try:
            failure = msgspec.json.decode(answer, type=Failure)
        except (msgspec.MsgspecError, UnicodeError):
            return f"what answers at {self.address} takes no operators ({status}); is it the right port?"
        return printable(
            f"{failure.message}; {failure.advice}" if failure.advice else failure.message, LONGEST_MESSAGE
        )

    def _unreachable(self, error: Exception) -> str:
        where = f"the cloud at {self.address}"
        match error:
            case ssl.SSLCertVerificationError() if "match" in error.verify_message:
                return (
                    f"{where} has no certificate for the name {self.address.host};"
                    f" start it with --host {self.address.host}, or use a name that it has"
                )
            case ssl.SSLCertVerificationError():
                return (
                    f"{where} is not the one that {self._credentials} belongs to;"
                    " name the operator.pem of its state directory with --credentials FILE"
                )
            case ssl.SSLError() if "ALERT" in (error.reason or ""):
                return f"{where} refuses {self._credentials} ({error.reason}); ask for new operator credentials"
            case ssl.SSLError():
                return f"what answers at {self.address} does not speak TLS ({error.reason}); is it the right port?"
            case TimeoutError():
                return f"{where} does not answer within {self._timeout:g} s"
            case OSError() | _:
                return (
                    f"no cloud at {self.address} ({error}); start one with `twinhub cloud`,"
                    " or name it with --cloud HOST[:PORT]"
                )


def _context(credentials: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(credentials)
        context.load_cert_chain(credentials)
    except FileNotFoundError:
        raise CommandError(
            f"there are no operator credentials at {credentials}; copy operator.pem from the state directory of the"
            " cloud there, or name it with --credentials FILE"
        ) from None
    except (ssl.SSLError, OSError) as error:
        raise CommandError(f"{credentials} cannot be used as operator credentials: {error}") from None
    return context


def _quoted(name: str) -> str:
    return quote(name, safe="")
