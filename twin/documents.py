"""The JSON forms of a twin, which every face shares (KubeEdge's payload structures).

Field names are the wire's. What is absent, empty or zero is left out on the wire, so a client of KubeEdge sees
what it knows; `sourceTimestamp`, `quality`, `reason` and `unit` are our additions, present only when they say
something. Unknown fields are refused here: to read what others sent, decode through `twin.requests`.
All times are Unix milliseconds; all values are text, whatever the declared type.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Quality = Literal["good", "uncertain", "bad"]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""What every reader of these forms can hold; JSON itself has no bound."""


class ValueMetadata(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """When a value was received and measured, and how far to trust it."""

    timestamp: Int64 = 0
    """Receive time at the hub; only the hub sets it."""
    sourceTimestamp: Int64 = 0  # noqa: N815
    """When the device was read, by the reporter's clock; 0 = not said."""
    quality: Quality = "good"
    reason: str = ""
    """Why the quality is not good."""


class TwinValue(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One side (expected or actual) of a property. Without `value` it says only that the quality changed."""

    value: str | None = None
    metadata: ValueMetadata | None = None


class TwinVersion(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The version vector of one side: changes made in the cloud, changes made at the edge."""

    cloud: Int64 = 0
    edge: Int64 = 0


class TypeMetadata(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """The type of a property: int, integer, float, double, string, boolean, bytes, stream, or deleted."""

    type: Annotated[str, Meta(max_length=128)] = ""
    unit: str = ""
    """The declared unit: our addition, only the hub sets it."""


class MsgTwin(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One property of a twin: both sides, and their versions where the form carries them."""

    expected: TwinValue | None = None
    actual: TwinValue | None = None
    optional: bool | None = None
    metadata: TypeMetadata | None = None
    expected_version: TwinVersion | None = None
    actual_version: TwinVersion | None = None


class TwinUpdate(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """`twin/update` and its result: property name → what changed, None deletes."""

    event_id: str = ""
    timestamp: Int64 = 0
    twin: dict[str, MsgTwin | None] | None = None


class TwinDelta(Struct, frozen=True, gc=False):
    """`twin/update/delta`: the wishes not met yet. `delta` maps names to expected values."""

    event_id: str
    timestamp: int
    twin: dict[str, MsgTwin]
    delta: dict[str, str]


class TwinChange(Struct, frozen=True, gc=False):
    """One entry of a document: the property before and after."""

    last: MsgTwin | None = None
    current: MsgTwin | None = None


class TwinDocument(Struct, frozen=True, gc=False):
    """`twin/update/document`."""

    event_id: str
    timestamp: int
    twin: dict[str, TwinChange]


class ErrorResult(Struct, frozen=True, gc=False):
    """The answer to a request that was refused: 400 bad request, 404 unknown device, 500 storage failure."""

    event_id: str
    timestamp: int
    code: int
    reason: str


class MemberDevice(Struct, frozen=True, omit_defaults=True, gc=False):
    """A device as the membership messages show it."""

    id: str = ""
    name: str = ""
    description: str = ""
    state: str = ""
    last_online: str = ""
    """RFC 3339, UTC, seconds; only while the state is online or ok."""


class MembershipGetResult(Struct, frozen=True, gc=False):
    """`membership/get/result`."""

    event_id: str
    timestamp: int
    devices: list[MemberDevice]


class MembershipUpdate(Struct, frozen=True, gc=False):
    """`membership/updated`: one list, the other null."""

    event_id: str
    timestamp: int
    added_devices: list[MemberDevice] | None
    removed_devices: list[MemberDevice] | None


class DeviceState(Struct, frozen=True, omit_defaults=True, gc=False):
    """What a device says of itself."""

    name: str
    state: str
    lastOnlineTime: str = ""  # noqa: N815


class StateResult(Struct, frozen=True, gc=False):
    """`state/update/result`."""

    event_id: str
    timestamp: int
    device: DeviceState
