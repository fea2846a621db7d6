"""Users of a private broker, on a real one: what is allowed passes, and the broker refuses the rest."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from eventbus import topics
from eventbus.broker import PrivateBroker
from eventbus.broker_users import BrokerUser, access_list, passwords
from eventbus.connect import transport
from eventbus.listener import Listener
from eventbus.rights import EVERYTHING, Access, access
from eventbus.transport import BusError, Session, Transport
from tests.eventbus.conftest import Ear, free_port, until

HUB = BrokerUser("twinhub", "of the hub", EVERYTHING)
USERS = (
    HUB,
    BrokerUser("dashboard", "of the dashboard", access(read=["*"])),
    BrokerUser("hmi", "of the hmi", access(steer=["line-2/*", "default/pod.web"])),
    BrokerUser("mapper", "of the mapper", access(report=["line-2/press"])),
)
ALL = ("#", "$hw/#")


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path / "broker", port=free_port(), kind="mosquitto", users=USERS) as broker:
        yield broker


def client(broker: PrivateBroker, name: str = "", password: str = "", filters: Sequence[str] = ALL) -> Transport:
    credentials: dict[str, Any] = {"username": name, "password": password or f"of the {name}"} if name else {}
    return transport(Session(broker.url, f"client-{name}", subscriptions=filters, **credentials))


def hub(broker: PrivateBroker) -> Transport:
    return client(broker, HUB.name, HUB.password)


async def arrives(broker: PrivateBroker, name: str, sent: Sequence[str]) -> set[str]:
    """Which of these topics pass when `name` publishes to them."""
    ear_of = hub(broker)
    ear = Ear(ear_of)
    async with ear_of, client(broker, name, filters=()) as sender:
        for topic in sent:
            assert sender.publish(topic, b"x")
        await until(lambda: not sender.statistics().queued)
        assert ear_of.publish("end", b"")
        await until(lambda: any(message.topic == "end" for message in ear.messages))
    return {message.topic for message in ear.messages} - {"end"}


async def heard(broker: PrivateBroker, name: str, sent: Sequence[str], last: str) -> set[str]:
    """Which of these topics `name` hears, the last one of which it surely does."""
    listener = client(broker, name)
    ear = Ear(listener)
    async with listener, hub(broker) as speaker:
        for topic in (*sent, last):
            assert speaker.publish(topic, b"x")
        await until(lambda: any(message.topic == last for message in ear.messages))
    return {message.topic for message in ear.messages} - {last}


def of(device: str, *ends: str) -> set[str]:
    return {topics.of_device(device, end) for end in ends}


REQUESTS = (*(r for r in topics.Request if r is not topics.Request.MEMBERSHIP_GET),)
EVERY = [topics.of_device(device, end) for device in ("line-2/press", "line-2/saw", "boiler") for end in REQUESTS]


async def test_who_may_read_changes_nothing(broker: PrivateBroker) -> None:
    devices = ("line-2/press", "line-2/saw", "boiler")
    assert await arrives(broker, "dashboard", EVERY) == set.union(*(of(each, topics.TWIN_GET) for each in devices))


async def test_who_may_steer_wishes_and_does_not_report(broker: PrivateBroker) -> None:
    ends = (topics.TWIN_GET, topics.TWIN_DESIRED)
    pod = topics.of_device("default/pod.web", topics.TWIN_DESIRED)
    other = topics.of_device("default/pod.other", topics.TWIN_DESIRED)
    passed = await arrives(broker, "hmi", [*EVERY, pod, other])
    assert passed == of("line-2/press", *ends) | of("line-2/saw", *ends) | {pod}


async def test_who_may_report_does_so_for_its_device(broker: PrivateBroker) -> None:
    ends = (topics.TWIN_GET, topics.TWIN_DESIRED, topics.TWIN_UPDATE, topics.STATE_UPDATE)
    assert await arrives(broker, "mapper", EVERY) == of("line-2/press", *ends)


async def test_nobody_speaks_for_the_hub(broker: PrivateBroker) -> None:
    answers = [*of("line-2/press", topics.TWIN_RESULT, topics.TWIN_DOCUMENT, topics.TWIN_DELTA, topics.STATE_RESULT)]
    own = [topics.marker("edge-7"), topics.pod_status("line-2/web"), topics.node_status()]
    for name in ("dashboard", "hmi", "mapper"):
        assert not await arrives(broker, name, [*answers, *own])


async def test_everybody_hears_what_is_theirs_alone(broker: PrivateBroker) -> None:
    ends = (topics.TWIN_RESULT, topics.TWIN_DOCUMENT, topics.TWIN_DELTA)
    said = [*of("line-2/press", *ends), *of("line-2/saw", *ends), *of("boiler", *ends), "elsewhere"]
    last = topics.of_device("line-2/press", topics.STATE_RESULT)
    assert await heard(broker, "mapper", said, last) == of("line-2/press", *ends)
    assert await heard(broker, "hmi", said, last) == of("line-2/press", *ends) | of("line-2/saw", *ends)
    assert await heard(broker, "dashboard", said, last) == {*said} - {"elsewhere"}
    assert not await heard(broker, "dashboard", sorted(EVERY), last), "nobody listens to what others ask"


@pytest.mark.parametrize(("name", "password"), [("", ""), ("dashboard", "of the hmi"), ("nobody", "x")])
async def test_who_does_not_say_who_they_are_is_refused(broker: PrivateBroker, name: str, password: str) -> None:
    with pytest.raises(BusError, match="check the user name and the password") as caught:
        async with client(broker, name, password):
            pass
    assert "\n" not in str(caught.value)
    assert "of the hmi" not in str(caught.value)


async def test_users_outlive_a_broker_that_dies(broker: PrivateBroker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "eventbus.broker")
    os.kill(broker.pid, signal.SIGKILL)
    await until(lambda: "is back" in caplog.text)
    sent = [topics.of_device("line-2/press", topics.TWIN_UPDATE)]
    assert await arrives(broker, "mapper", sent)
    assert not await arrives(broker, "dashboard", sent)


async def test_users_come_and_go_while_it_runs_and_the_others_stay(broker: PrivateBroker) -> None:
    staying, leaving = client(broker, "mapper", filters=()), client(broker, "hmi", filters=())
    ears = Ear(staying), Ear(leaving)
    new = BrokerUser("pod", "of the pod", access(steer=["line-2/press"]))
    async with staying:
        await leaving.__aenter__()
        broker.admit([HUB, *(user for user in USERS if user.name != "hmi" and user is not HUB), new])
        await until(lambda: ears[1].downs)
        assert not ears[0].downs
        leave = asyncio.create_task(leaving.__aexit__(None, None, None))
        sent = [topics.of_device(device, topics.TWIN_DESIRED) for device in ("line-2/press", "line-2/saw")]
        assert await arrives(broker, "pod", sent) == {sent[0]}
        await leave


async def test_no_password_is_in_a_file_and_the_files_are_the_owners(broker: PrivateBroker) -> None:
    files = [file.read_text(errors="replace") for file in broker.directory.iterdir() if file.is_file()]
    assert not [user.name for user in USERS for text in files if user.password in text]
    for name in ("users", "acl"):
        assert (broker.directory / name).stat().st_mode & 0o077 == 0
    assert "of the hmi" not in repr(USERS)


def test_passwords_are_in_the_form_of_mosquittos_own_tool(tmp_path: Path) -> None:
    subprocess.run(["mosquitto_passwd", "-c", "-b", tmp_path / "theirs", "u", "p"], check=True, capture_output=True)
    theirs = (tmp_path / "theirs").read_text().split("$")
    ours = passwords([BrokerUser("u", "p", access())]).split("$")
    assert [len(part) for part in ours if not part.isdigit()] == [len(part) for part in theirs if not part.isdigit()]
    assert ours[:2] == theirs[:2] == ["u:", "7"]


def test_the_access_list_names_each_user_once() -> None:
    few = [BrokerUser("a", "", Access(frozenset({"x"}), frozenset({"y"}))), BrokerUser("b", "", access())]
    assert access_list(few) == "user a\ntopic write x\ntopic read y\n\nuser b\n"


async def test_an_address_beside_the_local_one(tmp_path: Path) -> None:
    for outside in (Listener("0.0.0.0", free_port()), Listener("127.0.0.2", free_port())):
        directory = tmp_path / outside.host
        async with PrivateBroker(directory, port=outside.port, kind="mosquitto", outside=outside, users=USERS) as own:
            for url in (own.url, f"mqtt://127.0.0.2:{outside.port}"):
                async with transport(Session(url, "c", username="hmi", password="of the hmi")) as reached:
                    assert reached.statistics().connected


async def test_nats_server_says_that_it_cannot(tmp_path: Path) -> None:
    for more in ({"users": USERS}, {"outside": Listener("0.0.0.0", free_port())}):
        with pytest.raises(BusError, match="apt-get install mosquitto"):
            async with PrivateBroker(tmp_path, port=free_port(), kind="nats", **more):  # type: ignore[arg-type]
                pass
