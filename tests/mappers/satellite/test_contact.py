"""Contact windows: seven days of CBERS-2, a real imaging satellite, against what an independent program found."""

from itertools import pairwise
from math import atan2, degrees, log10

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappers.satellite.contact import Contacts, rate
from mappers.satellite.orbit import Orbit
from mappers.satellite.stations import Station

CBERS_2 = Orbit.of(
    "1 28057U 03049A   06177.78615833  .00000060  00000-0  35940-4 0  1836",
    "2 28057  98.4283 247.6961 0000884  88.1964 271.9322 14.35478080140550",
)
GEOSTATIONARY = Orbit.of(
    "1 11111U 00000A   06177.50000000  .00000000  00000-0  00000-0 0    04",
    "2 11111   0.0100   0.0000 0001000   0.0000   0.0000  1.00270000    09",
)
DAY = 86400.0
BEIJING = Station("Beijing", 40.07, 116.27)
KASHGAR = Station("Kashgar", 39.50, 76.00)
SANYA = Station("Sanya", 18.25, 109.50)
SVALBARD = Station("Svalbard", 78.23, 15.40)
EDGE = 0.05
"""Seconds around a rise or a set within which it may be called either."""
beijing = Contacts(CBERS_2, BEIJING)
"""One for all questions of the property test: they come in any order."""


@pytest.mark.parametrize(
    ("station", "passes", "mean", "silence"),
    [(BEIJING, 4.1, 480, 12.0), (KASHGAR, 4.0, 481, 12.0), (SANYA, 3.0, 493, 12.2), (SVALBARD, 12.1, 522, 6.7)],
)
def test_a_week_of_passes(station: Station, passes: float, mean: float, silence: float) -> None:
    """Passes a day, their mean length (s), and the longest silence (h), as another propagation found them."""
    windows = list(Contacts(CBERS_2, station).windows(CBERS_2.epoch, CBERS_2.epoch + 7 * DAY))
    lengths = [window.set - window.rise for window in windows]
    assert len(windows) / 7 == pytest.approx(passes, abs=0.2)
    assert sum(lengths) / len(lengths) == pytest.approx(mean, rel=0.05)
    assert sum(lengths) / 7 == pytest.approx(passes * mean, rel=0.05)
    assert max(b.rise - a.set for a, b in pairwise(windows)) / 3600 == pytest.approx(silence, abs=0.05)


def test_an_overhead_pass_spans_nine_and_a_half_decibels() -> None:
    contacts = Contacts(CBERS_2, BEIJING)
    best = max(contacts.windows(CBERS_2.epoch, CBERS_2.epoch + 7 * DAY), key=lambda window: window.maximum_elevation)
    assert best.maximum_elevation > 85
    far = contacts.look(best.rise).range_km
    near = min(contacts.look(best.rise + second).range_km for second in range(int(best.set - best.rise)))
    assert near == pytest.approx(779, abs=2)
    assert far == pytest.approx(2330, rel=0.01)
    assert 10 * log10(rate(near) / rate(far)) == pytest.approx(9.5, abs=0.1)


def test_at_1000_km_the_rate_is_what_was_declared() -> None:
    assert rate(1000.0, 9600.0) == pytest.approx(9600)
    assert rate(2000.0, 9600.0) == pytest.approx(2400)


@settings(max_examples=300, deadline=None)
@given(st.floats(-DAY, 7 * DAY))
def test_in_contact_is_what_the_sky_says_in_whatever_order_one_asks(seconds: float) -> None:
    time = CBERS_2.epoch + seconds
    contact = beijing.at(time)
    assert contact.elevation == beijing.look(time).elevation
    assert contact.next_rise is not None
    assert contact.next_set is not None
    assert contact.maximum_elevation is not None
    near_an_edge = min(abs(contact.next_rise - time), abs(contact.next_set - time)) < EDGE
    if not near_an_edge and abs(contact.elevation - 10) > 0.001:
        assert contact.in_contact is (contact.elevation >= 10)
    assert contact.in_contact is (contact.rate > 0)
    assert contact.next_rise > time
    assert contact.next_set >= time
    assert (contact.next_set < contact.next_rise) is contact.in_contact
    assert contact.maximum_elevation >= 10
    assert not contact.in_contact or contact.elevation <= contact.maximum_elevation + 1e-6


def test_windows_begin_and_end_at_the_minimum_elevation() -> None:
    for window in beijing.windows(CBERS_2.epoch, CBERS_2.epoch + 2 * DAY):
        for edge in (window.rise, window.set):
            assert beijing.look(edge).elevation == pytest.approx(10, abs=0.002)
        middle = (window.rise + window.set) / 2
        assert beijing.look(middle).elevation == pytest.approx(window.maximum_elevation, abs=2)


def test_no_pass_is_missed_however_short() -> None:
    """Passes that reach no more than a few hundredths of a degree above the minimum last seconds."""
    week = (CBERS_2.epoch, CBERS_2.epoch + 7 * DAY)
    low = sorted(Contacts(CBERS_2, BEIJING, 0.0).windows(*week), key=lambda window: window.maximum_elevation)
    for window in low[:5]:
        grazing = Contacts(CBERS_2, BEIJING, window.maximum_elevation - 0.001)
        found = [each for each in grazing.windows(*week) if window.rise < each.rise < window.set]
        assert len(found) == 1
        assert 0 < found[0].set - found[0].rise < 60


def test_a_window_that_is_open_is_found_whole() -> None:
    window = next(beijing.windows(CBERS_2.epoch, CBERS_2.epoch + DAY))
    contact = Contacts(CBERS_2, BEIJING).at(window.set - 10)
    assert contact.in_contact
    assert contact.next_set == pytest.approx(window.set, abs=EDGE)
    assert contact.maximum_elevation == pytest.approx(window.maximum_elevation, abs=0.001)


def test_what_stands_still_in_the_sky_never_sets_and_elsewhere_never_rises() -> None:
    here = GEOSTATIONARY.position(GEOSTATIONARY.epoch)
    longitude = degrees(atan2(here.y, here.x))
    below = Contacts(GEOSTATIONARY, Station("below", 0.0, longitude)).at(GEOSTATIONARY.epoch)
    assert below.in_contact
    assert (below.next_rise, below.next_set) == (None, None)
    behind = Contacts(GEOSTATIONARY, Station("behind", 0.0, longitude + 180)).at(GEOSTATIONARY.epoch)
    assert not behind.in_contact
    assert (behind.next_rise, behind.next_set, behind.maximum_elevation, behind.rate) == (None, None, None, 0)
