from __future__ import annotations

from itertools import islice

from eventbus.backoff import full_jitter


def test_limits_double_up_to_the_cap_and_the_whole_range_is_used() -> None:
    runs = [list(islice(full_jitter(0.1, 1.0), 8)) for _ in range(400)]
    limits = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0]
    for waits, limit in zip(zip(*runs, strict=True), limits, strict=True):
        assert 0 <= min(waits) < 0.1 * limit
        assert 0.9 * limit < max(waits) <= limit


def test_it_never_ends() -> None:
    assert next(islice(full_jitter(0.1, 10), 5000, None)) <= 10
