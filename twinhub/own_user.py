"""Who we ourselves are to a private broker that has users.

The password is made once and kept in the state directory, for its owner alone. The hub, its mappers and edged use it,
and so does a mapper process or a command that is started beside them; what pods are given is derived from it, so that
it is the same after a restart and nothing else has to be kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from twin import durable_file
from twinhub.errors import CommandError

__all__ = ["OWN_USER", "derived", "own_password"]

OWN_USER = "twinhub"
"""The user who may do everything."""
FILE = "broker-password"


def own_password(state: Path) -> Path:
    """The file that holds it, made when missing. CommandError when that cannot be."""
    path = (state / FILE).absolute()
    try:
        if not path.exists():
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable_file.replace(path, secrets.token_hex(32).encode(), mode=0o600)
    except OSError as error:
        raise CommandError(f"cannot keep a password for the broker in {state}: {error.strerror}") from None
    return path


def derived(password: str, purpose: str) -> str:
    """Another secret, which tells nothing of `password`: 64 hexadecimal digits."""
    return hmac.digest(password.encode(), purpose.encode(), hashlib.sha256).hex()
