"""Three satellites in one plane: CBERS-2 as it was in June 2006, and two invented sisters, a third of the orbit
apart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import yaml

from mappers.satellite.elements import CBERS_2

HERE = Path(__file__).resolve().parent


class Satellite(NamedTuple):
    """What tells one from the others."""

    name: str
    elements: tuple[str, str]

    @property
    def device(self) -> str:
        """Its id."""
        return f"default/{self.name}"


class Ports(NamedTuple):
    """Where what belongs to a satellite listens on 127.0.0.1."""

    bus: int
    broker: int
    metrics: int
    radio: int


CONSTELLATION = (
    Satellite("cbers-2", CBERS_2),
    Satellite(
        "sister-1",
        (
            "1 90001U 03049A   06177.78615833  .00000060  00000-0  35940-4 0  1834",
            "2 90001  98.4283 247.6961 0000884  88.1964  31.9322 14.35478080140552",
        ),
    ),
    Satellite(
        "sister-2",
        (
            "1 90002U 03049A   06177.78615833  .00000060  00000-0  35940-4 0  1835",
            "2 90002  98.4283 247.6961 0000884  88.1964 151.9322 14.35478080140556",
        ),
    ),
)


def fit_out(satellite: Satellite, ports: Ports, folder: Path) -> None:
    """Make the folder of its edge: that of CBERS-2 with its own name, ports and elements."""
    shutil.copytree(HERE / "edge", folder)
    device = _read(folder / "satellite.yaml")
    device["metadata"]["name"] = satellite.name
    device["spec"]["protocol"]["configData"] |= {"port": ports.bus, "elements": "\n".join(satellite.elements)}
    _write(folder / "satellite.yaml", device)
    settings = _read(folder / "twinhub.yaml")
    settings["node"] = satellite.name
    settings["broker"]["port"] = ports.broker
    settings["cloud"]["contact"] = [f"{satellite.device}/{station}" for station in ("beijing", "sanya")]
    settings["cloud"]["metricsPort"] = ports.metrics
    _write(folder / "twinhub.yaml", settings)
    (folder / "elements.txt").write_text("\n".join(satellite.elements))


def _read(file: Path) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    found: dict[str, dict[str, dict[str, dict[str, object]]]] = yaml.safe_load(file.read_text())
    return found


def _write(file: Path, content: object) -> None:
    file.write_text(yaml.safe_dump(content, sort_keys=False))
