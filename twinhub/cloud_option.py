"""Which cloud a command speaks to, and with which credentials."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from twinhub.cloud_client import PORT, Address, CloudClient
from twinhub.errors import CommandError

__all__ = ["add_cloud_option", "add_cloud_options", "cloud_address", "connect_cloud", "credentials_path"]

VARIABLE = "TWINHUB_CLOUD"
DEFAULT = "localhost"
CREDENTIALS_VARIABLE = "TWINHUB_OPERATOR"


def add_cloud_options(parser: argparse.ArgumentParser) -> None:
    """The options of a command that always asks a cloud."""
    add_cloud_option(parser, f"the cloud to ask (default: ${VARIABLE}, else {DEFAULT}; port {PORT})")
    parser.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="longest wait for an answer (default 10)"
    )


def add_cloud_option(container: argparse._ActionsContainer, help_: str) -> None:
    """Which cloud, and who asks; for a command that has a timeout already."""
    container.add_argument("--cloud", type=cloud_address, metavar="HOST[:PORT]", help=help_)
    container.add_argument(
        "--credentials",
        type=Path,
        metavar="FILE",
        help=f"the cloud's operator.pem (default: ${CREDENTIALS_VARIABLE}, else ~/.config/twinhub/operator.pem)",
    )


def connect_cloud(options: argparse.Namespace) -> CloudClient:
    """The client those options ask for, not yet entered."""
    address = options.cloud or _from_environment() or Address(DEFAULT)
    return CloudClient(address, options.credentials or credentials_path(), timeout=options.timeout)


def credentials_path() -> Path:
    """Where the operator's credentials are by default."""
    named = os.environ.get(CREDENTIALS_VARIABLE)
    return Path(named) if named else Path.home() / ".config" / "twinhub" / "operator.pem"


def cloud_address(text: str) -> Address:
    """The text as the address of a cloud."""
    host, colon, port = text.rpartition(":") if _has_port(text) else (text, "", "")
    host = host.removeprefix("[").removesuffix("]")
    right = not colon or (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536)
    if not host or not right or set(host) & set("/@ []"):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a cloud: write HOST or HOST:PORT, like plant.example:{PORT}"
        )
    return Address(host, int(port) if colon else PORT)


def _has_port(text: str) -> bool:
    """`[::1]:10002` and `host:10002` do, `::1` does not."""
    return "]:" in text or text.count(":") == 1


def _from_environment() -> Address | None:
    try:
        return cloud_address(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None
    except argparse.ArgumentTypeError as error:
        raise CommandError(f"{VARIABLE}: {error}") from None
