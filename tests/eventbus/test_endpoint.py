from __future__ import annotations

from pathlib import Path

import pytest

from eventbus.endpoint import Endpoint
from eventbus.transport import BusError, Session


def endpoint(url: str, **options: object) -> Endpoint:
    return Endpoint.of(Session(url, **({"client_id": "c"} | options)))


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "text"),
    [
        ("mqtt://broker", "mqtt", "broker", 1883, "mqtt://broker:1883"),
        ("mqtt://broker:1884/", "mqtt", "broker", 1884, "mqtt://broker:1884"),
        ("mqtts://10.0.0.1", "mqtts", "10.0.0.1", 8883, "mqtts://10.0.0.1:8883"),
        ("mqtt://[::1]:1883", "mqtt", "::1", 1883, "mqtt://[::1]:1883"),
        ("unix:///run/mqtt.sock", "unix", "/run/mqtt.sock", 0, "unix:///run/mqtt.sock"),
    ],
)
def test_addresses(url: str, scheme: str, host: str, port: int, text: str) -> None:
    found = endpoint(url)
    assert (found.scheme, found.host, found.port, str(found)) == (scheme, host, port, text)
    assert (found.tls is not None) == (scheme == "mqtts")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker",
        "broker:1883",
        "tcp://broker:1883",
        "http://broker",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://broker:port",
        "mqtt://broker:70000",
        "mqtt://broker:0",
        "mqtt://broker/path",
        "mqtt://broker?x=1",
        "mqtt://[::1",
    ],
)
def test_other_addresses_are_refused_with_the_form_to_write(url: str) -> None:
    with pytest.raises(BusError, match="mqtt://HOST:PORT"):
        endpoint(url)


@pytest.mark.parametrize("url", ["unix://run/mqtt.sock", "unix://", "unix:"])
def test_unix_address_needs_a_path(url: str) -> None:
    with pytest.raises(BusError, match="unix:///path/to/socket"):
        endpoint(url)


def test_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(BusError, match="settings of their own") as caught:
        endpoint("mqtt://user:s3cret@broker")
    assert "s3cret" not in str(caught.value)


def test_certificates_need_an_encrypted_address() -> None:
    with pytest.raises(BusError, match="mqtts://HOST:PORT"):
        endpoint("mqtt://broker", ca_file="ca.pem")


def test_key_needs_its_certificate() -> None:
    with pytest.raises(BusError, match="give both"):
        endpoint("mqtts://broker", key_file="key.pem")


def test_unusable_tls_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BusError, match=r"missing\.pem"):
        endpoint("mqtts://broker", ca_file=str(tmp_path / "missing.pem"))
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    with pytest.raises(BusError, match=r"garbage\.pem"):
        endpoint("mqtts://broker", cert_file=str(garbage))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"client_id": ""}, "needs a client id"),
        ({"keepalive": 0}, "keepalive is 0"),
        ({"keepalive": 70_000}, "keepalive is 70000"),
        ({"receive_maximum": 0}, "receive_maximum is 0"),
        ({"expiry": -1}, "expiry is -1"),
    ],
)
def test_limits_of_the_protocol(options: dict[str, object], words: str) -> None:
    with pytest.raises(BusError, match=words):
        endpoint("mqtt://broker", **options)
