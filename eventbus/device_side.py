"""What a mapper uses of the bus: report readings and states, hear wishes. The hub's counterpart on the same topics.

A report, a state or a question counts as done when the hub has answered it, and is repeated until then. So
neither a broker nor a hub that is away loses anything but what a full queue folds, and that is counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

from eventbus import device_messages, topics
from eventbus.device_messages import Answer
from eventbus.question_window import QuestionWindow
from eventbus.report_queue import Reading, Report, ReportQueue
from eventbus.topics import device_of, of_device
from eventbus.transport import Message, Transport

__all__ = ["DeviceSide", "DeviceSideStatistics", "Reading"]

log = logging.getLogger("eventbus")

MOST_CYCLES = 1000
"""Reports of one device that may wait."""
MOST_READINGS = 100_000
"""Readings of all devices that may wait, about 150 bytes each."""
SWEEP = 0.5
"""Seconds between two looks for answers that are overdue."""
AFTER_RECONNECT = 1.0
"""Seconds over which repetitions are spread when the broker is back."""
STATE_WAIT = 10.0
"""Seconds after which a state that nobody confirmed is said again."""
SILENCE = 10.0
"""Seconds without any answer after which the hub is called silent in the log."""
ENOUGH = 2
"""Reports of one device that may wait for a hub that is busy."""
ENOUGH_SILENCE = 1.0
"""Seconds without any answer after which a hub is away rather than busy."""
PASSING = (404, 500)
"""Refusals that time may mend: the hub does not know the device yet, or cannot store."""
MOST_REASONS = 10
"""Reasons of refusal that are logged for one device."""

OnWishes = Callable[[Mapping[str, str]], None]
"""Called with all wishes of a device that are open now: property → desired value as text."""


class DeviceSideStatistics(NamedTuple):
    """Depths and age now, counts since the start."""

    waiting_reports: int
    waiting_readings: int
    oldest: float
    """Seconds for which the oldest report has waited for its answer."""
    folded_readings: int
    repeated_messages: int
    refused_messages: int


class _Device:
    """What is under way with the hub about one device."""

    __slots__ = ("confirmed", "on_wishes", "queue", "reasons", "say_again", "state", "unheard")

    def __init__(self, queue: ReportQueue, on_wishes: OnWishes) -> None:
        self.queue = queue
        self.on_wishes = on_wishes
        self.state = ""
        self.confirmed = True
        self.say_again = 0.0
        self.unheard = False
        """The hub does not take its reports at present."""
        self.reasons: set[str] = set()
        """Reasons of refusal that were logged."""


class DeviceSide:
    """One mapper's connection to the hub, on a transport of its own. `async with` starts and stops both.

    Nothing here blocks or raises on the way: what cannot leave now waits. `name` is for the log.
    """

    def __init__(
        self, transport: Transport, name: str, *, most_cycles: int = MOST_CYCLES, most_readings: int = MOST_READINGS
    ) -> None:
        self.name = name
        self._transport = transport
        self._most_cycles = most_cycles
        self._most_readings = most_readings
        self._devices: dict[str, _Device] = {}
        self._waiting = 0
        self._gone = DeviceSideStatistics(0, 0, 0.0, 0, 0, 0)
        self._questions = QuestionWindow()
        self._encode = device_messages.report_writer()
        self._subscribed = False
        self._up = False
        self._heard_at = 0.0
        self._hub_silent = False
        transport.on_messages = self._receive
        transport.on_up = self._connected
        transport.on_down = self._disconnected

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        try:
            await self._transport.subscribe(FILTERS)
        except BaseException as error:
            await self._transport.__aexit__(type(error), error, error.__traceback__)
            raise
        self._subscribed = True
        self._connected(False)
        self._sweeper = asyncio.create_task(self._sweep(), name=f"repetitions of mapper {self.name}")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._sweeper.cancel()
        await asyncio.wait([self._sweeper])
        await self._transport.__aexit__(*exc)

    # -- what a mapper says --------------------------------------------------------------------------------

    def add(self, device_id: str, on_wishes: OnWishes) -> None:
        """Speak for a device from now on. Its open wishes are asked for; calling again replaces the callback."""
        known = self._devices.get(device_id)
        if known is None:
            self._devices[device_id] = _Device(ReportQueue(self._encode, self._most_cycles), on_wishes)
        else:
            known.on_wishes = on_wishes
        self._questions.ask([device_id])
        self._ask()

    def remove(self, device_id: str) -> None:
        """Speak for it no more: it is gone from the manifests, so what waits for it has no reader any more."""
        device = self._devices.pop(device_id, None)
        self._questions.forget(device_id)
        if device is not None:
            self._waiting -= device.queue.size
            self._gone = _sum(self._gone, device.queue)

    def report(self, device_id: str, readings: Report) -> None:
        """Queue the readings of one cycle as one message. The device must have been added."""
        device = self._devices[device_id]
        queue = device.queue
        self._waiting -= queue.size
        queue.add(readings, _now())
        while self._waiting + queue.size > self._most_readings and queue.fold():
            pass
        self._waiting += queue.size
        self._pump(device_id, device)

    def state(self, device_id: str, state: str) -> None:
        """Say the device's state (online, offline, ok, unknown, unhealthy); repeated until the hub confirms it."""
        device = self._devices[device_id]
        device.state, device.confirmed = state, False
        self._say_state(device_id, device)

    def behind(self, device_id: str) -> bool:
        """Whether the hub is there, but slower than this device: reading it now would only make a queue longer.

        Not while the hub is away: then what is read has to wait, so that it is not lost.
        """
        waits = self._devices[device_id].queue.depth > ENOUGH
        return waits and self._up and _now() - self._heard_at < ENOUGH_SILENCE

    def statistics(self) -> DeviceSideStatistics:
        """Depth, age and counts over all devices."""
        total = self._gone
        now = since = _now()
        for device in self._devices.values():
            total = _sum(total, device.queue)
            since = min(since, device.queue.oldest or now)
        return total._replace(
            waiting_reports=sum(device.queue.depth for device in self._devices.values()),
            waiting_readings=self._waiting,
            oldest=now - since,
        )

    # -- what leaves ---------------------------------------------------------------------------------------

    def _pump(self, device_id: str, device: _Device) -> None:
        if not self._up:
            return
        queue = device.queue
        self._waiting -= queue.size
        payload = queue.due(_now())
        self._waiting += queue.size
        if payload is not None:
            self._transport.publish(of_device(device_id, topics.TWIN_UPDATE), payload)

    def _say_state(self, device_id: str, device: _Device) -> None:
        if self._up:
            device.say_again = _now() + STATE_WAIT
            payload = device_messages.state_message(device.state)
            self._transport.publish(of_device(device_id, topics.STATE_UPDATE), payload)

    def _ask(self) -> None:
        if self._up:
            for device_id in self._questions.due(_now()):
                self._transport.publish(of_device(device_id, topics.TWIN_GET), device_messages.question())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            now = _now()
            flying = 0
            for device_id, device in self._devices.items():
                if device.queue.flying is not None:
                    flying += 1
                    self._pump(device_id, device)
                if not device.confirmed and now >= device.say_again:
                    self._say_state(device_id, device)
            self._ask()
            self._watch_hub(now, flying)

    def _watch_hub(self, now: float, flying: int) -> None:
        if self._up and flying and not self._hub_silent and now - self._heard_at > SILENCE:
            self._hub_silent = True
            log.warning("mapper %s: the hub does not answer; reports wait and are repeated", self.name)

    # -- what comes back -----------------------------------------------------------------------------------

    def _connected(self, _session_present: bool) -> None:
        if not self._subscribed:
            return  # nothing is asked before the answers can come
        self._up = True
        self._heard_at = now = _now()
        for device_id, device in self._devices.items():
            device.queue.hurry(now, AFTER_RECONNECT)
            if device.queue.flying is None:
                self._pump(device_id, device)
            if not device.confirmed:
                self._say_state(device_id, device)
        self._questions.ask(self._devices)
        self._ask()

    def _disconnected(self) -> None:
        self._up = False

    def _receive(self, messages: Sequence[Message]) -> None:
        for message in messages:
            for end, hear in _HEARERS.items():
                device_id = device_of(message.topic, end)
                if device_id is not None:
                    device = self._devices.get(device_id)
                    if device is not None:
                        hear(self, device_id, device, message.payload)
                    break
        self._transport.acknowledge([message.receipt for message in messages if message.receipt])

    def _hear_result(self, device_id: str, device: _Device, payload: bytes) -> None:
        answer = _read_answer(payload)
        flying = device.queue.flying
        if answer is None or flying is None or answer.event_id != flying.event_id:
            return
        self._heard_hub()
        if answer.code:
            self._refused(device_id, device, answer)
        else:
            device.queue.answered(answer.event_id)
            if device.unheard:
                device.unheard = False
                log.info("%s: the hub takes its reports again", device_id)
        self._pump(device_id, device)

    def _refused(self, device_id: str, device: _Device, answer: Answer) -> None:
        if answer.code in PASSING:
            if not device.unheard:
                device.unheard = True
                log.warning("%s: the hub does not take its reports: %s; trying on", device_id, answer.reason)
            return
        device.queue.dropped(answer.event_id)
        if answer.reason not in device.reasons and len(device.reasons) < MOST_REASONS:
            device.reasons.add(answer.reason)
            log.warning("%s: the hub refused a report for good: %s", device_id, answer.reason)

    def _hear_delta(self, _device_id: str, device: _Device, payload: bytes) -> None:
        delta = _read_delta(payload)
        if delta is not None:
            device.on_wishes(delta.delta)

    def _hear_twin(self, device_id: str, device: _Device, payload: bytes) -> None:
        got = _read_got(payload)
        if got is None or got.code:
            return  # asked again when it is overdue
        self._heard_hub()
        if self._questions.answered(device_id):
            device.on_wishes(got.open_wishes())
            self._ask()

    def _hear_state(self, _device_id: str, device: _Device, payload: bytes) -> None:
        result = _read_state(payload)
        if result is not None and result.device.state == device.state:
            device.confirmed = True

    def _heard_hub(self) -> None:
        self._heard_at = _now()
        if self._hub_silent:
            self._hub_silent = False
            log.info("mapper %s: the hub answers again", self.name)


_HEARERS = {
    topics.TWIN_RESULT: DeviceSide._hear_result,  # noqa: SLF001
    topics.TWIN_DELTA: DeviceSide._hear_delta,  # noqa: SLF001
    topics.TWIN_GET_RESULT: DeviceSide._hear_twin,  # noqa: SLF001
    topics.STATE_RESULT: DeviceSide._hear_state,  # noqa: SLF001
}
FILTERS = tuple(of_device("+/+", end) for end in _HEARERS)
"""Wildcards: four filters however many devices there are; answers to others are dropped by their topic."""

_read_answer = device_messages.reader(Answer)
_read_delta = device_messages.reader(device_messages.Delta)
_read_got = device_messages.reader(device_messages.Got)
_read_state = device_messages.reader(device_messages.StateResult)


def _sum(total: DeviceSideStatistics, queue: ReportQueue) -> DeviceSideStatistics:
    return total._replace(
        folded_readings=total.folded_readings + queue.folded,
        repeated_messages=total.repeated_messages + queue.repeated,
        refused_messages=total.refused_messages + queue.refused,
    )


def _now() -> float:
    return time.monotonic()
