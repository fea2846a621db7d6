"""The headers with which a connection begins: KubeEdge's three, and ours, by which two twinhub ends agree on more.

An edge asks for our link with `Twinhub-Link`; a cloud that knows it answers with the same header. Where either is
missing the connection carries the plain wire: one message a frame, each confirmed by itself, hub channel only.
Our link adds: frames of several messages; cumulative acknowledgements; on the bus channel a message's id is its
number in the edge's outbox, and the cloud says with `Twinhub-Resume` up to which number it has them.
Compression is WebSocket's own permessage-deflate, negotiated by its extension header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from link.limits import HEADER_CHARACTERS, NODE_CHARACTERS

__all__ = ["PROJECT", "VERSION", "BadHandshake", "Channel", "Hello", "Welcome", "path", "valid_node"]

PROJECT = "e632aba927ea4ac2b575ec1603d56f10"
"""KubeEdge's default project id."""
VERSION = "1"
_NODE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_JOURNAL = re.compile(r"[0-9a-f]{32}")


class BadHandshake(ValueError):
    """The headers do not make a connection; the text says why."""


class Channel(StrEnum):
    """The connections of one edge; none can starve another."""

    HUB = "hub"
    """Resources, wishes, the newest state."""
    BUS = "bus"
    """The readings, every one, in order."""
    STREAM = "stream"
    """Bulk that may be dropped: log lines."""


class Hello(NamedTuple):
    """What an edge says when it connects."""

    node: str
    project: str = PROJECT
    channel: Channel = Channel.HUB
    journal: str = ""
    """Identity of the edge's outbox, 32 hex digits: numbers of another journal mean nothing. Empty = the plain
    wire."""

    @property
    def plain(self) -> bool:
        return not self.journal

    def headers(self) -> dict[str, str]:
        """As headers of the request."""
        said = {"Node_id": self.node, "Project_id": self.project, "Connectionuse": "msg"}
        if self.journal:
            said |= {"Twinhub-Link": VERSION, "Twinhub-Channel": self.channel, "Twinhub-Journal": self.journal}
        return said

    @classmethod
    def read(cls, headers: Iterable[tuple[str, str]]) -> Hello:
        """From the headers of a request, their names in any letter case. Raises `BadHandshake`."""
        said = _lower(headers)
        node = said.get("node_id", "")
        if not valid_node(node):
            raise BadHandshake("the header Node_id must be the name of a node")
        if said.get("connectionuse") != "msg":
            raise BadHandshake("the header Connectionuse must be msg")
        project = said.get("project_id") or PROJECT
        if said.get("twinhub-link") != VERSION:
            return cls(node, project)
        journal = said.get("twinhub-journal", "")
        channel = said.get("twinhub-channel", "")
        if not _JOURNAL.fullmatch(journal) or channel not in list(Channel):
            raise BadHandshake("Twinhub-Journal must be 32 hex digits, Twinhub-Channel hub, bus or stream")
        return cls(node, project, Channel(channel), journal)


class Welcome(NamedTuple):
    """What a cloud answers."""

    plain: bool = True
    resume: int = 0
    """Bus channel: the highest number of the edge's journal that is safe in the cloud; 0 = none."""

    def headers(self) -> dict[str, str]:
        """As headers of the response."""
        return {} if self.plain else {"Twinhub-Link": VERSION, "Twinhub-Resume": str(self.resume)}

    @classmethod
    def read(cls, headers: Iterable[tuple[str, str]]) -> Welcome:
        """From the headers of a response. Raises `BadHandshake`."""
        said = _lower(headers)
        if said.get("twinhub-link") != VERSION:
            return cls()
        resume = said.get("twinhub-resume", "0")
        if not (resume.isascii() and resume.isdigit() and len(resume) < 19):
            raise BadHandshake("the cloud's Twinhub-Resume is no number")
        return cls(plain=False, resume=int(resume))


def path(hello: Hello) -> str:
    """The path of the request: `/<project>/<node>/events`. A cloud looks at the headers, not at this."""
    return f"/{hello.project}/{hello.node}/events"


def valid_node(name: str) -> bool:
    """Whether this can be a node's name: as Kubernetes has it, lower-case letters, digits, dashes and dots."""
    return len(name) <= NODE_CHARACTERS and bool(_NODE.fullmatch(name))


def _lower(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    said: dict[str, str] = {}
    for name, value in headers:
        if len(value) > HEADER_CHARACTERS and name.lower().startswith(("node_id", "project_id", "twinhub-")):
            raise BadHandshake(f"the header {name} has more than {HEADER_CHARACTERS} characters")
        said.setdefault(name.lower(), value)
    return said
