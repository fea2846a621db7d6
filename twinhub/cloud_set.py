"""`twinhub set DEVICE PROPERTY VALUE --cloud`: a desired value set in a cloud."""

from __future__ import annotations

import time

from cloud_sync.api_forms import Twin
from twin.documents import MsgTwin
from twinhub.cloud_client import CloudClient
from twinhub.errors import CommandError
from twinhub.twin_rows import is_met

__all__ = ["wish"]

PERIOD = 0.1
"""Seconds between two looks at the twin."""


def wish(client: CloudClient, device: str, name: str, value: str, wait: float | None) -> bool | None:
    """Set it; with `wait`, whether the device reports it within so many seconds, else None.

    CommandError when the cloud refuses, or when the edge keeps another value against it.
    """
    set_version = _expected_version(client.wish(device, {name: value}), name)
    if wait is None:
        return None
    deadline = time.monotonic() + wait
    while True:
        twin = client.twin(device)
        if name not in twin.unmet and _expected_version(twin, name) >= set_version:
            if (desired := _desired(twin, name)) != value:
                raise CommandError(f"{device}: {name} = {value} gave way to {desired}, which was set meanwhile")
            if is_met(value, _reported(twin, name)):
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(PERIOD)


def _expected_version(twin: Twin, name: str) -> int:
    version = twin.twin.get(name, MsgTwin()).expected_version
    return version.cloud + version.edge if version else 0


def _desired(twin: Twin, name: str) -> str | None:
    side = twin.twin.get(name, MsgTwin()).expected
    return side.value if side else None


def _reported(twin: Twin, name: str) -> str | None:
    side = twin.twin.get(name, MsgTwin()).actual
    return side.value if side else None
