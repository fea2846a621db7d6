"""How an edge presents itself to its broker."""

from pathlib import Path

import pytest

from twinhub.bus_session import BusSessions
from twinhub.own_broker import as_ourselves
from twinhub.settings import BrokerSettings, BrokerUser, Secret, Settings

USERS = [BrokerUser("hmi", Secret(env="X"), read=["*"])]


def sessions(state: Path, broker: BrokerSettings) -> BusSessions:
    settings = Settings(node="edge-7", broker=as_ourselves(broker, state))
    return BusSessions(settings, state, broker.url or f"mqtt://127.0.0.1:{broker.port}")


@pytest.mark.parametrize("broker", [BrokerSettings(), BrokerSettings(url="mqtt://plant", users=USERS)])
def test_without_users_of_ours_there_is_nothing_secret(tmp_path: Path, broker: BrokerSettings) -> None:
    ours = sessions(tmp_path, broker)
    assert ours.hub().client_id == "twinhub-edge-7"
    assert (ours.hub().username, ours.hub().password) == (None, None)
    assert ours.secret_url == ours.url
    assert not list(tmp_path.iterdir())


def test_with_users_nobody_can_take_a_session_over_and_it_is_kept(tmp_path: Path) -> None:
    once, again = (sessions(tmp_path / "a", BrokerSettings(users=USERS)) for _ in range(2))
    elsewhere = sessions(tmp_path / "b", BrokerSettings(users=USERS))
    assert once.hub() == again.hub()
    assert once.mapper("modbus") == again.mapper("modbus")
    assert once.hub().client_id.startswith("twinhub-edge-7-")
    assert once.hub().client_id != elsewhere.hub().client_id
    assert once.hub().password
    assert once.hub().password != elsewhere.hub().password
    assert once.hub().password not in once.hub().client_id


def test_a_password_of_a_broker_by_address_stays_out_of_its_url(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    ours = sessions(tmp_path, BrokerSettings(url="mqtt://plant", username="hub", password=Secret(file="secret")))
    assert (ours.hub().username, ours.hub().password) == ("hub", "hunter2")
    assert "hunter2" not in ours.secret_url
