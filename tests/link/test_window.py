from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from link.window import LEAST, MOST, TARGET, Window


def fill(window: Window, bytes_a_second: float, way: float, times: int) -> float:
    """Keep the window full over a link of so many bytes a second; seconds that the last acknowledgement took."""
    took = 0.0
    for _ in range(times):
        took = way + window.size / bytes_a_second
        window.acknowledged(window.size, took)
    return took


def test_it_opens_while_acknowledgements_are_quick():
    window = Window()
    assert window.size == LEAST
    assert fill(window, 1e9, 0.0005, 20) < TARGET
    assert window.size == MOST


def test_a_slow_link_is_not_filled_for_longer_than_the_target():
    window = Window()
    took = fill(window, 125_000, 0.01, 50)
    assert took <= 2 * TARGET
    assert LEAST < window.size <= 125_000 * 2 * TARGET


def test_a_link_that_becomes_slow_has_its_window_within_one_acknowledgement():
    window = Window()
    fill(window, 1e9, 0.001, 20)
    fill(window, 125_000, 0.001, 1)
    assert window.size <= 125_000 * 2 * TARGET
    assert fill(window, 1e9, 0.001, 20) < TARGET
    assert window.size == MOST


def test_a_long_way_is_not_taken_for_a_slow_link():
    window = Window()
    fill(window, 1e8, 0.6, 20)
    assert window.size == MOST


def test_it_does_not_open_for_who_does_not_fill_it():
    window = Window()
    for _ in range(100):
        window.acknowledged(100, 0.001)
    assert window.size == LEAST


@given(st.lists(st.tuples(st.integers(1, 2 * MOST), st.floats(0, 1e6, allow_nan=False)), max_size=30))
def test_it_stays_between_its_bounds_and_never_more_than_doubles(acknowledgements):
    window = Window(1_000, 50_000)
    for bytes_, took in acknowledgements:
        before = window.size
        window.acknowledged(bytes_, took)
        assert 1_000 <= window.size <= min(50_000, 2 * before)
