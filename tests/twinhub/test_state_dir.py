import stat
from pathlib import Path

import pytest

from twinhub.errors import CommandError
from twinhub.state_dir import announce, locked, running_broker


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
