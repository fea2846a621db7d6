from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from link.uplink import PLAIN_REPORTS, RESEND_AFTER, SENDS, Uplink
from link.window import LEAST, Window


def ours(after: int = 0) -> Uplink:
    return Uplink(plain=False, after=after, window=Window())


def plain(after: int = 0) -> Uplink:
    return Uplink(plain=True, after=after, window=Window())


# ---- our own link


def test_an_acknowledgement_confirms_everything_up_to_it():
    link = ours()
    for seq in (1, 2, 3, 4):
        link.sent(seq, 100, 0.0)
    assert link.next_after == 4
    assert link.acknowledged("3", 0.1) == 3
    assert (link.confirmed, len(link)) == (3, 1)
    assert link.acknowledged("4", 0.1) == 4
    assert len(link) == 0


def test_what_was_confirmed_before_or_never_sent_confirms_nothing():
    link = ours(after=10)
    link.sent(11, 100, 0.0)
    for parent in ("10", "0", "12", "9" * 30, "-1", "²", "1.0", "", "x" * 1000, "None"):
        assert link.acknowledged(parent, 0.1) == 0
    assert len(link) == 1
    assert link.acknowledged("11", 0.1) == 11
    assert link.acknowledged("11", 0.2) == 0


def test_numbers_folded_away_are_passed_over():
    link = ours()
    for seq in (1, 5, 9):
        link.sent(seq, 10, 0.0)
    assert link.acknowledged("1", 0.1) == 4
    assert link.acknowledged("9", 0.1) == 9


def test_there_is_room_until_the_window_is_full_and_again_after_an_acknowledgement():
    link = ours()
    assert link.room(0.0) == LEAST
    link.sent(1, LEAST - 1, 0.0)
    assert link.room(0.0) == 1
    link.sent(2, LEAST, 0.0)
    assert link.room(0.0) == 0
    link.acknowledged("1", 0.001)
    assert link.room(0.0) > 0


def test_the_window_learns_what_the_link_carries():
    link, seq, now = ours(), 0, 0.0
    for _ in range(400):
        while link.room(now) > 0:
            seq += 1
            link.sent(seq, 1_000, now)
        now += len(link) * 1_000 / 125_000
        link.acknowledged(str(seq), now)
    assert 20_000 < link.room(now) < 100_000


def test_nothing_is_overdue_on_our_own_link():
    link = ours()
    link.sent(1, 1, 0.0)
    assert link.overdue(1e9) == []
    assert link.deadline() is None


# ---- the plain wire


def test_reports_are_confirmed_one_by_one_in_any_order():
    link = plain()
    for seq in (1, 2, 3):
        link.sent(seq, 10, 0.0, f"id-{seq}")
    assert link.acknowledged("id-3", 0.1) == 0
    assert link.acknowledged("id-1", 0.1) == 1
    assert link.acknowledged("id-2", 0.1) == 3
    for parent in ("id-2", "2", "id-9", ""):
        assert link.acknowledged(parent, 0.2) == 0


def test_so_many_reports_are_under_way_and_no_more():
    link = plain()
    for seq in range(1, PLAIN_REPORTS + 1):
        assert link.room(0.0) > 0
        link.sent(seq, 10, 0.0, f"id-{seq}")
    assert link.room(0.0) == 0
    link.acknowledged("id-7", 0.1)
    assert link.room(0.1) > 0


def test_a_report_without_an_answer_is_sent_again_and_then_given_up():
    link, now = plain(), 0.0
    link.sent(1, 10, now, "id-1")
    link.sent(2, 10, now, "id-2")
    link.acknowledged("id-2", now)
    for _ in range(SENDS - 1):
        assert link.overdue(now + RESEND_AFTER - 0.1) == []
        assert link.deadline() == now + RESEND_AFTER
        now += RESEND_AFTER
        assert link.overdue(now) == [1]
        link.sent(1, 10, now, "id-1")
        assert link.given_up() == []
    now += RESEND_AFTER
    assert link.overdue(now) == []
    assert link.given_up() == [1]
    assert link.given_up() == []
    assert link.confirmed == 2
    assert (len(link), link.deadline()) == (0, None)
    assert link.acknowledged("id-1", now) == 0, "too late: nobody waits any more"


def test_a_late_answer_to_a_first_copy_confirms_the_report():
    link = plain()
    link.sent(1, LEAST, 0.0, "id-1")
    assert link.overdue(10.0) == [1]
    link.sent(1, LEAST, 10.0, "id-1")
    assert link.acknowledged("id-1", 10.001) == 1
    assert link.room(10.1) == LEAST, "a copy's time says nothing of the link, and its bytes count once"


def test_a_number_that_was_folded_away_keeps_nobody_waiting():
    link = plain()
    link.sent(1, 10, 0.0, "id-1")
    link.sent(2, 10, 0.0, "id-2")
    link.gone(1)
    assert link.confirmed == 1
    assert link.acknowledged("id-2", 0.1) == 2
    assert link.acknowledged("id-1", 0.1) == 0


# ---- both

steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 3), st.integers(1, 5_000)),
        st.tuples(st.just("ack"), st.integers(0, 60), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 12), st.just(0)),
    ),
    max_size=60,
)


@given(st.booleans(), steps)
def test_what_is_confirmed_was_confirmed(is_plain, steps):
    """Against the definition: the numbers up to `confirmed` were each answered, or given up."""
    link, now = Uplink(plain=is_plain, after=0, window=Window()), 0.0
    sent: list[int] = []
    safe: set[int] = set()
    trimmed = 0
    for what, number, size in steps:
        if what == "send" and link.room(now) > 0:
            seq = link.next_after + number
            link.sent(seq, size, now, f"id-{seq}")
            sent.append(seq)
        elif what == "ack":
            safe |= {seq for seq in sent if seq == number or (not is_plain and seq <= number <= link.next_after)}
            told = link.acknowledged(f"id-{number}" if is_plain else str(number), now)
            assert told in (0, link.confirmed)
            assert told == 0 or told > trimmed
            lowest_open = min((seq for seq in sent if seq not in safe), default=link.next_after + 1)
            assert told in (0, lowest_open - 1)
        elif what == "wait":
            now += number
            for seq in link.overdue(now):
                assert seq not in safe
                link.sent(seq, size, now, f"id-{seq}")
            safe |= set(link.given_up())
        assert link.confirmed >= trimmed
        trimmed = link.confirmed
        assert all(seq in safe for seq in sent if seq <= trimmed)
        assert len(link) == len([seq for seq in sent if seq not in safe])
        assert not is_plain or len(link) <= PLAIN_REPORTS
