"""Which servers are trusted: their certificates in folders that people can look into, by SHA-256 fingerprint.

FOLDER/own/                       this client's certificate and key
FOLDER/HOST-PORT/trusted/         what a server at that address may show, one file `FINGERPRINT.der` each
FOLDER/HOST-PORT/rejected/        what one showed, and nobody has trusted yet
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MOST_REJECTED = 20
"""Rejected certificates kept for one server; the oldest give way."""
LARGEST = 64 * 1024
"""Bytes of a certificate."""


class Kept(NamedTuple):
    """A certificate in a trust folder."""

    server: Path
    """The folder of the server that showed it."""
    state: str
    """`trusted` or `rejected`"""
    fingerprint: str


def default_folder() -> Path:
    """Where certificates are kept when nobody says otherwise: `~/.config/twinhub/opcua`, or as XDG has it."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "twinhub" / "opcua"


def folder_of(written: str) -> Path:
    """The trust folder that a manifest names; empty: the default."""
    return Path(written).expanduser() if written else default_folder()


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, as small hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


def server_folder(root: Path, host: str, port: int) -> Path:
    """Where the certificates of one server are."""
    return root / f"{re.sub('[^A-Za-z0-9.-]', '_', host)}-{port}"


def is_trusted(server: Path, certificate: bytes) -> bool:
    """Whether people said that this certificate, and no other, is the server's. A file that holds something else
    than its name says is not trusted."""
    path = _path(server, "trusted", fingerprint(certificate))
    try:
        return path.read_bytes() == certificate
    except OSError:
        return False


def reject(server: Path, certificate: bytes) -> None:
    """Keep it for people to look at. OSError when it cannot be written."""
    folder = server / "rejected"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _path(server, "rejected", fingerprint(certificate)).write_bytes(certificate[:LARGEST])
    known = sorted(folder.glob("*.der"), key=lambda path: path.stat().st_mtime)
    for path in known[:-MOST_REJECTED]:
        path.unlink(missing_ok=True)


def trust(server: Path, wanted: str) -> Kept:
    """Trust the rejected certificate whose fingerprint begins so (colons, spaces and capitals do not matter).

    LookupError when there is none, or more than one.
    """
    digits = re.sub("[^0-9a-f]", "", wanted.lower())
    found = [kept for kept in certificates(server) if kept.fingerprint.startswith(digits)]
    if not digits or not found:
        raise LookupError(f"{server} has no certificate {wanted}")
    if len(found) > 1:
        raise LookupError(f"{server} has {len(found)} certificates that begin with {wanted}: write more of it")
    [kept] = found
    if kept.state == "rejected":
        target = _path(server, "trusted", kept.fingerprint)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _path(server, "rejected", kept.fingerprint).replace(target)
    return kept._replace(state="trusted")


def certificates(server: Path) -> Iterator[Kept]:
    """The certificates of one server, trusted ones first."""
    for state in ("trusted", "rejected"):
        for path in sorted((server / state).glob("*.der")):
            yield Kept(server, state, path.stem)


def servers(root: Path) -> list[Path]:
    """The folders of servers in a trust folder; the folder itself when it is one of them."""
    if (root / "trusted").is_dir() or (root / "rejected").is_dir():
        return [root]
    with suppress(OSError):
        return [
            path for path in sorted(root.iterdir()) if (path / "trusted").is_dir() or (path / "rejected").is_dir()
        ]
    return []


def advice(server: Path, certificate: bytes) -> str:
    """The command that trusts it."""
    return f"twinhub trust {shlex.quote(str(server))} {fingerprint(certificate)}"


def _is_server(folder: Path) -> bool:
    return (folder / "trusted").is_dir() or (folder / "rejected").is_dir()


def _path(server: Path, state: str, digits: str) -> Path:
    return server / state / f"{digits}.der"
