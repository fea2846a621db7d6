from __future__ import annotations

from edged.events import MOST, Events, Happening, backoffs_begun
from edged.status import ContainerState, ContainerStatus, PodStatus, Waiting


def test_equal_ones_are_counted_and_the_newest_is_last() -> None:
    events = Events()
    pulled, started = Happening("Normal", "Pulled", "a"), Happening("Normal", "Started", "b")
    for at, one in enumerate((pulled, started, pulled)):
        events.add(one, float(at))
    assert [(one.reason, one.count, one.first, one.last) for one in events.all()] == [
        ("Started", 1, 1.0, 1.0),
        ("Pulled", 2, 0.0, 2.0),
    ]


def test_they_are_bounded() -> None:
    events = Events()
    for number in range(1000):
        events.add(Happening("Warning", "Unhealthy", f"{number} " + "x" * 5000), 0.0)
    assert len(events.all()) == MOST
    assert events.all()[-1].message.startswith("999 ")
    assert all(len(one.message) <= 1024 for one in events.all())


def paused(reason: str, message: str = "") -> PodStatus:
    state = ContainerState(waiting=Waiting(reason, message))
    one = ContainerStatus(name="app", image="i", ready=False, started=False, restart_count=0, state=state)
    return PodStatus(phase="Running", container_statuses=(one,))


def test_a_pause_is_told_when_it_begins() -> None:
    pulling = paused("ImagePullBackOff", 'Back-off pulling image "x": not there')
    assert list(backoffs_begun(None, pulling)) == [Happening("Normal", "BackOff", 'Back-off pulling image "x"')]
    assert not list(backoffs_begun(pulling, pulling))
    crashing = paused("CrashLoopBackOff")
    assert [one.type for one in backoffs_begun(pulling, crashing)] == ["Warning"]
    assert not list(backoffs_begun(crashing, paused("ContainerCreating")))
