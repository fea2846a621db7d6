"""The conformance kit, against simulated sensors around a virtual controller."""

from mappers.ble.rig import RIG
from mappers.testing.conformance import Conformance


class TestConformance(Conformance):
    rig = RIG
