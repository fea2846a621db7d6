"""Modbus passes the conformance kit on a serial line, too."""

from mappers.modbus.rig import RTU_RIG
from mappers.testing.conformance import Conformance


class TestConformanceOfRtu(Conformance):
    rig = RTU_RIG
