"""OPC-UA keeps what the framework promises."""

from mappers.opcua.rig import RIG
from mappers.testing.conformance import Conformance


class TestConformance(Conformance):
    rig = RIG
