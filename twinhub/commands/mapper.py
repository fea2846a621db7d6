"""Run a mapper as a process of its own, beside a hub whose twinhub.yaml says `mappers: false`.

examples:
  twinhub mapper run modbus plant/ --broker mqtt://127.0.0.1:1883

It speaks to the hub over MQTT only, so it may run on another machine, be restarted alone, or be several, each with
manifests of its own. Edited manifests take effect at once. Settings and credentials come from DIR/twinhub.yaml.
Exit codes: 0 ended as asked, 1 it could not run, 2 usage.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from eventbus.transport import BusError
from mappers.protocols import PROTOCOLS
from twinhub import live
from twinhub.broker_option import mqtt_url
from twinhub.bus_session import BusSessions
from twinhub.errors import CommandError
from twinhub.event_loop import run_until_signalled
from twinhub.folder_watch import signature
from twinhub.logs import log_to_stderr
from twinhub.manifests import read_manifests
from twinhub.mapper_host import MapperHost
from twinhub.settings import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["run"], help="what to do with it")
    parser.add_argument("protocol", choices=sorted(PROTOCOLS), help="which mapper")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of manifests")
    parser.add_argument(
        "--broker", type=mqtt_url, metavar="URL", help="the hub's broker (default: as in twinhub.yaml)"
    )


def run(options: argparse.Namespace) -> int:
    log_to_stderr()
    if not options.folder.is_dir():
        raise CommandError(f"{options.folder} is not a folder; name the one that holds the manifests")
    try:
        run_until_signalled(_serve(options.folder, options.protocol, options.broker))
    except BusError as error:
        raise CommandError(str(error)) from error
    return 0


async def _serve(folder: Path, protocol: str, url: str | None) -> None:
    settings = load_settings(folder)
    sessions = BusSessions(settings, folder, url or settings.broker.url or f"mqtt://127.0.0.1:{settings.broker.port}")
    seen = signature(folder)
    manifests = live.good_start(read_manifests(folder), known=())
    async with MapperHost(sessions.mapper, [protocol]) as host:
        await host.apply(manifests.devices)
        await live.follow(folder, seen, manifests, lambda edited: host.apply(edited.devices))
