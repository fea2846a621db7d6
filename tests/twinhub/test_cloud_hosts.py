import pytest

from twinhub.cloud_hosts import advertised, certificate_hosts, is_host


def test_the_certificate_is_good_for_what_was_given_and_for_this_machine() -> None:
    hosts = certificate_hosts(["plant.example", "localhost"])
    assert hosts[0] == "plant.example"
    assert set(hosts) >= {"localhost", "127.0.0.1", "::1"}
    assert len(hosts) == len(set(hosts))


def test_the_first_host_is_advertised() -> None:
    assert advertised(["plant.example", "other.example"]) == "plant.example"
    assert is_host(advertised([]))


@pytest.mark.parametrize("text", ["", "a b", "-a", "a_b", "a..b", "host:1", "é" * 300])
def test_what_is_no_host(text: str) -> None:
    assert not is_host(text)
