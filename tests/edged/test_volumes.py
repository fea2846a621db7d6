from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edged.places import Room, room_in
from edged.pod import Pod
from edged.sources import ConfigMap, Secret, Sources
from edged.volumes import Volumes
from edged.wanted import CannotPlan

LEVELS = {"high": "80", "low": "5"}
SOURCES = Sources({"default/levels": ConfigMap(LEVELS)}, {"default/door": Secret({"code": b"1234"})})


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "disk", tmp_path / "memory")


@pytest.fixture
def volumes(room: Room) -> Volumes:
    return Volumes(room)


def pod(volume: dict[str, Any], **security: Any) -> Pod:
    return mounting({}, volume, **security)


def mounting(mount: dict[str, Any], volume: dict[str, Any], **security: Any) -> Pod:
    mounts = [{"name": "v", "mountPath": "/v", **mount}] if mount else []
    spec = {
        "containers": [{"name": "c", "image": "i", "volumeMounts": mounts}],
        "volumes": [{"name": "v", **volume}],
        "securityContext": security,
    }
    return msgspec.convert({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}, Pod)


def place(room: Room, one: Pod, uid: str = "u") -> Path:
    return room.of(one.id, uid).volume(one.spec.volumes[0])


def shown(directory: Path) -> dict[str, bytes]:
    """What a reader of the volume sees."""
    seen: dict[str, bytes] = {}
    for folder, folders, names in os.walk(directory, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith("..")]
        seen |= {str(Path(folder, name).relative_to(directory)): Path(folder, name).read_bytes() for name in names}
    return seen


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


LEVEL_MAP = {"configMap": {"name": "levels"}}
DOOR = {"secret": {"secretName": "door"}}


def test_a_config_map_becomes_files(volumes: Volumes, room: Room) -> None:
    one = pod(LEVEL_MAP)
    volumes.prepare(one, "u", SOURCES)
    assert shown(place(room, one)) == {"high": b"80", "low": b"5"}
    assert mode(place(room, one) / "high") == 0o644


def test_items_choose_keys_paths_and_modes(volumes: Volumes, room: Room) -> None:
    items = [{"key": "high", "path": "deep/er/h"}, {"key": "low", "path": "deep/l", "mode": 0o400}]
    one = pod({"configMap": {"name": "levels", "defaultMode": 0o640, "items": items}})
    volumes.prepare(one, "u", SOURCES)
    directory = place(room, one)
    assert shown(directory) == {"deep/er/h": b"80", "deep/l": b"5"}
    assert (mode(directory / "deep/er/h"), mode(directory / "deep/l")) == (0o640, 0o400)


def test_secrets_lie_in_memory_where_nobody_else_looks(volumes: Volumes, room: Room) -> None:
    one = pod(DOOR)
    volumes.prepare(one, "u", SOURCES)
    assert room.memory
    assert place(room, one).is_relative_to(room.memory)
    assert shown(place(room, one)) == {"code": b"1234"}
    assert [mode(root) for root in room if root] == [0o700, 0o700]


def test_without_a_tmpfs_secrets_lie_on_disk(tmp_path: Path) -> None:
    room = room_in(tmp_path, tmp_path / "none")
    assert room.memory is None
    one = pod(DOOR)
    Volumes(room).prepare(one, "u", SOURCES)
    assert shown(place(room, one)) == {"code": b"1234"}
    with pytest.raises(CannotPlan, match="no tmpfs"):
        Volumes(room).prepare(pod({"emptyDir": {"medium": "Memory"}}), "u", SOURCES)


def test_a_directory_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "memory").symlink_to("theirs")
    with pytest.raises(CannotPlan, match="belongs to somebody else"):
        Volumes(Room(tmp_path / "disk", tmp_path / "memory")).prepare(pod(DOOR), "u", SOURCES)
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_that_somebody_else_made_before_is_not_used(tmp_path: Path, room: Room) -> None:
    assert room.memory
    room.memory.mkdir()
    os.chown(room.memory, 12345, -1)
    with pytest.raises(CannotPlan, match="belongs to somebody else"):
        Volumes(room).prepare(pod(DOOR), "u", SOURCES)
    assert list(room.memory.iterdir()) == []


def test_a_directory_that_others_can_enter_is_closed(volumes: Volumes, room: Room) -> None:
    assert room.memory
    room.memory.mkdir(mode=0o755)
    volumes.prepare(pod(DOOR), "u", SOURCES)
    assert mode(room.memory) == 0o700


def test_each_edged_has_room_of_its_own(tmp_path: Path) -> None:
    assert room_in(tmp_path / "a", tmp_path).memory != room_in(tmp_path / "b", tmp_path).memory


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ({"configMap": {"name": "none"}}, "ConfigMap default/none is not there"),
        ({"secret": {"secretName": "none"}}, "Secret default/none is not there"),
        ({"configMap": {"name": "levels", "items": [{"key": "k", "path": "k"}]}}, "levels has no key k"),
        ({"hostPath": {"path": "/none/such", "type": "Directory"}}, "hostPath /none/such is not there"),
        ({"hostPath": {"path": "/", "type": "File"}}, "hostPath / is no file"),
        ({"hostPath": {"path": "/", "type": "Socket"}}, "hostPath / is no socket"),
        ({"hostPath": {"path": "/dev/null", "type": "BlockDevice"}}, "hostPath /dev/null is no block device"),
        ({"hostPath": {"path": "/dev/null/x", "type": "DirectoryOrCreate"}}, "Not a directory"),
    ],
)
def test_what_cannot_be_is_told(volumes: Volumes, volume: dict[str, Any], words: str) -> None:
    with pytest.raises(CannotPlan, match=words) as caught:
        volumes.prepare(pod(volume), "u", SOURCES)
    assert caught.value.reason == "FailedMount"


