from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from device_models import AccessMode, DataType, Device, Property
from twin.store import Store, open_store
from twinhub.declared import Declared


def device(desired: str | None, name: str = "pump") -> Device:
    speed = Property("speed", DataType.INT, AccessMode.READ_WRITE, visitor={"offset": 1}, desired=desired)
    return Device("default", name, "pump", "modbus", {"ip": "10.0.0.9"}, (speed,))


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "catalogue.json") as store:
        yield store


async def test_what_was_remembered_is_recalled(catalogue: Store) -> None:
    devices = [device("1200"), device(None, "spare")]
    await Declared(catalogue).remember(devices)
    assert await Declared(catalogue).recall() == devices


async def test_what_is_declared_no_more_is_forgotten(catalogue: Store) -> None:
    declared = Declared(catalogue)
    await declared.remember([device("1200"), device(None, "spare")])
    await declared.remember([device("1200")])
    assert await Declared(catalogue).recall() == [device("1200")]


async def test_only_a_new_or_edited_wish_is_news(catalogue: Store) -> None:
    declared = Declared(catalogue)
    assert declared.news([device("1200")]) == {"default/pump": {"speed": "1200"}}
    await declared.remember([device("1200")])
    assert declared.news([device("1200")]) == {}
    again = Declared(catalogue)
    await again.recall()
    assert again.news([device("1200")]) == {}
    assert again.news([device("1450")]) == {"default/pump": {"speed": "1450"}}
    assert again.news([device(None)]) == {}


async def test_an_unreadable_entry_is_left_out(catalogue: Store, caplog: pytest.LogCaptureFixture) -> None:
    await Declared(catalogue).remember([device("1200")])
    await catalogue.put("Device/default/odd", {"name": 5})
    assert await Declared(catalogue).recall() == [device("1200")]
    assert "Device/default/odd" in caplog.text
