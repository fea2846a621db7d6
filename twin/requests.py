"""Requests as they come in: JSON, decoded as leniently as KubeEdge does, and never trusted.

Field names match in any letter case and unknown fields are ignored. Anything else that is not the form is a
`BadRequest` with a reason that can be sent back.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from twin.documents import Int64, MsgTwin, TwinUpdate, TwinValue, TwinVersion, TypeMetadata, ValueMetadata
from twin.refused import BadRequest

UPDATE_REASON = "Unmarshal update request body failed, please check the request"
CLOUD_REASON = "unmarshal update request body failed, Please check the request"
NO_TWIN_REASON = "Update twin error, key:twin does not exist"
GET_REASON = "Unmarshal twin info failed"
MEMBERSHIP_REASON = "Unmarshal get membership info failed"
STATE_REASON = "Unmarshal device state failed"


class Get(Struct, frozen=True, gc=False):
    """`twin/get` and `membership/get`."""

    event_id: str = ""
    timestamp: Int64 = 0


class StateUpdate(Struct, frozen=True, gc=False):
    """`state/update`; attributes are ignored, as KubeEdge does on this topic."""

    event_id: str = ""
    timestamp: Int64 = 0
    state: str = ""


_update = msgspec.json.Decoder(TwinUpdate)
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
T = TypeVar("T", bound=Struct)


def decode_update(payload: bytes, reason: str = UPDATE_REASON) -> tuple[TwinUpdate, dict[str, MsgTwin | None]]:
    """Decode `twin/update` (or, with `CLOUD_REASON`, `twin/cloud_updated`); the second item is its `twin`.

    Raises `BadRequest` when the payload is not the form or has no `twin`.
    """
    try:
        update = _update.decode(payload)
    except _FAULTS:
        # rare: other letter case, unknown fields, or really broken; found out the slow way
        update = _decode_leniently(payload, TwinUpdate, reason)
    if update.twin is None:
        raise BadRequest(NO_TWIN_REASON if reason is UPDATE_REASON else reason, update.event_id)
    return update, update.twin


def decode_desired(payload: bytes) -> tuple[TwinUpdate, dict[str, MsgTwin | None]]:
    """Decode `twin/desired`: as `twin/update`, but `BadRequest` also when it says anything beside desired values."""
    update, twin = decode_update(payload)
    for name, each in twin.items():
        if each is None or each != MsgTwin(expected=each.expected):
            raise BadRequest(f"{name}: twin/desired takes `expected` alone; report on twin/update", update.event_id)
    return update, twin


def decode_get(payload: bytes, reason: str = GET_REASON) -> Get:
    """Decode `twin/get` or, with `MEMBERSHIP_REASON`, `membership/get`."""
    return _decode_leniently(payload, Get, reason)


def decode_state(payload: bytes) -> StateUpdate:
    """Decode `state/update`."""
    return _decode_leniently(payload, StateUpdate, STATE_REASON)


def _decode_leniently(payload: bytes, form: type[T], reason: str) -> T:
    event_id = ""
    try:
        plain = msgspec.json.decode(payload)
        folded = _fold(plain if plain is not None else {}, form)
        if isinstance(folded, dict) and isinstance(folded.get("event_id"), str):
            event_id = folded["event_id"]
        return msgspec.convert(folded, form)
    except RecursionError:
        raise BadRequest(f"{reason}: nested too deeply", event_id) from None
    except _FAULTS as fault:
        raise BadRequest(f"{reason}: {fault}", event_id) from None


_FIELDS: dict[type[Struct], dict[str, str]] = {
    form: {name.lower(): name for name in form.__struct_fields__}
    for form in (TwinUpdate, MsgTwin, TwinValue, ValueMetadata, TypeMetadata, TwinVersion, Get, StateUpdate)
}
_INNER: dict[tuple[type[Struct], str], type[Struct]] = {
    (MsgTwin, "expected"): TwinValue,
    (MsgTwin, "actual"): TwinValue,
    (MsgTwin, "metadata"): TypeMetadata,
    (MsgTwin, "expected_version"): TwinVersion,
    (MsgTwin, "actual_version"): TwinVersion,
    (TwinValue, "metadata"): ValueMetadata,
}


def _fold(plain: Any, form: type[Struct]) -> Any:
    """The same JSON with the form's spelling of field names and nothing the form does not know."""
    if not isinstance(plain, dict):
        return plain
    fields, folded = _FIELDS[form], {}
    for key, value in plain.items():
        name = fields.get(key.lower())
        if name is None or value is None:
            continue
        if form is TwinUpdate and name == "twin" and isinstance(value, dict):
            folded[name] = {twin: _fold(entry, MsgTwin) for twin, entry in value.items()}
        else:
            inner = _INNER.get((form, name))
            folded[name] = _fold(value, inner) if inner else value
    return folded
