from __future__ import annotations

import io
import resource
import tarfile
from pathlib import Path
from typing import Any

import busybox_image
import pytest
from msgspec import json

from edged.process.images import Images
from edged.runtime import RuntimeRefused

Entries = dict[str, "bytes | str"]


@pytest.fixture
def images(tmp_path: Path) -> Images:
    made = Images(tmp_path / "images")
    made.prepare()
    return made


def layer(entries: Entries, mode: str = "w:gz", *, link: bytes = tarfile.SYMTYPE) -> bytes:
    """Bytes are a file's, a text is where a link leads, and a name that ends in / is a directory's."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in entries.items():
            member = tarfile.TarInfo(name.rstrip("/"))
            member.mode = 0o755
            if name.endswith("/"):
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname = link, content
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content if isinstance(content, bytes) else b""))
    return buffer.getvalue()


def archive(path: Path, *layers: bytes, name: str = "localhost/x:1") -> str:
    names = [f"{number}.tar" for number in range(len(layers))]
    manifest = json.encode([{"Config": "config.json", "RepoTags": [name], "Layers": names}])
    with tarfile.open(path, "w") as tar:
        files = {
            "manifest.json": manifest,
            "config.json": json.encode({"created": name}),
            **dict(zip(names, layers, strict=False)),
        }
        for file, content in files.items():
            member = tarfile.TarInfo(file)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return str(path)


def root(images: Images, name: str = "localhost/x:1") -> Path:
    stored = images.find(name)
    assert stored
    return Path(stored.root)


def test_a_layer_takes_away_and_replaces(images: Images, tmp_path: Path) -> None:
    below = layer({"a/": b"", "a/old": b"1", "a/kept": b"1", "d/": b"", "d/x": b"1", "tool": b"tool", "link": "tool"})
    above = layer({"a/.wh.old": b"", "d/.wh..wh..opq": b"", "d/new": b"2", "link": b"a file"})
    images.load(archive(tmp_path / "x.tar", below, above))
    files = {str(path.relative_to(root(images))) for path in root(images).rglob("*") if not path.is_dir()}
    assert files == {"a/kept", "d/new", "tool", "link"}
    assert (root(images) / "link").read_bytes() == b"a file"
    assert (root(images) / "tool").read_bytes() == b"tool"


@pytest.mark.parametrize(
    "entries",
    [{"../out": b"x"}, {"a/../../out": b"x"}, {"away": "..", "away/out": b"x"}, {"..": b"x"}, {"../.wh.file": b""}],
)
def test_nothing_goes_outside(images: Images, tmp_path: Path, entries: Entries) -> None:
    (tmp_path / "images" / "file").write_text("mine")
    with pytest.raises(RuntimeRefused, match="outside the image"):
        images.load(archive(tmp_path / "x.tar", layer(entries)))
    assert not list(tmp_path.rglob("out"))
    assert (tmp_path / "images" / "file").exists()
    assert not images.all()
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["file", "names"]


def test_no_hard_link_leads_outside(images: Images, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    made = archive(tmp_path / "x.tar", layer({"got": "../../../secret"}, link=tarfile.LNKTYPE))
    with pytest.raises(RuntimeRefused, match="outside the image"):
        images.load(made)


def test_an_absolute_name_is_one_in_the_image(images: Images, tmp_path: Path) -> None:
    images.load(archive(tmp_path / "x.tar", layer({"/etc/": b"", "/etc/one": b"1"})))
    assert (root(images) / "etc" / "one").read_bytes() == b"1"


def test_a_root_file_system_is_named_after_its_file(images: Images, tmp_path: Path) -> None:
    path = tmp_path / "app.tar.gz"
    path.write_bytes(layer({"bin/": b"", "bin/app": b"app"}))
    assert images.load(str(path)) == ["localhost/app:latest"]
    assert (root(images, "app") / "bin" / "app").read_bytes() == b"app"


def test_a_name_goes_over_to_what_was_loaded_last(images: Images, tmp_path: Path) -> None:
    images.load(archive(tmp_path / "x.tar", layer({"a": b"1"})))
    before = images.find("localhost/x:1")
    path = tmp_path / "y.tar"
    archive(path, layer({"a": b"2"}), name="other")
    images.load(str(path))
    content = json.encode([{"Config": "config.json", "RepoTags": ["localhost/x:1"], "Layers": ["0.tar"]}])
    with tarfile.open(tmp_path / "z.tar", "w") as tar, tarfile.open(path) as old:
        for member in old.getmembers():
            data = content if member.name == "manifest.json" else old.extractfile(member).read()  # type: ignore[union-attr]
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    images.load(str(tmp_path / "z.tar"))
    assert images.find("localhost/x:1") == images.find("other") != before
    assert before
    assert images.find(before.id) == before, "containers that were made from it find it still"


@pytest.mark.skipif(not busybox_image.busybox(), reason=busybox_image.MISSING)
def test_a_damaged_blob_is_refused(images: Images, tmp_path: Path) -> None:
    path = busybox_image.oci_archive(tmp_path / "x.tar")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"nobody:x:65534", b"nobody:x:00000"))
    with pytest.raises(RuntimeRefused, match="damaged"):
        images.load(str(path))


@pytest.mark.parametrize("manifest", [b"null", b"[]x", b"[1]", b'[{"Config": null}]', b"[" * 10_000, b'{"a": 1}'])
def test_a_manifest_that_makes_no_sense_is_refused(images: Images, tmp_path: Path, manifest: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(layer({"manifest.json": manifest}, "w"))
    with pytest.raises(RuntimeRefused):
        images.load(str(path))
    assert not images.all()


@pytest.mark.parametrize("strange", [{"mtime": 1e30}, {"uid": 1 << 40}, {"name": "a/x"}])
def test_an_entry_that_makes_no_sense_is_refused(images: Images, tmp_path: Path, strange: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, target in (("a", "b"), ("b", "a")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        member = tarfile.TarInfo("file")
        for field, value in strange.items():
            setattr(member, field, value)
        tar.addfile(member)
    with pytest.raises(RuntimeRefused, match="cannot be loaded"):
        images.load(archive(tmp_path / "x.tar", buffer.getvalue()))
    assert not images.all()


def test_what_is_too_large_is_refused_before_it_is_unpacked(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = archive(tmp_path / "x.tar", layer({"zeros": bytes(4 << 20)}))
    monkeypatch.setattr("edged.process.images.MOST_BYTES", 1 << 20)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, before[1]))  # of a file that is written all the same
    try:
        with pytest.raises(RuntimeRefused, match="larger than"):
            images.load(bomb)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_layer_of_files_without_end_is_refused(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.process.images.MOST_FILES", 10)
    with pytest.raises(RuntimeRefused, match="more than 10 files"):
        images.load(archive(tmp_path / "x.tar", layer({f"{number}": b"" for number in range(11)})))


def test_what_was_half_unpacked_when_somebody_was_killed_is_swept(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images" / ".half" / "root" / "bin").mkdir(parents=True)
    images.prepare()
    assert (tmp_path / "images" / ".half").exists(), "somebody may be at it"
    monkeypatch.setattr("edged.process.rooms.OLD", -1.0)
    images.prepare()
    assert not (tmp_path / "images" / ".half").exists()


def test_what_is_not_there_is_not_found(images: Images) -> None:
    assert images.find("localhost/absent:1") is None
    assert images.find("../../etc") is None
    assert images.find("names") is None
