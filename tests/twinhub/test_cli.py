import subprocess
import sys

import pytest
from live_plant import free_port, twinhub

from twinhub.cli import COMMANDS


def test_help_names_every_command() -> None:
    done = twinhub("--help")
    assert done.returncode == 0
    assert all(f"    {command} " in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_exit_codes(command: str) -> None:
    done = twinhub(command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"examples:\n  twinhub {command}" in done.stdout
    assert "Exit codes: 0" in done.stdout


def test_help_costs_no_heavy_imports() -> None:
    program = (
        "import sys; from twinhub.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print('HEAVY', [m for m in ('asyncio', 'paho', 'yaml', 'msgspec', 'pymodbus') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("HEAVY []\n")


@pytest.mark.parametrize(
    "words", [[], ["frobnicate"], ["get", "a/b/c"], ["get", "--broker", "nonsense"], ["set", "pump"], ["run"]]
)
def test_a_command_line_that_is_not_understood_is_exit_code_2(words: list[str]) -> None:
    done = twinhub(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: twinhub")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["get"], ["get", "pump"], ["set", "pump", "speed", "5"], ["watch"]])
def test_without_a_broker_one_line_says_what_to_do(words: list[str]) -> None:
    done = twinhub(*words, "--broker", f"mqtt://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no broker at" in line
    assert "twinhub run" in line


def test_a_wrong_environment_is_named() -> None:
    done = twinhub("get", TWINHUB_BROKER="http://plant")
    assert done.returncode == 1
    assert "TWINHUB_BROKER" in done.stderr


def test_debug_shows_the_traceback() -> None:
    done = twinhub("get", "--debug", "--broker", f"mqtt://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_reader_that_goes_away_is_no_error_of_ours() -> None:
    program = [sys.executable, "-m", "twinhub", "validate", "--json", "/dev/null"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.close()
        assert started.stderr is not None
        assert started.stderr.read() == b""
    assert started.returncode == 1


def test_version() -> None:
    assert twinhub("--version").stdout.startswith("twinhub 0.")
