"""hw2lib.data.unpack: good, hostile and damaged archives."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from hw2lib.data.unpack import DamagedArchive, RefusedEntry, move_folders, unpack

FILES = {"capsule/train/good/000.png": os.urandom(300_000), "capsule/license.txt": b"terms\n"}


def tar_of(files: dict[str, bytes], mode: str = "w:xz", extra: tarfile.TarInfo | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o400
            tar.addfile(member, io.BytesIO(content))
        if extra:
            tar.addfile(extra)
    return buffer.getvalue()


def zip_of(files: dict[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def unpacked(content: bytes, target: Path) -> dict[str, bytes]:
    """The files that come out."""
    target.mkdir(parents=True)
    archive = target.parent / "archive"
    archive.write_bytes(content)
    unpack(archive, target, max_bytes=4_000_000)
    return {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()}


GOOD = {mode: tar_of(FILES, mode) for mode in ("w", "w:gz", "w:bz2", "w:xz")} | {"zip": zip_of(FILES)}


@pytest.mark.parametrize("kind", GOOD)
def test_good_archives(tmp_path, kind):
    assert unpacked(GOOD[kind], tmp_path / "target") == FILES


def link(name: str, kind: bytes, to: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def zip_link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, 0o120777 << 16
    return member


REFUSED = {
    "tar-parent": tar_of(FILES | {"capsule/../../escaped": b"x"}),
    "tar-absolute": tar_of(FILES | {"/escaped": b"x"}),
    "tar-symlink": tar_of(FILES, extra=link("capsule/link", tarfile.SYMTYPE, "train")),
    "tar-hardlink": tar_of(FILES, extra=link("capsule/link", tarfile.LNKTYPE, "capsule/license.txt")),
    "tar-fifo": tar_of(FILES, extra=link("capsule/pipe", tarfile.FIFOTYPE, "")),
    "tar-device": tar_of(FILES, extra=link("capsule/null", tarfile.CHRTYPE, "")),
    "tar-twice": tar_of(FILES, extra=tarfile.TarInfo("capsule/license.txt")),
    "tar-file-as-folder": tar_of({"capsule": b"x"} | FILES),
    "zip-parent": zip_of(FILES | {"../escaped": b"x"}),
    "zip-absolute": zip_of(FILES | {"/escaped": b"x"}),
    "zip-backslash": zip_of(FILES | {"capsule\\..\\..\\escaped": b"x"}),
    "zip-drive": zip_of(FILES | {"C:/escaped": b"x"}),
    "zip-symlink": zip_of(FILES | {zip_link("capsule/link"): b"../.."}),
    "zip-bomb": zip_of(FILES | {"capsule/zeros": bytes(5_000_000)}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_entries(tmp_path, case):
    target = tmp_path / "below" / "target"
    with pytest.raises(RefusedEntry, match="refused") as caught:
        unpacked(REFUSED[case], target)
    assert "\n" not in str(caught.value)
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} <= {
        "archive",
        "000.png",
        "license.txt",
        "capsule",
        "zeros",
    }


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


DAMAGED = {
    "not-an-archive": b"<html>moved</html>",
    "empty": b"",
    "tar-xz-cut": tar_of(FILES)[:200_000],
    "tar-gz-cut": tar_of(FILES, "w:gz")[:-6],
    "tar-cut": tar_of(FILES, "w")[:301_000],
    "tar-xz-flipped": flipped(tar_of(FILES), 150_000),
    "tar-gz-flipped": flipped(tar_of(FILES, "w:gz"), 150_000),
    "tar-bz2-flipped": flipped(tar_of(FILES, "w:bz2"), 150_000),
    "tar-second-header-flipped": flipped(tar_of(FILES, "w"), 512 + 300_032 + 5),
    "zip-cut": zip_of(FILES)[:-10],
    "zip-flipped": flipped(zip_of(FILES), 150_000),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_archives(tmp_path, case):
    with pytest.raises(DamagedArchive, match="damaged archive") as caught:
        unpacked(DAMAGED[case], tmp_path / "target")
    assert "\n" not in str(caught.value)


def test_only_filled_required_folders_move_and_nothing_is_replaced(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for path in (source / "capsule" / "new", source / "other" / "x", target / "bottle" / "old"):
        path.parent.mkdir(parents=True)
        path.touch()
    (source / "bottle").mkdir()
    with pytest.raises(RefusedEntry, match="holds no folder 'bottle' with anything in it"):
        move_folders(Path("a.zip"), source, target, ("capsule", "bottle"))
    (source / "bottle" / "new").touch()
    move_folders(Path("a.zip"), source, target, ("capsule", "bottle"))
    assert {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()} == {
        "bottle/old",
        "capsule/new",
    }
