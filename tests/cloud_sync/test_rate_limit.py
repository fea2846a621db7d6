"""How often an address may ask."""

from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.rate_limit import RateLimit


def test_a_burst_then_the_rate() -> None:
    limit = RateLimit(rate=2.0, burst=3.0)
    assert [limit.wait("192.0.2.1", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limit.wait("192.0.2.1", 0.0) == 0.5
    assert limit.wait("192.0.2.1", 0.4) > 0
    assert limit.wait("192.0.2.1", 0.5) == 0.0
    assert limit.refused == 2


def test_one_address_does_not_cost_another() -> None:
    limit = RateLimit(rate=1.0, burst=1.0)
    assert limit.wait("192.0.2.1", 0.0) == 0.0
    assert limit.wait("192.0.2.1", 0.0) > 0
    assert limit.wait("192.0.2.2", 0.0) == 0.0


def test_an_owner_of_many_ipv6_addresses_is_one() -> None:
    limit = RateLimit(rate=1.0, burst=1.0)
    assert limit.wait("2001:db8:1:2::1", 0.0) == 0.0
    assert limit.wait("2001:db8:1:2:ffff::9", 0.0) > 0
    assert limit.wait("2001:db8:1:3::1", 0.0) == 0.0
    assert limit.wait("fe80::1%eth0", 0.0) == 0.0


def test_ipv4_in_ipv6_is_told_apart() -> None:
    limit = RateLimit(rate=1.0, burst=1.0)
    assert limit.wait("::ffff:192.0.2.1", 0.0) == 0.0
    assert limit.wait("::ffff:192.0.2.2", 0.0) == 0.0


def test_the_address_that_asked_longest_ago_is_forgotten_first() -> None:
    limit = RateLimit(rate=0.001, burst=1.0, addresses=2)
    limit.wait("192.0.2.1", 0.0)
    limit.wait("192.0.2.2", 1.0)
    limit.wait("192.0.2.1", 2.0)
    limit.wait("192.0.2.3", 3.0)
    assert len(limit) == 2
    assert limit.wait("192.0.2.1", 4.0) > 0
    assert limit.wait("192.0.2.2", 4.0) == 0.0


@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.sampled_from(["192.0.2.1", "192.0.2.2", "::1", "rubbish", ""])), max_size=80
    ),
    st.floats(0.1, 20),
    st.floats(1, 10),
)
def test_no_address_gets_more_than_burst_and_rate_allow(
    asked: list[tuple[float, str]], rate: float, burst: float
) -> None:
    limit, now, served = RateLimit(rate, burst), 0.0, dict[str, int]()
    for pause, address in asked:
        now += pause
        wait = limit.wait(address, now)
        assert wait >= 0
        served[address] = served.get(address, 0) + (wait == 0)
        assert served[address] <= burst + rate * now + 1e-6


@given(st.lists(st.ip_addresses(), max_size=100))
def test_the_table_is_bounded(addresses: list[object]) -> None:
    limit = RateLimit(addresses=10)
    for address in addresses:
        limit.wait(str(address), 0.0)
        assert len(limit) <= 10
