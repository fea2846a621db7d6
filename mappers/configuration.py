"""From declared devices to points: the protocol's forms are applied, and errors say what to write instead."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import Struct

from device_models.model import Device, Property
from mappers.mapper import DEFAULT_TIMEOUT, Mapper, Point

T = TypeVar("T", bound=Struct)
AnyMapper = Mapper[Any, Any]
AnyPoint = Point[Any, Any]
Tidy = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ConfigurationError(Exception):
    """One thing to mend in a manifest."""

    def __init__(self, device_id: str, path: str, problem: str, property_name: str | None = None) -> None:
        self.device_id = device_id
        self.property_name = property_name
        """The property it concerns; None when it is the device itself."""
        self.path = path
        """Within the device or property: `protocol.configData.port`, `visitors.configData.register`."""
        self.problem = problem
        of = f", property {property_name}" if property_name else ""
        super().__init__(f"device {device_id}{of}: {path}: {problem}")


class ConfigurationErrors(Exception):
    """All that is to mend, in one exception."""

    def __init__(self, errors: Iterable[ConfigurationError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(map(str, self.errors)))


def points_of(mapper: type[AnyMapper], devices: Iterable[Device]) -> list[AnyPoint]:
    """The points of these devices. ConfigurationErrors with everything that is wrong in any of them."""
    points: list[AnyPoint] = []
    errors: list[ConfigurationError] = []
    for device in devices:
        try:
            config = _config(mapper, device)
        except ConfigurationError as error:
            errors.append(error)
            continue
        for prop in device.properties:
            try:
                points.append(_point(mapper, device, prop, config))
            except ConfigurationError as error:
                errors.append(error)
    if errors:
        raise ConfigurationErrors(errors)
    return points


def timeout_of(point: AnyPoint) -> float:
    """Seconds this point's device is waited for."""
    return float(getattr(point.config, "timeout", DEFAULT_TIMEOUT))


def silence_of(point: AnyPoint) -> float:
    """Seconds without a word after which a device that speaks by itself is silent; infinity: never."""
    return float(getattr(point.config, "silence", None) or math.inf)


def _config(mapper: type[AnyMapper], device: Device) -> Struct:
    try:
        return _decode(mapper.Config, device.config, mapper.tidy_config)
    except _Wrong as wrong:
        raise ConfigurationError(device.id, f"protocol.configData{wrong.where}", wrong.problem) from None


def _point(mapper: type[AnyMapper], device: Device, prop: Property, config: Struct) -> AnyPoint:
    try:
        visitor = _decode(mapper.Visitor, prop.visitor, mapper.tidy_visitor)
        point = Point(device.id, prop, config, visitor)
        mapper.check(point)
    except _Wrong as wrong:
        path = f"visitors.configData{wrong.where}"
        raise ConfigurationError(device.id, path, wrong.problem, prop.name) from None
    except ValueError as error:
        raise ConfigurationError(device.id, "visitors.configData", str(error), prop.name) from None
    return point


class _Wrong(Exception):
    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem


def _decode(form: type[T], raw: Mapping[str, Any], tidy: Tidy) -> T:
    """Lenient where nothing is lost: numbers and truths may come as text. The devices of a model mostly say the
    same, so what was decoded once is kept."""
    items = tuple((name, value, type(value)) for name, value in raw.items())
    try:
        hash(items)
    except TypeError:  # it holds lists or objects
        return _decode_once(form, raw, tidy)
    return cast(T, _decode_again(form, items, tidy))


@lru_cache(maxsize=1024)
def _decode_again(form: type[Struct], items: tuple[tuple[str, Any, type], ...], tidy: Tidy) -> Struct:
    return _decode_once(form, {name: value for name, value, _ in items}, tidy)


def _decode_once(form: type[T], raw: Mapping[str, Any], tidy: Tidy) -> T:
    try:
        return msgspec.convert(tidy(raw), form, strict=False)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        where = where.rstrip("`")
        raise _Wrong(where, _advice(problem, where, form)) from None
    except ValueError as error:
        raise _Wrong("", str(error)) from None


def _advice(problem: str, where: str, form: type[Struct]) -> str:
    fields = {field.encode_name: field for field in msgspec.structs.fields(form)}
    unknown = re.search(r"unknown field `(.*)`", problem)
    if unknown:
        near = difflib.get_close_matches(unknown[1], fields, 1)
        rather = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(fields))}"
        return f"unknown field {unknown[1]}; {rather}"
    missing = re.search(r"missing required field `(.*)`", problem)
    if missing:
        return f"{missing[1]} is missing; write it"
    field = fields.get(where.lstrip("."))
    if field is not None and "enum value" in problem:
        return f"{problem}; write one of {', '.join(map(str, _choices(field.type)))}"
    return problem.replace("`", "").replace("Expected", "expected")


def _choices(declared: Any) -> list[Any]:
    """The values of the Literals in a type."""
    inner = get_args(declared)
    if str(get_origin(declared)) == "typing.Literal":
        return list(inner)
    return [choice for part in inner for choice in _choices(part)]
