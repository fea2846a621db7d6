"""Run the hub of one edge on the manifests of a folder: a broker, the twins, the mappers, the pods.

examples:
  twinhub run plant/                                    a private mosquitto on 127.0.0.1:1883
  twinhub run plant/ --broker mqtt://127.0.0.1:1883     the broker that runs there
  twinhub run plant/ --state-dir /var/lib/twinhub       where values and declarations are kept

Once this machine has joined a cloud (`twinhub join`), the hub keeps a link to it and bears the name it joined as.

Edited manifests take effect at once; a bad edit is refused and told, and what was declared before goes on.
Ctrl-C or SIGTERM ends it; nothing that was acknowledged is lost, however it ends.

Everything else has a default that works and can be set in DIR/twinhub.yaml:
  node: edge-7                 name of this edge (default: the host's name)
  broker:
    port: 1883                 port of the private broker
    listen: 10.0.0.7           address of this machine for others; needs users (default: they do not reach it)
    tls:                       for them, encrypted (default: in clear)
      certFile: broker.pem
      keyFile: broker.key
      port: 8883
    users:                     who is let in (default: everybody on this machine, to everything)
    - name: dashboard
      password: {file: PATH}   or {env: NAME}
      read: ["*"]              NAMESPACE/NAME; either may be *
      steer: [line-2/*]        may wish, too
      report: [line-2/press]   may speak for it, too
    kind: mosquitto            which one it is: mosquitto, or nats (default: mosquitto where it is installed)
    url: mqtts://host:8883     instead of a private one; also mqtt://HOST:PORT, unix:///PATH
    username: hub              default: none
    password: {env: SECRET}    or {file: PATH}; never the password itself (default: none)
    caFile: ca.pem             with mqtts (default: the system's)
    certFile: hub.pem          our own certificate, and its key (default: none)
    keyFile: hub.key
  mappers: true                false where `twinhub mapper run` runs them
  store: tinydb                what keeps the declarations: tinydb (one readable file) or sqlite
                               (default: tinydb for up to 100 devices, else sqlite)
  strict: false                true: values as KubeEdge allows them, 512 characters of a small set
  maxValueBytes: 65536         longest value
  answerOnEmptyId: false       true: answer unreadable updates on the empty device id too, as KubeEdge does
  outboxLimit: 100000          changes kept for the cloud; past that the newest of each property
  cloud:                       of an edge that has joined one (`twinhub join`)
    compression: true          compress what goes over the link
    drainRate: 20000           changes of a backlog per second, at most
    pingSeconds: 10            a link that is silent for twice as long counts as broken
    retrySeconds: 15           longest pause between two attempts to reach the cloud
    contact:                   NAMESPACE/DEVICE/PROPERTY: call only while that is true
    outboxDays: 30             older changes are folded to the newest of each property
    logs: true                 send the hub's log lines, as far as there is room
    metricsPort: 0             Prometheus metrics on 127.0.0.1; 0 = none
  pods:
    runtime: auto              what runs pods: podman, cri, process, none (default: podman where it is installed,
                               else processes of this node)
    deviceAwaySeconds: 30      how long a device may be away before the pods bound to it are stopped

Exit codes: 0 ended as asked, 1 it could not run, 2 usage.
"""

from __future__ import annotations

import argparse
import sqlite3
from pathlib import Path

import msgspec

from edgehub.identity import Identity
from eventbus.transport import BusError
from mappers.configuration import ConfigurationErrors
from twin.migrations import NewerSchemaError
from twin.store import StoreError
from twinhub import live
from twinhub.broker_option import mqtt_url
from twinhub.edge import Edge
from twinhub.errors import CommandError
from twinhub.event_loop import run_until_signalled
from twinhub.folder_watch import signature
from twinhub.identity_option import add_identity_option, joined
from twinhub.logs import log_to_stderr
from twinhub.manifests import read_manifests
from twinhub.metrics_server import metrics_server
from twinhub.settings import Settings, load_settings
from twinhub.state_dir import NAME, locked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of manifests")
    parser.add_argument("--broker", type=mqtt_url, metavar="URL", help="use this broker instead of a private one")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help=f"what is remembered (default: DIR/{NAME})")
    add_identity_option(parser)


def run(options: argparse.Namespace) -> int:
    log_to_stderr()
    folder: Path = options.folder
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder; name the one that holds the manifests")
    settings = load_settings(folder)
    if options.broker:
        broker = msgspec.structs.replace(settings.broker, url=options.broker)
        settings = msgspec.structs.replace(settings, broker=broker)
    identity = joined(options, settings)
    try:
        with locked(options.state_dir or folder / NAME) as state:
            run_until_signalled(_serve(folder, settings, state, identity))
    except (BusError, ConfigurationErrors, StoreError, NewerSchemaError, sqlite3.Error, OSError) as error:
        raise CommandError(str(error)) from error
    return 0


async def _serve(folder: Path, settings: Settings, state: Path, identity: Identity | None) -> None:
    seen = signature(folder)
    found = read_manifests(folder)
    async with Edge(settings, folder, state, len(found.devices), identity) as edge:
        manifests = live.good_start(found, edge.known)
        await edge.start(manifests)
        with metrics_server(settings.cloud.metrics_port, edge.collectors()):
            await live.follow(folder, seen, manifests, edge.apply)
