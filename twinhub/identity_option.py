"""Where the identity of an edge is kept that `twinhub join` makes and `twinhub run` uses."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from edgehub.identity import Identity, NoIdentity
from twinhub.errors import CommandError
from twinhub.settings import FILE, Settings

__all__ = ["add_identity_option", "identity_folder", "joined"]

VARIABLE = "TWINHUB_IDENTITY"


def add_identity_option(parser: argparse.ArgumentParser) -> None:
    """Which identity."""
    parser.add_argument(
        "--identity",
        type=Path,
        metavar="DIR",
        help=f"where the identity is kept (default: ${VARIABLE}, else ~/.config/twinhub/identity)",
    )


def identity_folder(options: argparse.Namespace) -> Path:
    """The folder those options name."""
    named = os.environ.get(VARIABLE)
    default = Path(named) if named else Path.home() / ".config" / "twinhub" / "identity"
    return options.identity or default


def joined(options: argparse.Namespace, settings: Settings) -> Identity | None:
    """The identity to run with; None when this edge has joined no cloud. CommandError when it cannot be used, when
    one is named and not there, or when the settings name another node."""
    folder = identity_folder(options)
    identity = Identity(folder)
    if not identity.exists():
        if options.identity:
            raise CommandError(
                f"there is no identity in {folder}; make one with"
                f" `twinhub join --cloud HOST --node NAME --identity {folder}`"
            )
        return None
    try:
        node = identity.node
    except NoIdentity as error:
        raise CommandError(str(error)) from None
    if settings.node not in (None, node):
        raise CommandError(
            f"{FILE} says `node: {settings.node}`, but this edge has joined its cloud as {node};"
            f" remove that line, or join again: `twinhub join --cloud {identity.cloud.host} --node {settings.node}`"
        )
    return identity
