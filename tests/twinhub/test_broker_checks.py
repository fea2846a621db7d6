"""What is said of settings for the private broker that cannot be."""

from pathlib import Path

import pytest

from twinhub.errors import CommandError
from twinhub.settings import FILE, BrokerUser, Secret, load_settings

USER = "{name: hmi, password: {file: hmi}, steer: [line-2/*]}"


def load(folder: Path, broker: str) -> object:
    (folder / FILE).write_text(f"broker: {broker}\n")
    return load_settings(folder).broker


def test_users_are_read(tmp_path: Path) -> None:
    broker = load_settings(tmp_path).broker
    assert (broker.listen, broker.users) == (None, [])
    load(tmp_path, f"{{listen: 0.0.0.0, tls: {{certFile: c, keyFile: k}}, users: [{USER}]}}")
    broker = load_settings(tmp_path).broker
    assert broker.users == [BrokerUser("hmi", Secret(file="hmi"), steer=["line-2/*"])]
    assert broker.tls
    assert broker.tls.port == 8883


@pytest.mark.parametrize(
    ("broker", "said"),
    [
        ("{listen: 0.0.0.0}", "broker.listen: others would reach a broker without users; name broker.users"),
        ("{listen: '::', users: []}", "broker.listen: others would reach a broker without users"),
        (f"{{listen: plant, users: [{USER}]}}", "broker.listen: 'plant' is no IP address"),
        (f"{{url: 'mqtt://h', users: [{USER}]}}", "broker.users: a broker by address has its own"),
        (f"{{kind: nats, users: [{USER}]}}", "broker.kind: nats-server has no users; write mosquitto"),
        (f"{{users: [{USER}, {USER}]}}", "broker.users[1]: there is a user hmi already"),
        ("{users: [{name: twinhub, password: {env: X}, read: ['*']}]}", "the hub itself is called twinhub"),
        ("{users: [{name: a, password: {env: X}}]}", "a may do nothing"),
        ("{users: [{name: a, read: ['*']}]}", "password"),
        ("{users: [{name: 'a:b', password: {env: X}, read: ['*']}]}", "write a name of letters, digits"),
        ("{tls: {certFile: c, keyFile: k}}", "broker.tls: it is for those who reach the broker from elsewhere"),
        (
            f"{{listen: 10.0.0.1, tls: {{certFile: c, keyFile: k, port: 1883}}, users: [{USER}]}}",
            "broker.tls: its port is that of this machine itself",
        ),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, broker: str, said: str) -> None:
    with pytest.raises(CommandError) as caught:
        load(tmp_path, broker)
    (line,) = str(caught.value).splitlines()
    assert said in line


@pytest.mark.parametrize(
    "place", ["press", "line-2/pre*", "a/b/c", "#", "+/press", "line-2/", "/press", "a b/c", "**"]
)
def test_a_place_is_a_device_or_a_whole_namespace(tmp_path: Path, place: str) -> None:
    with pytest.raises(CommandError, match=r"NAMESPACE/NAME") as caught:
        load(tmp_path, f"{{users: [{{name: a, password: {{env: X}}, read: ['{place}']}}]}}")
    assert "users[0].read[0]" in str(caught.value)


def test_a_password_in_clear_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        load(tmp_path, "{users: [{name: a, password: hunter2, read: ['*']}]}")
    assert "hunter2" not in str(caught.value)