def test_what_is_optional_may_be_missing_and_come_later(volumes: Volumes, room: Room) -> None:
    items = [{"key": "high", "path": "high"}, {"key": "none", "path": "none"}]
    one = pod({"configMap": {"name": "levels", "optional": True, "items": items}})
    volumes.prepare(one, "u", Sources())
    assert shown(place(room, one)) == {}
    volumes.prepare(one, "u", SOURCES)
    assert shown(place(room, one)) == {"high": b"80"}


def test_an_empty_dir_outlives_containers_and_not_its_pod(volumes: Volumes, room: Room) -> None:
    one = pod({"emptyDir": {}})
    volumes.prepare(one, "u", SOURCES)
    directory = place(room, one)
    assert mode(directory) == 0o777
    (directory / "file").write_text("kept")
    directory.chmod(0o750)
    volumes.prepare(one, "u", SOURCES)
    assert shown(directory) == {"file": b"kept"}
    assert mode(directory) == 0o750
    volumes.prepare(one, "v", SOURCES)
    assert not directory.exists()
    assert shown(place(room, one, "v")) == {}


def test_nothing_is_left_of_a_pod_that_is_gone(volumes: Volumes, room: Room) -> None:
    for volume in (DOOR, LEVEL_MAP, {"emptyDir": {"medium": "Memory"}}):
        volumes.prepare(pod(volume), "u", SOURCES)
    other = msgspec.structs.replace(pod({"emptyDir": {}}).metadata, name="b")
    volumes.prepare(msgspec.structs.replace(pod({"emptyDir": {}}), metadata=other), "u", SOURCES)
    volumes.forget("default/a")
    volumes.forget("default/a")
    assert volumes.left() == {"default/b"}


def test_a_volume_that_is_declared_no_more_goes(volumes: Volumes, room: Room) -> None:
    secret, levels = pod(DOOR), pod(LEVEL_MAP)
    volumes.prepare(secret, "u", SOURCES)
    volumes.prepare(levels, "u", SOURCES)
    assert not place(room, secret).exists()
    assert place(room, levels).exists()


def test_a_group_may_read_and_write(volumes: Volumes, room: Room) -> None:
    group = os.getgid()
    empty = pod({"emptyDir": {}}, fsGroup=group)
    volumes.prepare(empty, "u", SOURCES)
    assert mode(place(room, empty)) == 0o2777
    secret = pod({"secret": {"secretName": "door", "defaultMode": 0o400}}, fsGroup=group)
    volumes.prepare(secret, "u", SOURCES)
    assert mode(place(room, secret) / "code") == 0o440
    assert (place(room, secret) / "code").stat().st_gid == group


def test_host_paths_are_made_where_they_may_be(volumes: Volumes, tmp_path: Path) -> None:
    volumes.prepare(pod({"hostPath": {"path": f"{tmp_path}/a/b", "type": "DirectoryOrCreate"}}), "u", SOURCES)
    volumes.prepare(pod({"hostPath": {"path": f"{tmp_path}/c"}}), "u", SOURCES)
    volumes.prepare(pod({"hostPath": {"path": f"{tmp_path}/a/f", "type": "FileOrCreate"}}), "u", SOURCES)
    assert (tmp_path / "a/b").is_dir()
    assert (tmp_path / "c").is_dir()
    assert (tmp_path / "a/f").is_file()
    volumes.prepare(pod({"hostPath": {"path": "/dev/null", "type": "CharDevice"}}), "u", SOURCES)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        volumes.prepare(pod({"hostPath": {"path": f"{tmp_path}/s", "type": "Socket"}}), "u", SOURCES)


def test_a_part_of_a_volume_is_made(volumes: Volumes, room: Room) -> None:
    one = mounting({"subPath": "a/b"}, {"emptyDir": {}})
    volumes.prepare(one, "u", SOURCES)
    assert mode(place(room, one) / "a/b") == 0o777
    volumes.prepare(mounting({"subPath": "high"}, LEVEL_MAP), "u", SOURCES)
    with pytest.raises(CannotPlan, match="volume v has no file none"):
        volumes.prepare(mounting({"subPath": "none"}, LEVEL_MAP), "u", SOURCES)


@pytest.mark.parametrize("target", ["/etc", "../../..", "loop"])
def test_no_link_leads_out_of_a_volume(volumes: Volumes, room: Room, target: str) -> None:
    """A container may leave a link in its volume, and be mounted through it the next time."""
    one = mounting({"subPath": "loop/x"}, {"emptyDir": {}})
    volumes.prepare(pod({"emptyDir": {}}), "u", SOURCES)
    (place(room, one) / "loop").symlink_to(target)
    with pytest.raises(CannotPlan):
        volumes.prepare(one, "u", SOURCES)
