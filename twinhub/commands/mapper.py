"""Mappers beside the hub: run one as a process of its own, write a new one, simulate the devices of one.

examples:
  twinhub mapper run modbus plant/ --broker mqtt://127.0.0.1:1883
  twinhub mapper new acme                        a package twinhub-acme/ that works, to be edited
  twinhub mapper simulate acme --port 5025       a simulated device; its options are the simulator's
  twinhub mapper simulate --help                 which protocols have a simulator

`run` is for a hub whose twinhub.yaml says `mappers: false`. The mapper speaks to the hub over MQTT only, so it may
run on another machine, be restarted alone, or be several, each with manifests of its own. Edited manifests take
effect at once. Settings and credentials come from DIR/twinhub.yaml.
Exit codes: 0 ended as asked, 1 it could not be done, 2 usage.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from eventbus.transport import BusError
from mappers.new_package import create
from mappers.protocols import PROTOCOLS, BrokenMapper
from twinhub import live
from twinhub.broker_option import mqtt_url
from twinhub.bus_session import BusSessions
from twinhub.errors import CommandError
from twinhub.event_loop import run_until_signalled
from twinhub.folder_watch import signature
from twinhub.logs import log_to_stderr
from twinhub.manifests import read_manifests
from twinhub.mapper_host import MapperHost
from twinhub.own_broker import as_ourselves
from twinhub.settings import load_settings
from twinhub.state_dir import NAME


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    run_it = actions.add_parser("run", help="serve the devices of a folder that have this protocol")
    run_it.add_argument("protocol", choices=sorted(PROTOCOLS), help="which mapper")
    run_it.add_argument("folder", type=Path, metavar="DIR", help="the folder of manifests")
    run_it.add_argument(
        "--broker", type=mqtt_url, metavar="URL", help="the hub's broker (default: as in twinhub.yaml)"
    )
    run_it.add_argument(
        "--state-dir", type=Path, metavar="DIR", help=f"that of the hub beside it (default: DIR/{NAME})"
    )
    run_it.set_defaults(action=_run)
    new = actions.add_parser("new", help="make a package with a mapper in it")
    new.add_argument("protocol", metavar="PROTOCOL", help="its name: small letters and digits")
    new.add_argument("--dir", type=Path, default=Path(), metavar="PATH", help="where (default: here)")
    new.set_defaults(action=_new)
    simulate = actions.add_parser("simulate", help="run the simulator of a protocol")
    simulated = _simulated()
    simulate.add_argument(
        "protocol", choices=simulated, metavar="PROTOCOL", help=f"one of: {', '.join(simulated) or 'none yet'}"
    )
    simulate.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="for the simulator, as --help")
    simulate.set_defaults(action=_simulate)


def run(options: argparse.Namespace) -> int:
    code: int = options.action(options)
    return code


def _run(options: argparse.Namespace) -> int:
    log_to_stderr()
    if not options.folder.is_dir():
        raise CommandError(f"{options.folder} is not a folder; name the one that holds the manifests")
    try:
        PROTOCOLS[options.protocol].mapper  # noqa: B018 - imports it: nothing else is to be served
        run_until_signalled(
            _serve(options.folder, options.state_dir or options.folder / NAME, options.protocol, options.broker)
        )
    except (BusError, BrokenMapper) as error:
        raise CommandError(str(error)) from error
    return 0


async def _serve(folder: Path, state: Path, protocol: str, url: str | None) -> None:
    settings = load_settings(folder)
    if url is None:
        settings = msgspec.structs.replace(settings, broker=as_ourselves(settings.broker, state))
    sessions = BusSessions(settings, folder, url or settings.broker.url or f"mqtt://127.0.0.1:{settings.broker.port}")
    seen = signature(folder)
    manifests = live.good_start(read_manifests(folder), last=None)
    async with MapperHost(sessions.mapper, [protocol]) as host:
        await host.apply(manifests.devices)
        await live.follow(folder, seen, manifests, lambda edited: host.apply(edited.devices))


def _new(options: argparse.Namespace) -> int:
    try:
        package = create(options.protocol, options.dir)
    except (ValueError, OSError) as error:
        raise CommandError(str(error)) from None
    print(f"{package} is a mapper for {options.protocol}; next: pip install -e {package}, then its README.md")
    return 0


def _simulated() -> list[str]:
    return sorted(name for name, protocol in PROTOCOLS.items() if protocol.has("simulator"))


def _simulate(options: argparse.Namespace) -> int:
    try:
        code: int = PROTOCOLS[options.protocol].part("simulator").main(options.arguments)
    except BrokenMapper as error:
        raise CommandError(str(error)) from None
    return code
