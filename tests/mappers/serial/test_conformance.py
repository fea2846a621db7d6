"""The serial mapper against the kit."""

from mappers.serial.rig import RIG
from mappers.testing.conformance import Conformance


class TestConformance(Conformance):
    rig = RIG
