"""What is declared: device models and devices, typed, merged and validated.

A `Device` is complete by itself: everything its model says (type, unit, limits, default visitors) has been
merged into its properties, so nobody downstream needs the model again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class DataType(StrEnum):
    """The types of a DeviceModel property (KubeEdge v1beta1)."""

    INT = "INT"
    FLOAT = "FLOAT"
    DOUBLE = "DOUBLE"
    STRING = "STRING"
    BOOLEAN = "BOOLEAN"
    BYTES = "BYTES"
    STREAM = "STREAM"


class AccessMode(StrEnum):
    """Whether a desired value may be set."""

    READ_WRITE = "ReadWrite"
    READ_ONLY = "ReadOnly"


@dataclass(frozen=True, slots=True)
class Conversion:
    """From a raw integer or float to the engineering value, in this order; `None` leaves a step out.

    raw & mask → >> shift (negative: <<) → base ** raw → * scale → + offset. On writes the inverse is applied
    in the opposite order, the mask excepted.
    """

    mask: int | None = None
    shift: int | None = None
    base: float | None = None
    scale: float | None = None
    offset: float | None = None


@dataclass(frozen=True, slots=True)
class Deadband:
    """When a changed reading is worth a report.

    A number is reported when it differs from the last reported one by more than `absolute` (in the
    property's unit) or by more than `percent` of the declared span (maximum - minimum; of the last reported
    value where no span is declared), or when `longest_silence` seconds have passed since the last report.
    """

    absolute: float | None = None
    percent: float | None = None
    longest_silence: float | None = None


@dataclass(frozen=True, slots=True)
class Property:
    """One property of one device: the model's declaration merged with the instance's own words."""

    name: str
    type: DataType
    access: AccessMode = AccessMode.READ_ONLY
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    description: str = ""
    visitor: Mapping[str, Any] = field(default_factory=dict)
    """`visitors.configData`, the model's under the instance's; its form is the protocol's."""
    desired: str | None = None
    """The desired value the manifest asks for, as text; None when it asks for nothing."""
    collect_cycle: float = 1.0
    """Seconds between two readings."""
    report_to_cloud: bool = True
    conversion: Conversion | None = None
    deadband: Deadband | None = None

    @property
    def writable(self) -> bool:
        return self.access is AccessMode.READ_WRITE


@dataclass(frozen=True, slots=True)
class Device:
    """One device instance, complete."""

    namespace: str
    name: str
    model: str
    protocol: str
    """`protocol.protocolName`; `external` when its mapper lives elsewhere."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """`protocol.configData`, the model's `protocolConfigData` under the instance's."""
    properties: tuple[Property, ...] = ()
    node: str = ""
    description: str = ""

    @property
    def id(self) -> str:
        """`<namespace>/<name>`, the identity on MQTT, in the journal and towards the cloud."""
        return f"{self.namespace}/{self.name}"

    def property(self, name: str) -> Property | None:
        return next((p for p in self.properties if p.name == name), None)
