"""The satellite's mapper does what the framework promises."""

from __future__ import annotations

from mappers.satellite.rig import RIG
from mappers.testing.conformance import Conformance


class TestConformance(Conformance):
    rig = RIG
