"""One satellite as a device: its packets in, the values of its points out. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mappers.mapper import Raw
from mappers.satellite.packets import Header, Telemetry
from mappers.satellite.passes import Passes
from mappers.satellite.places import Layout, SatellitePoint
from mappers.satellite.sequence_count import SequenceCount

__all__ = ["Receiver", "Values"]

Values = dict[SatellitePoint, Raw]

log = logging.getLogger("mappers")


class Receiver:
    """From one connection to the next."""

    def __init__(self, points: Sequence[SatellitePoint]) -> None:
        """`points`: all of one device."""
        self.device_id = points[0].device_id
        self.config = points[0].config
        self._layout = Layout(points)
        self._passes = Passes(points)
        self._counts = [(point, point.visitor.packets) for point in points if point.visitor.packets is not None]
        self._sequence = SequenceCount()

    def count(self, header: Header) -> None:
        """A packet of its application has come. The first gap is logged."""
        missed = self._sequence.hear(header.number)
        if missed and missed == self._sequence.missed:
            log.warning(
                "%s: %d packets are missing before number %d; counting on", self.device_id, missed, header.number
            )

    def read(self, telemetry: Telemetry, now: float) -> Values:
        """What this packet tells, and what follows from its time; `now` is monotonic, seconds."""
        values: Values = dict(self._layout.read(telemetry))
        values.update(self._passes.read(telemetry.time, now))
        return values

    def counts(self) -> Values:
        """How many packets came, and how many did not."""
        return {point: getattr(self._sequence, name) for point, name in self._counts}
