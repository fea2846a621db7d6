"""Run a cloud: edges join it and keep a link to it, operators declare devices in it and ask it.

examples:
  twinhub cloud                                   prints how to let an edge join
  twinhub cloud --host plant.example              the name by which edges reach this machine
  twinhub cloud --join press-shop                 also makes a token for that edge
  twinhub cloud --state-dir /var/lib/twinhub-cloud

What it remembers, its certificate authority and the operators' credentials are in the state directory: keep a copy.
Ctrl-C or SIGTERM ends it; nothing that was acknowledged is lost, however it ends.

Everything has a default that works and can be set in cloud.yaml of the state directory, or in --config FILE:
  hosts: [plant.example]       names and addresses by which edges reach it (default: this machine's)
  listen: 0.0.0.0              the address to listen on
  linkPort: 10000              where edges connect
  port: 10002                  where edges join and operators ask
  metricsPort: 9091            Prometheus metrics on 127.0.0.1; 0 = none
  certificateDays: 365         life of an edge's certificate; the edge renews it in time
  graceDays: 30                how long after its end an edge that was away may still renew it
  tokenMinutes: 60             life of a join token
  allowUnboundTokens: false    true: also accept KubeEdge's tokens, with which any node may join, again and again
  historyDays: 30              how long readings are kept
  nodeLimit: 10000             nodes connected at once
  store: sqlite                what keeps nodes, models and devices: sqlite or tinydb (one readable file)

Exit codes: 0 ended as asked, 1 it could not run, 2 usage.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec

from cloud_sync.authority import AuthorityError
from cloud_sync.twin_log import TwinLogError
from link.handshake import Channel, valid_node
from twin.durable_file import replace
from twin.migrations import NewerSchemaError
from twin.store import StoreError
from twinhub.cloud_client import Address
from twinhub.cloud_hosts import advertised, certificate_hosts, is_host
from twinhub.cloud_option import credentials_path
from twinhub.cloud_settings import FILE, CloudServerSettings, load_cloud_settings
from twinhub.errors import CommandError
from twinhub.event_loop import run_until_signalled
from twinhub.logs import log_to_stderr
from twinhub.open_files import allow_open_files
from twinhub.state_dir import locked

STATE = Path(".twinhub-cloud")
LINK_PORT = 10000
EXTRA = ("aiohttp", "jwt")
"""What the extra `cloud` installs."""
OTHER_FILES = 2_000
"""Open beside the links: stores, operators, and strangers until they are turned away."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state-dir", type=Path, default=STATE, metavar="DIR", help=f"default: {STATE}")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"settings (default: {FILE} in the state directory)"
    )
    parser.add_argument(
        "--host", action="append", type=_host, metavar="HOST", help="how edges reach this machine; may be repeated"
    )
    for option, meaning in (
        ("--port", "join and ask"),
        ("--link-port", "connect"),
        ("--metrics-port", "find metrics"),
    ):
        parser.add_argument(option, type=_port, metavar="PORT", help=f"where to {meaning}")
    parser.add_argument("--join", type=_node, metavar="NODE", help="make a token with which this node may join")


def run(options: argparse.Namespace) -> int:
    if missing := [name for name in EXTRA if find_spec(name) is None]:
        raise CommandError(
            f"a cloud needs {' and '.join(missing)}, which its extra brings: pip install 'twinhub[cloud]'"
        )
    log_to_stderr()
    settings = _settings(options)
    nodes = settings.node_limit
    allow_open_files(len(Channel) * nodes + OTHER_FILES, nodes + OTHER_FILES)
    try:
        with locked(options.state_dir) as state:
            run_until_signalled(_serve(settings, state, options.join))
    except (AuthorityError, StoreError, TwinLogError, NewerSchemaError, sqlite3.Error, OSError) as error:
        raise CommandError(str(error)) from error
    return 0


def _settings(options: argparse.Namespace) -> CloudServerSettings:
    """What the file says, and the command line over it."""
    file: Path = options.config or options.state_dir / FILE
    settings = load_cloud_settings(file, required=options.config is not None)
    said = {
        "hosts": options.host,
        "port": options.port,
        "link_port": options.link_port,
        "metrics_port": options.metrics_port,
    }
    return msgspec.structs.replace(settings, **{name: value for name, value in said.items() if value is not None})


async def _serve(settings: CloudServerSettings, state: Path, join: str | None) -> None:
    from twinhub.cloud import running_cloud  # noqa: PLC0415 - needs the extra, which may not be there

    async with running_cloud(settings, certificate_hosts(settings.hosts), state) as cloud:
        address = Address(advertised(settings.hosts), cloud.port)
        operator = cloud.authority.operator_identity()
        print(f"the cloud is at {address.host}: links on port {cloud.link_port}, joining and asking on {cloud.port}")
        print(f"operators' credentials: {operator}{_handed_out(operator)}")
        if join:
            token = await cloud.tokens.issue(join, settings.token_minutes * 60)
            print(f"let {join} join: run this there, and give it the token when it asks")
            print(f"  {_join_command(address, cloud.link_port, join)}")
            print(f"  {token}")
        else:
            print(f"let an edge join:  twinhub token NODE --cloud {address}")
        sys.stdout.flush()
        await asyncio.Event().wait()


def _join_command(address: Address, link_port: int, node: str) -> str:
    ports = "" if link_port == LINK_PORT else f" --link-port {link_port}"
    return f"twinhub join --cloud {address} --node {node}{ports}"


def _handed_out(operator: Path) -> str:
    """Puts the credentials where this user's commands find them, unless others are there; says what it did."""
    place = credentials_path()
    try:
        if not place.exists():
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(place, operator.read_bytes(), mode=0o600)
        elif place.read_bytes() != operator.read_bytes():
            return f" ({place} is another cloud's: name these with --credentials)"
    except OSError as error:
        return f" (not copied to {place}: {error.strerror})"
    return f" (and {place})"


def _host(text: str) -> str:
    if not is_host(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a host name or an IP address")
    return text


def _node(text: str) -> str:
    if not valid_node(text):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be a node: write lower-case letters, digits, dashes, dots")
    return text


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:6]) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)
