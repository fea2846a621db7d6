"""Which broker a command speaks to: `--broker`, else the environment, else the hub found here, else 1883."""

from __future__ import annotations

import argparse
import os
from urllib.parse import urlsplit

from twinhub.client import TwinClient
from twinhub.errors import CommandError
from twinhub.state_dir import found, running_broker

__all__ = ["add_broker_option", "connect", "mqtt_url"]

VARIABLE = "TWINHUB_BROKER"
DEFAULT = "mqtt://127.0.0.1:1883"


def add_broker_option(
    parser: argparse.ArgumentParser, timeout_help: str = "longest wait for an answer (default 5)"
) -> None:
    """The options shared by every command that speaks to a running hub."""
    parser.add_argument(
        "--broker",
        type=mqtt_url,
        metavar="URL",
        help=f"mqtt://HOST:PORT, mqtts://HOST:PORT or unix:///PATH (default: ${VARIABLE}, else the hub that runs"
        f" on the current directory or a folder in it, else {DEFAULT})",
    )
    parser.add_argument("--ca-file", metavar="FILE", help="certificates to trust with mqtts (default: the system's)")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help=timeout_help)


def connect(options: argparse.Namespace) -> TwinClient:
    """The client those options ask for, not yet entered."""
    url = options.broker or _from_environment() or running_broker(found()) or DEFAULT
    return TwinClient(url, ca_file=options.ca_file, timeout=options.timeout)


def _from_environment() -> str | None:
    try:
        return mqtt_url(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None
    except argparse.ArgumentTypeError as error:
        raise CommandError(f"{VARIABLE}: {error}") from None


def mqtt_url(text: str) -> str:
    """The text, if it is an address of a broker."""
    try:
        address = urlsplit(text)
        named = bool(address.path if address.scheme == "unix" else address.hostname) and (address.port or 1) > 0
    except ValueError:
        named = False
    if not named or address.scheme not in ("mqtt", "mqtts", "unix"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a broker: write mqtt://HOST:PORT or unix:///PATH")
    return text
