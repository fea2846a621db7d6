"""Characteristics of the Bluetooth SIG that are known by their UUID: what they hold, in which unit.

Source: Bluetooth SIG, Assigned Numbers 3.8 and GATT Specification Supplement. Values come in the unit named here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mappers.ble.codec import Form, Type, Value
from mappers.ble.uuids import full_uuid


@dataclass(frozen=True, slots=True)
class Assigned:
    """A characteristic that everybody knows."""

    name: str
    """As a property would be called."""
    decode: Callable[[bytes], Value]
    """ValueError when the bytes are no such value."""
    encode: Callable[[Value], bytes] | None
    """None: it is only told, never set."""
    unit: str = ""
    type: str = "INT"
    """The DataType of a property that shows it."""


def _plain(name: str, type_: Type, unit: str = "", scale: float = 1, unknown: int | None = None) -> Assigned:
    form = Form(type_, scale=scale, unknown=unknown)
    kind = {"utf8": "STRING", "bytes": "BYTES"}.get(type_, "INT" if scale == 1 else "FLOAT")
    return Assigned(name, form.decode, form.encode, unit, kind)


def heart_rate(data: bytes) -> Value:
    """Beats a minute of a Heart Rate Measurement: bit 0 of the flags says whether 8 or 16 bits."""
    wide = Form("uint8").decode(data)
    return Form("uint16" if int(wide) & 1 else "uint8", offset=1).decode(data)


def medical_temperature(data: bytes) -> Value:
    """°C of a Temperature Measurement: bit 0 of the flags says Fahrenheit, the number is an IEEE 11073 float."""
    fahrenheit = int(Form("uint8").decode(data)) & 1
    number = Form("float", offset=1).decode(data)
    assert isinstance(number, (int, float))
    return round((number - 32) / 1.8, 6) if fahrenheit else number


_ASSIGNED: Mapping[str, Assigned] = {
    "2A00": _plain("device-name", "utf8"),
    "2A01": _plain("appearance", "uint16"),
    "2A06": _plain("alert-level", "uint8"),
    "2A07": _plain("tx-power", "int8", "dBm"),
    "2A19": _plain("battery-level", "uint8", "%"),
    "2A1C": Assigned("temperature-measurement", medical_temperature, None, "°C", "FLOAT"),
    "2A1E": Assigned("intermediate-temperature", medical_temperature, None, "°C", "FLOAT"),
    "2A23": _plain("system-id", "bytes"),
    "2A24": _plain("model-number", "utf8"),
    "2A25": _plain("serial-number", "utf8"),
    "2A26": _plain("firmware-revision", "utf8"),
    "2A27": _plain("hardware-revision", "utf8"),
    "2A28": _plain("software-revision", "utf8"),
    "2A29": _plain("manufacturer-name", "utf8"),
    "2A37": Assigned("heart-rate", heart_rate, None, "bpm", "INT"),
    "2A38": _plain("body-sensor-location", "uint8"),
    "2A6C": _plain("elevation", "int24", "m", 0.01),
    "2A6D": _plain("pressure", "uint32", "Pa", 0.1),
    "2A6E": _plain("temperature", "int16", "°C", 0.01, unknown=-0x8000),
    "2A6F": _plain("humidity", "uint16", "%", 0.01, unknown=0xFFFF),
    "2A70": _plain("true-wind-speed", "uint16", "m/s", 0.01),
    "2A71": _plain("true-wind-direction", "uint16", "°", 0.01),
    "2A72": _plain("apparent-wind-speed", "uint16", "m/s", 0.01),
    "2A73": _plain("apparent-wind-direction", "uint16", "°", 0.01),
    "2A76": _plain("uv-index", "uint8"),
    "2A77": _plain("irradiance", "uint16", "W/m²", 0.1),
    "2A78": _plain("rainfall", "uint16", "mm"),
    "2A79": _plain("wind-chill", "int8", "°C"),
    "2A7A": _plain("heat-index", "int8", "°C"),
    "2A7B": _plain("dew-point", "int8", "°C"),
    "2AFB": _plain("illuminance", "uint24", "lx", 0.01, unknown=0xFFFFFF),
    "2B8C": _plain("co2", "uint16", "ppm", unknown=0xFFFF),
}

ASSIGNED: Mapping[str, Assigned] = {full_uuid(short): known for short, known in _ASSIGNED.items()}
"""By full UUID."""
