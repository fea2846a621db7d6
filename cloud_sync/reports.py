"""What an edge reports, from the wire (rows 4 and 6 of the message catalogue), checked: nothing of it is trusted."""

from __future__ import annotations

from cloud_sync.twin_log import Change
from link import contents
from link.message import BadFrame, Message
from link.resources import Kind, Resource
from twin.cloud_update import HIGHEST_VERSION
from twin.documents import DeviceState, MsgTwin, TwinValue, TwinVersion
from twin.rules import Rules

__all__ = ["REPORTS", "BadReport", "read_report"]

REPORTS = frozenset({Kind.EDGE_UPDATED, Kind.STATE_UPDATE})
_STATE_CHARACTERS = 256
_RULES = Rules()


class BadReport(ValueError):
    """The report is not taken; the text says why."""


def read_report(message: Message, resource: Resource, seq: int = 0) -> Change:
    """The report in a message about `resource`. Its content may be an object or the same as JSON text, with or
    without versions. Raises `BadReport`: a null among its twins, too, which ends KubeEdge's cloud."""
    try:
        match resource.kind:
            case Kind.STATE_UPDATE:
                return Change(seq, resource.id, _state(message))
            case Kind.EDGE_UPDATED:
                return Change(seq, resource.id, _twins(message))
    except BadFrame as fault:
        raise BadReport(str(fault)) from None
    raise BadReport("it is no report of a device")


def _state(message: Message) -> DeviceState:
    state = contents.state(message)
    if any(len(text) > _STATE_CHARACTERS for text in (state.name, state.state, state.lastOnlineTime)):
        raise BadReport(f"a text of the state has more than {_STATE_CHARACTERS} characters")
    return state


def _twins(message: Message) -> dict[str, MsgTwin]:
    said = contents.twins(message)
    if len(said) > _RULES.properties:
        raise BadReport(f"{len(said):,} properties; a device may have {_RULES.properties:,}")
    twins: dict[str, MsgTwin] = {}
    for name, twin in said.items():
        if twin is None:
            raise BadReport(f"the twin of {name[:128]} is null; what was deleted goes up with metadata.type deleted")
        if fault := _RULES.name_fault(name) or _side(twin.expected) or _side(twin.actual) or _versions(twin):
            raise BadReport(f"{name[:128]}: {fault}")
        twins[name] = twin
    return twins


def _side(value: TwinValue | None) -> str | None:
    return None if value is None or value.value is None else _RULES.value_fault(value.value)


def _versions(twin: MsgTwin) -> str | None:
    for version in (twin.expected_version, twin.actual_version):
        if version is not None and not _counts(version):
            return f"a version counts changes, from 0 to {HIGHEST_VERSION}"
    return None


def _counts(version: TwinVersion) -> bool:
    return 0 <= version.cloud <= HIGHEST_VERSION and 0 <= version.edge <= HIGHEST_VERSION
