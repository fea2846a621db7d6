"""The satellite as its bus shows it: housekeeping out, telecommands in, each verified. Packets only, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple

from spacepackets.ccsds.time import CdsShortTimestamp
from spacepackets.ecss.fields import PacketFieldEnum
from spacepackets.ecss.pus_1_verification import FailureNotice, MessageSubtype, VerificationParams
from spacepackets.ecss.req_id import RequestId
from spacepackets.ecss.tc import InvalidTcCrc16Error, PusTc
from spacepackets.ecss.tm import PusTm
from spacepackets.exceptions import BytesTooShortError

from mappers.satellite.dictionary import (
    HOUSEKEEPING,
    PARAMETERS,
    STRUCTURE_BYTES,
    STRUCTURES,
    Command,
    Failed,
    Parameter,
)
from mappers.satellite.formats import encode, struct_of
from mappers.satellite.packets import LAST_COUNT
from mappers.satellite.simulator.spacecraft import Spacecraft

__all__ = ["OnBoardSoftware"]

LAUNCH = 378691200
"""Seconds from 1958-01-01, when CCSDS days begin, to 1970-01-01."""
PING, PONG = (17, 1), (17, 2)
VERIFICATION = 1
COMMANDS = {parameter.name: parameter.command for parameter in PARAMETERS.values() if parameter.command}
SERVICES = frozenset({command.service for command in COMMANDS.values()} | {PING[0]})


class _Refusal(Exception):
    def __init__(self, code: Failed) -> None:
        self.code = code


class _Wanted(NamedTuple):
    """A telecommand that makes sense."""

    parameter: Parameter | None
    """None: it only asks whether anybody is there."""
    value: float


class OnBoardSoftware:
    """One application on board. Every list of packets is in the order in which they are to be sent."""

    def __init__(self, spacecraft: Spacecraft, apid: int, seed: int = 0) -> None:
        self.spacecraft = spacecraft
        self.times: list[int] | None = None
        """When a list is put here, the on-board time of each packet is added, in Unix milliseconds."""
        self._apid = apid
        self._count = 0
        self._messages: dict[tuple[int, int], int] = {}
        """How many there were of each kind."""
        self._luck = Random(seed)  # noqa: S311 - it loses packets, no secrets

    def housekeeping(self, time: float) -> list[bytes]:
        """All reports, at this on-board time (Unix seconds)."""
        now = self.spacecraft.parameters()
        reports = ((structure, _pack(parameters, now)) for structure, parameters in STRUCTURES.items())
        return self._sent(
            self._packet(*HOUSEKEEPING, time, structure.to_bytes(STRUCTURE_BYTES, "big") + data)
            for structure, data in reports
        )

    def obey(self, packet: bytes, time: float) -> list[bytes]:
        """What is said to a telecommand; nothing when it cannot even be told whose it is."""
        if "silent-bus" in self.spacecraft.faults:
            return []
        try:
            command = PusTc.unpack(packet)
        except InvalidTcCrc16Error as error:
            return self._sent([self._verify(MessageSubtype.TM_ACCEPTANCE_FAILURE, error.tc, time, Failed.CHECKSUM)])
        except (ValueError, BytesTooShortError):
            return []
        return self._sent(self._carry_out(command, time))

    def _carry_out(self, command: PusTc, time: float) -> Iterator[bytes]:
        try:
            wanted = self._accept(command)
        except _Refusal as refusal:
            yield self._verify(MessageSubtype.TM_ACCEPTANCE_FAILURE, command, time, refusal.code)
            return
        yield self._verify(MessageSubtype.TM_ACCEPTANCE_SUCCESS, command, time)
        yield self._verify(MessageSubtype.TM_START_SUCCESS, command, time)
        if wanted.parameter is None:
            yield self._packet(*PONG, time, b"")
        elif not self.spacecraft.set(wanted.parameter.name, wanted.value):
            yield self._verify(MessageSubtype.TM_COMPLETION_FAILURE, command, time, Failed.LOW_BATTERY)
            return
        yield self._verify(MessageSubtype.TM_COMPLETION_SUCCESS, command, time)

    def _accept(self, command: PusTc) -> _Wanted:
        kind = command.service, command.message_subtype
        if command.apid != self._apid:
            raise _Refusal(Failed.UNKNOWN_APID)
        if command.service not in SERVICES:
            raise _Refusal(Failed.UNKNOWN_SERVICE)
        if kind == PING:
            return _Wanted(None, 0.0)
        known = {name: each for name, each in COMMANDS.items() if (each.service, each.subservice) == kind}
        if not known:
            raise _Refusal(Failed.UNKNOWN_SUBSERVICE)
        for name, each in known.items():
            if command.app_data.startswith(each.prefix):
                return _Wanted(PARAMETERS[name], _value(PARAMETERS[name], each, bytes(command.app_data)))
        raise _Refusal(Failed.WRONG_DATA)

    def _verify(self, stage: MessageSubtype, command: PusTc, time: float, code: Failed | None = None) -> bytes:
        notice = None if code is None else FailureNotice(PacketFieldEnum.with_byte_size(2, code), b"")
        report = VerificationParams(RequestId.from_pus_tc(command), failure_notice=notice)
        return self._packet(VERIFICATION, stage, time, bytes(report.pack()))

    def _packet(self, service: int, subservice: int, time: float, data: bytes) -> bytes:
        milliseconds = round((time + LAUNCH) * 1000)
        stamp = CdsShortTimestamp(*divmod(milliseconds, 86_400_000), init_dt_unix_stamp=False)
        if self.times is not None:
            self.times.append(milliseconds - LAUNCH * 1000)
        message = self._messages.get((service, subservice), 0)
        self._messages[service, subservice] = message + 1 & 0xFFFF
        packet = PusTm(
            service,
            int(subservice),
            timestamp=stamp.pack(),
            source_data=data,
            apid=self._apid,
            seq_count=self._count,
            message_counter=message,
        )
        self._count = self._count + 1 & LAST_COUNT
        return bytes(packet.pack())

    def _sent(self, packets: Iterable[bytes]) -> list[bytes]:
        """Those that are not lost on the way."""
        faults = self.spacecraft.faults
        lost = 1.0 if "silent-bus" in faults else faults.value("lost-packets")
        return [packet for packet in packets if not lost or self._luck.random() >= lost]


def _pack(parameters: Iterable[Parameter], now: dict[str, float]) -> bytes:
    return b"".join(encode(parameter.format, now[parameter.name]) for parameter in parameters)


def _value(parameter: Parameter, command: Command, data: bytes) -> float:
    number = struct_of(parameter.format)
    if len(data) != len(command.prefix) + number.size:
        raise _Refusal(Failed.WRONG_DATA)
    (value,) = number.unpack_from(data, len(command.prefix))
    if not command.minimum <= value <= command.maximum:
        raise _Refusal(Failed.OUT_OF_RANGE)
    return float(value)
