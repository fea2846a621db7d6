"""The fields of a manifest for a device that is replayed."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct


class ReplayConfig(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """`protocol.configData`: what is played, and how."""

    file: Annotated[str, Meta(min_length=1)]
    """A recording; seen from where the command runs."""
    speed: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    """2: twice as fast as it was recorded."""
    repeat: bool = False
    """Begin again at the end; otherwise the device is silent then."""
    timeout: Annotated[float, Meta(gt=0, le=60)] = 1.0
    """Seconds a wish may take."""
    silence: Annotated[float, Meta(ge=0)] | None = None
    """Seconds without a word after which the device counts as silent; not before the recording says so."""


class ReplayVisitor(Struct, frozen=True):
    """`visitors.configData`: as the protocol that was recorded has it."""

    original: dict[str, Any]
