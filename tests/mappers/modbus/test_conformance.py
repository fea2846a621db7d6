"""Modbus passes the conformance kit."""

from mappers.modbus.rig import RIG
from mappers.testing.conformance import Conformance


class TestConformance(Conformance):
    rig = RIG
