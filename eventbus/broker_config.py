"""What a private broker is told: the configuration files of mosquitto and of its stand-in, nats-server."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from eventbus.listener import Listener

MAX_PACKET_SIZE = 1 << 20
"""Bytes; a client that sends more is disconnected."""
MAX_IN_FLIGHT = 2000


_MOSQUITTO = """\
{listeners}
{admission}
{user}
# Without it a small reply waits up to 40 ms for the acknowledgement of the packet before it (Nagle).
set_tcp_nodelay true

# Sessions, what waits for them, and retained messages outlive a restart. All of it is written at once: when the
# broker stops, and else so seldom that it wears out no SD card. What a crash may lose in between has had no result
# from the hub yet, so its sender sends it again.
persistence true
persistence_location {directory}
autosave_interval 30

# What waits for a session that is away or slow. The default, 1000 messages, is a second of a busy plant, and
# mosquitto drops the rest without a word. The bytes bound the broker's memory.
max_queued_messages 100000
max_queued_bytes 67108864

# Messages on their way to one client, and the receive maximum that clients are told. With the default, 20, each
# batch of 20 costs a round trip.
max_inflight_messages {in_flight}

# A packet that says it is larger ends its connection before any memory is set aside for it.
max_packet_size {packet_size}

# Nobody here reads the broker's own statistics.
sys_interval 0
"""

_OPEN = """\
# Only this machine reaches the broker, so it asks nobody who they are.
allow_anonymous true"""
_USERS = """\
# Nobody is let in without a password, and nobody does more than the access list says.
allow_anonymous false
password_file {passwords}
acl_file {access_list}"""

_AS_ROOT = """
# Started by root, mosquitto would become a user of its own, who may not write into this directory.
user root
"""


PASSWORDS, ACCESS_LIST = "users", "acl"
"""Names of the files beside the configuration."""


def mosquitto(directory: Path, listeners: Sequence[Listener], socket: Path | None, *, users: bool) -> str:
    """mosquitto.conf. `users`: only those in the files `PASSWORDS` and `ACCESS_LIST` are let in."""
    asked = _USERS.format(passwords=directory / PASSWORDS, access_list=directory / ACCESS_LIST)
    return _MOSQUITTO.format(
        listeners="\n".join([*map(_listener, listeners), *([f"listener 0 {socket}"] if socket else [])]),
        admission=asked if users else _OPEN,
        user=_AS_ROOT if os.geteuid() == 0 else "",
        directory=directory,
        in_flight=MAX_IN_FLIGHT,
        packet_size=MAX_PACKET_SIZE,
    )


def _listener(listener: Listener) -> str:
    tls = f"\ncertfile {listener.certificate}\nkeyfile {listener.key}" if listener.certificate else ""
    return f"listener {listener.port} {listener.host}{tls}"


def nats(directory: Path, host: str, port: int) -> str:
    """Configuration of nats-server as an MQTT 3.1.1 broker."""
    settings = {
        # sessions belong to a server's name: it must stay the same across restarts
        "server_name": "twinhub",
        # its own protocol cannot be switched off: any free port, this machine only
        "host": "127.0.0.1",
        "port": -1,
        "max_payload": MAX_PACKET_SIZE,
        "jetstream": {
            "store_dir": str(directory / "jetstream"),
            "max_memory_store": 64 << 20,
            "max_file_store": 1 << 30,
            "sync_interval": "30s",
        },
        # One message at a time on its way to a subscription: nats-server delivers newer messages before it repeats
        # what a session left unacknowledged, and only this keeps the order. It costs speed (1,400 messages/s instead
        # of 7,500). What was left is repeated after `ack_wait`.
        "mqtt": {"host": host, "port": port, "max_ack_pending": 1, "ack_wait": "2s"},
    }
    return json.dumps(settings, indent=2) + "\n"
