"""Which servers are trusted, in folders."""

import os
from pathlib import Path

import pytest

from mappers.opcua import trust

ONE, OTHER = b"certificate one", b"certificate two"


@pytest.fixture
def server(tmp_path: Path) -> Path:
    return trust.server_folder(tmp_path, "plc.example", 4840)


def test_nobody_is_trusted_at_first(server: Path) -> None:
    assert not trust.is_trusted(server, ONE)
    trust.reject(server, ONE)
    assert not trust.is_trusted(server, ONE)
    assert [(each.state, each.fingerprint) for each in trust.certificates(server)] == [
        ("rejected", trust.fingerprint(ONE))
    ]


def test_one_is_trusted_by_its_fingerprint_however_it_is_written(server: Path) -> None:
    trust.reject(server, ONE)
    digits = trust.fingerprint(ONE).upper()
    colons = ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))
    assert trust.trust(server, colons).state == "trusted"
    assert trust.is_trusted(server, ONE)
    assert not trust.is_trusted(server, OTHER)
    assert not list((server / "rejected").iterdir())


def test_a_beginning_will_do_if_it_is_one_certificates(server: Path) -> None:
    trust.reject(server, ONE)
    trust.reject(server, OTHER)
    with pytest.raises(LookupError, match="no certificate"):
        trust.trust(server, "0" * 64)
    with pytest.raises(LookupError, match="no certificate"):
        trust.trust(server, "::")
    trust.trust(server, trust.fingerprint(OTHER)[:12])
    assert trust.is_trusted(server, OTHER)
    assert not trust.is_trusted(server, ONE)


def test_a_beginning_of_two_is_refused(server: Path) -> None:
    (server / "rejected").mkdir(parents=True)
    for name in ("ab12", "ab34"):
        (server / "rejected" / f"{name}.der").write_bytes(ONE)
    with pytest.raises(LookupError, match="write more"):
        trust.trust(server, "ab")


def test_a_file_is_trusted_for_what_it_holds(server: Path) -> None:
    trust.reject(server, ONE)
    trust.trust(server, trust.fingerprint(ONE))
    (server / "trusted" / f"{trust.fingerprint(ONE)}.der").write_bytes(OTHER)
    assert not trust.is_trusted(server, ONE)
    assert not trust.is_trusted(server, OTHER)


def test_a_server_that_shows_a_new_certificate_each_time_fills_no_disk(server: Path) -> None:
    for number in range(trust.MOST_REJECTED + 5):
        trust.reject(server, f"certificate {number}".encode())
        newest = server / "rejected" / f"{trust.fingerprint(f'certificate {number}'.encode())}.der"
        os.utime(newest, (number, number))
    kept = list(trust.certificates(server))
    assert len(kept) == trust.MOST_REJECTED
    assert newest.exists()


def test_servers_of_a_folder_are_found_and_a_servers_folder_is_itself(server: Path) -> None:
    trust.reject(server, ONE)
    (server.parent / "own").mkdir()
    assert trust.servers(server.parent) == [server]
    assert trust.servers(server) == [server]
    assert trust.servers(server / "nowhere") == []


def test_the_name_of_a_host_cannot_leave_the_folder(tmp_path: Path) -> None:
    assert trust.server_folder(tmp_path, "../../etc", 1).parent == tmp_path
    assert trust.server_folder(tmp_path, "fe80::1%eth0", 1).name == "fe80__1_eth0-1"


def test_the_default_folder_is_as_xdg_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert trust.folder_of("") == tmp_path / "twinhub" / "opcua"
    assert trust.folder_of("~/x") == Path("~/x").expanduser()
