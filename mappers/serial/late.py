"""Answers that may still come. Instruments do not number their answers: one that comes after its request was given
up looks like the answer to the next. No I/O.

The rule: after a silence a device may be asked the same again, because its answer, late, is no harm: it is what the
instrument says now. What is told by its own look may be asked, too, and what looks like the late answer as well is
passed over. Before anything else is asked, the device is left alone until nothing can come any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mappers.mapper import NoAnswer
from mappers.serial.message import Message

LATEST = 5
"""Times the time-out; an answer that takes longer than this will not come any more."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a device is asked, and how its answer looks."""

    device_id: str
    request: bytes
    timeout: float
    """Seconds."""
    tells: bool
    """The answer has a look of its own."""
    fits: Callable[[Message], bool]
    """Whether a message looks like the answer."""


@dataclass(slots=True)
class _Debt:
    question: Question
    until: float


class LateAnswers:
    """Who may owe an answer, and to what. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._debts: dict[tuple[str, bytes], _Debt] = {}
        self._left_alone: set[str] = set()
        """Devices of which something else waits to be asked."""

    def ask(self, question: Question, now: float) -> None:
        """It is about to be asked. NoAnswer when a late answer could be taken for the one to it."""
        others = [debt for debt in self._of(question.device_id, now) if debt.question.request != question.request]
        if not self.owes(question.device_id, now):
            self._left_alone.discard(question.device_id)
        elif not question.tells and (others or question.device_id in self._left_alone):
            self._left_alone.add(question.device_id)
            raise NoAnswer("an earlier answer is late and could be taken for this one; `match` tells them apart")
        same = self._debts.get((question.device_id, question.request))
        if same is not None:  # what comes may be the late answer: then the one to this is owed
            same.until = now + LATEST * question.timeout

    def owe(self, question: Question, now: float) -> None:
        """It was asked some time before now, and given up."""
        until = now + LATEST * question.timeout
        self._debts = {key: debt for key, debt in self._debts.items() if debt.until > now}
        self._debts[question.device_id, question.request] = _Debt(question, until)

    def owes(self, device_id: str, now: float) -> bool:
        """Whether an answer of the device may still come."""
        return any(self._of(device_id, now))

    def claims(self, question: Question, message: Message, now: float) -> bool:
        """Whether the message may be the late answer to another question."""
        debts = self._of(question.device_id, now)
        return any(debt.question.request != question.request and debt.question.fits(message) for debt in debts)

    def _of(self, device_id: str, now: float) -> Iterator[_Debt]:
        return (debt for (debtor, _), debt in self._debts.items() if debtor == device_id and debt.until > now)
