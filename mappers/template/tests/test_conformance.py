from mappers.testing.conformance import Conformance

from twinhub_acme.rig import RIG


class TestConformance(Conformance):
    rig = RIG
