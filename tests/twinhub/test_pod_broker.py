"""What pods are told of the broker."""

from collections.abc import Sequence

from device_models import Device
from eventbus.broker_users import BrokerUser
from eventbus.rights import access
from twinhub.pod_broker import PodBroker

PUMP, ALARM = Device("line-2", "pump", "m", "modbus"), Device("line-2", "alarm", "m", "external")
URL = "mqtt://10.0.0.7:1883"


def test_of_a_broker_without_users_they_learn_its_address() -> None:
    broker = PodBroker(URL)
    broker.admit([PUMP])
    assert broker.env(PUMP.id) == {"TWINHUB_BROKER": URL}


def test_they_may_speak_for_a_device_only_where_nobody_of_ours_does() -> None:
    let_in: list[Sequence[BrokerUser]] = []
    broker = PodBroker(URL, "ours", let_in.append)
    for devices in ([PUMP, ALARM], [PUMP, ALARM], [ALARM], []):
        broker.admit(devices)
    assert [[user.access for user in users] for users in let_in] == [
        [access(steer=[PUMP.id]), access(report=[ALARM.id])],
        [access(report=[ALARM.id])],
        [],
    ], "an equal list is not told again"
    env = broker.env(ALARM.id)
    known = let_in[1][0]
    assert (env["TWINHUB_BROKER_USER"], env["TWINHUB_BROKER_PASSWORD"]) == (known.name, known.password)


def test_passwords_are_the_same_after_a_restart_and_each_devices_own() -> None:
    first, second, other = (PodBroker(URL, password, lambda _: None) for password in ("a", "a", "b"))
    assert first.env(PUMP.id) == second.env(PUMP.id)
    passwords = {
        broker.env(device.id)["TWINHUB_BROKER_PASSWORD"] for broker in (first, other) for device in (PUMP, ALARM)
    }
    assert len(passwords) == 4
