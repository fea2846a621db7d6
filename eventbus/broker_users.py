"""Who may do what on a private broker, as mosquitto's password_file and acl_file have it. Pure.

Formats: mosquitto-passwd(1), `$7$` = PBKDF2 with SHA-512; mosquitto.conf(5), "acl_file".
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field

from eventbus.rights import Access

__all__ = ["BrokerUser", "access_list", "passwords"]

ROUNDS = 5000
"""The broker spends them on its only thread with each connection: some milliseconds."""
_SALT_BYTES = 12
_HASH_BYTES = 64


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """A client of the broker, and the topics it is bound to."""

    name: str
    password: str = field(repr=False)
    access: Access


def passwords(users: Iterable[BrokerUser]) -> str:
    """The password_file; nobody can read a password from it."""
    return "".join(f"{user.name}:{_hashed(user.password)}\n" for user in users)


def access_list(users: Iterable[BrokerUser]) -> str:
    """The acl_file. Nobody is allowed anything but what stands here."""
    return "\n".join(f"user {user.name}\n{_topics(user.access)}" for user in users)


def _topics(access: Access) -> str:
    lines = [f"topic write {topic}\n" for topic in sorted(access.publish)]
    return "".join([*lines, *(f"topic read {topic}\n" for topic in sorted(access.subscribe))])


def _hashed(password: str) -> str:
    salt = os.urandom(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS, _HASH_BYTES)
    return f"$7${ROUNDS}${b64encode(salt).decode()}${b64encode(digest).decode()}"
