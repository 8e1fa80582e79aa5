"""hw2lib.data.unpack: good, hostile and damaged archives."""

import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from faults import cases, fault

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


def zip_of(files: dict[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
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


JOINED = lzma.compress(tar_of(FILES, "w")[:100_000]) + bytes(8) + lzma.compress(tar_of(FILES, "w")[100_000:])
MODES = ("w", "w:gz", "w:bz2", "w:xz")
GOOD = {mode: tar_of(FILES, mode) for mode in MODES} | {"zip": zip_of(FILES), "two xz streams": JOINED}


@pytest.mark.parametrize("kind", GOOD)
def test_good_archives(tmp_path, kind):
    assert unpacked(GOOD[kind], tmp_path / "target") == FILES


def link(name: str, kind: bytes, to: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def octal_header(name: str, kind: bytes, size: bytes, extended: bool = False) -> bytes:
    """A tar header with a size field of one's own; ``extended`` is the flag of a sparse file."""
    block = bytearray(link(name, kind, "").tobuf(tarfile.GNU_FORMAT))
    block[124:136] = size.ljust(12, b"\0")
    block[482] = extended
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def tar_with(*blocks: bytes) -> bytes:
    return lzma.compress(b"".join(blocks) + bytes(1024), preset=1)


def declared(size: int) -> bytes:
    """A size in base 256, as GNU tar writes what octal digits cannot."""
    return b"\x80" + size.to_bytes(11, "big") if size >= 0 else b"\xff" + (256**11 + size).to_bytes(11, "big")


def pax(**headers: str) -> bytes:
    member = tarfile.TarInfo("capsule/x")
    member.pax_headers = headers
    return member.tobuf(tarfile.PAX_FORMAT)


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


DAMAGED = {
    "not-an-archive": ("A web page.", "An HTML page in place of the archive.", b"<html>moved</html>"),
    "empty": ("An empty archive.", "A file of no bytes.", b""),
    "tar-xz-cut": ("A tar.xz that ends too early.", "Its end is cut off.", tar_of(FILES)[:200_000]),
    "tar-gz-cut": ("A tar.gz that ends too early.", "Its end is cut off.", tar_of(FILES, "w:gz")[:-6]),
    "tar-cut": ("A tar that ends too early.", "Its end is cut off.", tar_of(FILES, "w")[:301_000]),
    "tar-xz-flipped": ("A damaged tar.xz.", "A byte is inverted.", flipped(tar_of(FILES), 150_000)),
    "tar-gz-flipped": ("A damaged tar.gz.", "A byte is inverted.", flipped(tar_of(FILES, "w:gz"), 150_000)),
    "tar-bz2-flipped": (
        "A damaged tar.bz2.",
        "A byte is inverted.",
        flipped(tar_of(FILES, "w:bz2"), 150_000),
    ),
    "tar-second-header-flipped": (
        "A damaged header.",
        "A byte of a tar's second header is inverted.",
        flipped(tar_of(FILES, "w"), 512 + 300_032 + 5),
    ),
    "tar-bad-number": (
        "A header with letters in place of a number.",
        "A pax header GNU.sparse.size=many.",
        tar_with(pax(**{"GNU.sparse.size": "many", "GNU.sparse.map": "x"})),
    ),
    "zip-cut": ("A zip that ends too early.", "Its end is cut off.", zip_of(FILES)[:-10]),
    "zip-flipped": ("A damaged zip.", "A byte is inverted.", flipped(zip_of(FILES), 150_000)),
}


@pytest.mark.parametrize("content", cases("archive", "It is called damaged, in one line.", DAMAGED))
def test_damaged_archives(tmp_path, content):
    with pytest.raises(DamagedArchive, match="damaged archive") as caught:
        unpacked(content, tmp_path / "target")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [*MODES, "zip"])
def test_one_folder_is_taken_out_and_the_rest_never_lies_on_the_disk(tmp_path, kind):
    files = {f"{name}/train/good/{k}.png": os.urandom(1000) for name in ("bottle", "cable") for k in range(3)}
    content = zip_of(files) if kind == "zip" else tar_of(files, kind)
    (tmp_path / "archive").write_bytes(content)
    (tmp_path / "target").mkdir()
    unpack(tmp_path / "archive", tmp_path / "target", 6000, only=("cable",))
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["cable"]
    assert sorted(p.read_bytes() for p in tmp_path.glob("target/cable/train/good/*")) == sorted(
        content for name, content in files.items() if name.startswith("cable/")
    )
    with pytest.raises(RefusedEntry, match="unpacks to more than 5,999 bytes"):
        unpack(tmp_path / "archive", tmp_path / "target", 5999, only=("bottle",))


def test_times_and_modes_of_the_archive_are_not_taken_over(tmp_path):
    member = tarfile.TarInfo("capsule/x")
    member.mode, member.mtime = 0o4777, 2.0**70
    member.pax_headers = {"mtime": "inf"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member)
    assert unpacked(buffer.getvalue(), tmp_path / "target") == {"capsule/x": b""}
    (tmp_path / "plain").touch()
    taken, plain = ((tmp_path / name).stat() for name in ("target/capsule/x", "plain"))
    assert taken.st_mode == plain.st_mode and abs(taken.st_mtime - plain.st_mtime) < 60


@fault(
    "archive",
    "The place of a data set holds nothing but what a file manager left.",
    "The folder capsule has a .DS_Store in it, and the new one comes.",
    "It counts as empty: the data come to their place, and what was there stays.",
)
def test_leftovers_are_not_in_the_way(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for path in (source / "capsule" / "new", target / "capsule" / ".DS_Store", source / ".DS_Store"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    move_folders(Path("a.zip"), source, target, ("capsule",))
    assert {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()} == {
        "capsule/.DS_Store",
        "capsule/new",
    }


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
