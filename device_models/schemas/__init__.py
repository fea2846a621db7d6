"""One JSON Schema (draft 2020-12) per kind of manifest, as a file beside this one.

`Device` and `DeviceModel` describe KubeEdge's v1beta1; `…v1alpha2` its predecessor, `DeviceTemplate` and
`twinhub` our extensions. A `description` says what to write at that place, because error messages quote it.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

__all__ = ["read"]


def read(name: str) -> dict[str, Any]:
    """The schema with this name, as data."""
    text = resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
