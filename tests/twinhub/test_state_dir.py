import stat
from pathlib import Path

import pytest

from edged.errands import ImageList, Images
from twinhub.errors import CommandError
from twinhub.hub_door import HubDoor
from twinhub.state_dir import NAME, announce, found, locked, running_broker


def test_one_hub_at_a_time(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with locked(state), pytest.raises(CommandError, match="another hub"), locked(state):
        pass
    with locked(state):
        pass


def test_an_open_directory_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with locked(tmp_path):
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_the_broker_is_found_only_while_the_hub_runs(tmp_path: Path) -> None:
    assert running_broker(tmp_path / "nowhere") is None
    with locked(tmp_path):
        assert running_broker(tmp_path) is None
        announce(tmp_path, "mqtt://127.0.0.1:18830")
        assert running_broker(tmp_path) == "mqtt://127.0.0.1:18830"
    assert running_broker(tmp_path) is None


def test_a_directory_that_cannot_be_used_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="--state-dir"), locked(tmp_path / "file"):
        pass


def test_the_hub_of_a_folder_is_found_from_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plant, other = Path("plant", NAME), Path("other", NAME)
    with locked(plant), locked(other):
        announce(plant, "mqtt://127.0.0.1:18830")
        assert found() == plant
        announce(other, "mqtt://127.0.0.1:18831")
        assert found() == Path(NAME), "of two it is not known which is meant"
    with locked(other):
        assert found() == other, "the hub of the plant has ended"
        with locked(Path(NAME)):
            announce(Path(NAME), "mqtt://127.0.0.1:18832")
            assert found() == Path(NAME)


def test_who_asks_a_hub_without_pods_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no hub runs in"):
        HubDoor(tmp_path).ask(Images(), ImageList)
    with locked(tmp_path):
        announce(tmp_path, "mqtt://127.0.0.1:18830")
        with pytest.raises(CommandError, match="runs no pods yet"):
            HubDoor(tmp_path).ask(Images(), ImageList)
