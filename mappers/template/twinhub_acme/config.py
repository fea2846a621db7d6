"""The fields of a manifest that are ours."""

from typing import Annotated

from msgspec import Meta, Struct


class AcmeConfig(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """`protocol.configData`: where the instrument is."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 5025
    timeout: Annotated[float, Meta(gt=0, le=60)] = 1.0
    """Seconds an answer is waited for."""


class AcmeVisitor(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """`visitors.configData`: what the instrument calls a property."""

    name: Annotated[str, Meta(pattern="^[a-z]+$")]
