"""What a command on the same machine may ask of edged, and what it is answered: one JSON line each way.

After the answer to `Exec` follow frames."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from edged.session import Size

__all__ = [
    "SOCKET",
    "Answer",
    "Begun",
    "End",
    "Errand",
    "Exec",
    "ImageList",
    "ImageRow",
    "Images",
    "Load",
    "Loaded",
    "Log",
    "LogFile",
    "Refusal",
]

SOCKET = "edged.sock"
"""In the state directory; for its owner alone."""

Seconds = Annotated[float, Meta(gt=0, le=3600)]


class Log(Struct, frozen=True, tag=True):
    """Where is the output of a container? An empty `container` is the pod's only one."""

    pod: str
    container: str = ""
    before: int = 0
    """So many restarts ago."""


class LogFile(Struct, frozen=True, tag=True):
    path: str
    container: str
    ended: bool = False
    """Nothing more will be written there, nor into one that follows it."""


class Exec(Struct, frozen=True, tag=True):
    """Run a command in a container. After `Begun` both sides speak in frames (`edged.channels`)."""

    pod: str
    command: Annotated[tuple[str, ...], Meta(min_length=1)]
    container: str = ""
    within: Seconds | None = None
    stdin: bool = False
    terminal: Size | None = None


class Begun(Struct, frozen=True, tag=True):
    """The command runs."""


class End(Struct, frozen=True):
    """Of a command: what its last frame holds."""

    exit_code: int
    reason: str = ""
    """Why it did not come to its own end."""


class Load(Struct, frozen=True, tag=True):
    """Take images from a file of this machine."""

    path: str


class Loaded(Struct, frozen=True, tag=True):
    names: tuple[str, ...]


class Images(Struct, frozen=True, tag=True):
    """What images are there?"""


class ImageRow(Struct, frozen=True):
    id: str
    names: tuple[str, ...]
    size: int


class ImageList(Struct, frozen=True, tag=True):
    images: tuple[ImageRow, ...]


class Refusal(Struct, frozen=True, tag=True):
    """A sentence for people."""

    reason: str
    absent: bool = False
    """There is no such pod."""


Errand = Log | Exec | Load | Images
Answer = LogFile | Begun | Loaded | ImageList | Refusal
