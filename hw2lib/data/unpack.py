"""Unpack a downloaded archive that nobody has looked into yet.

Python's tarfile (with its ``data`` filter) and zipfile do the unpacking. An archive is refused as a whole
where it holds anything but plain files and folders, a name that leaves the target or stands for two files,
or more than it may: bytes, entries, levels of folders, or headers, which are read before any entry is known.
"""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from pathlib import Path, PurePosixPath, PureWindowsPath
from stat import S_ISDIR, S_ISREG
from typing import Any

from hw2lib.errors import UserError

from .images import filled
from .xz import XzFile

MAX_ENTRIES, MAX_LEVELS, MAX_NAME = 100_000, 32, 255
# What tarfile may read before it knows the next entry, and what zipfile may before it knows the first.
MAX_TAR_HEADER, MAX_ZIP_DIRECTORY = 1 << 16, MAX_ENTRIES * 300
_COMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\xfd7zXZ": XzFile,
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
}
_DAMAGE: tuple[type[Exception], ...] = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    struct.error,
)
_DAMAGE += (EOFError, NotImplementedError, ValueError, OverflowError, MemoryError)


class DamagedArchive(UserError):
    """The archive cannot be read to its end."""


class RefusedEntry(UserError):
    """The archive holds an entry that must not be unpacked, or not what it should."""


def unpack(archive: Path, target: Path, max_bytes: int, only: tuple[str, ...] = ()) -> None:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into an empty folder.

    Args:
        archive: the file; its kind is read from its content.
        target: an existing, empty folder.
        max_bytes: how many bytes all files together may have, those left out too.
        only: top-level folders to unpack, by default everything. The archive is read through in one pass,
            and the rest of it never lies on the disk.

    Raises:
        DamagedArchive: it is no archive, it ends too early, or a checksum inside it is wrong.
        RefusedEntry: an entry would leave the target or is not a plain file or folder, a name appears
            twice, or there are more bytes than ``max_bytes``, or too many entries, levels or headers.
    """
    left, names = max_bytes, set()
    try:
        entries = _zip_entries(archive) if zipfile.is_zipfile(archive) else _tar_entries(archive)
        for count, (name, size, is_folder, extract) in enumerate(entries, start=1):
            parts = _checked_parts(archive, name)
            left -= size
            if size < 0:
                raise RefusedEntry(f"{archive}: refused, {name!r} has a negative size")
            if left < 0:
                raise RefusedEntry(f"{archive}: refused, unpacks to more than {max_bytes:,} bytes")
            if count > MAX_ENTRIES:
                raise RefusedEntry(f"{archive}: refused, more than {MAX_ENTRIES} entries")
            # Names that differ in case or composition alone are one file on some disks.
            key = unicodedata.normalize("NFC", "/".join(parts)).casefold()
            if key in names and not is_folder:
                raise RefusedEntry(f"{archive}: refused, {name!r} appears twice")
            names.add(key)
            if not only or (parts and parts[0] in only):
                extract(target)
    except _DAMAGE as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is None:  # bz2 and gzip say so when the data are wrong
            raise _damaged(archive, error) from error
        if not isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
            raise
        inside = os.path.relpath(error.filename, target) if error.filename else "a name"
        raise RefusedEntry(f"{archive}: refused, {inside!r} appears twice") from error


def _damaged(archive: Path, error: Exception) -> DamagedArchive:
    reason = str(error).partition(":\n")[0] or type(error).__name__
    return DamagedArchive(f"{archive}: damaged archive ({reason})")


def move_folders(archive: Path, source: Path, target: Path, required: tuple[str, ...]) -> None:
    """Move what was unpacked to its place, one rename for each folder.

    What is already at the target stays as it is; a folder of nothing but tools' leftovers counts as empty,
    and they move into the new one.

    Raises:
        RefusedEntry: a required folder is missing or empty.
    """
    for name in required:
        if not filled(source / name):
            raise RefusedEntry(f"{archive}: refused, holds no folder {name!r} with anything in it")
    for name in required:
        place = target / name
        if filled(place):
            continue
        if place.is_dir():
            for leftover in place.iterdir():
                os.replace(leftover, source / name / leftover.name)
            place.rmdir()
        (source / name).rename(place)


# Name, size, whether it is a folder, and what unpacks it below a folder.
Entry = tuple[str, int, bool, Callable[[Path], object]]


class _Metered:
    """A file that gives out no more than ``left`` bytes: a header is refused before it fills the memory."""

    def __init__(self, archive: Path, file, left: float) -> None:
        self.archive, self.file, self.left, self.last = archive, file, left, b""

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size if 0 <= size <= self.left or self.left == inf else self.left + 1)
        self.left -= len(data)
        self.last = data
        if self.left < 0:
            raise RefusedEntry(f"{self.archive}: refused, its headers are too large")
        return data

    def __getattr__(self, name: str):
        return getattr(self.file, name)


def _tar_entries(archive: Path) -> Iterator[Entry]:
    with archive.open("rb") as file:
        magic = file.read(6)
    opener = next((of for start, of in _COMPRESSED.items() if magic.startswith(start)), io.FileIO)
    with opener(archive) as stream:
        metered = _Metered(archive, stream, MAX_TAR_HEADER)
        tar = tarfile.open(fileobj=metered, mode="r:")
        while True:
            # Long names and extended headers come before the entry, each as large as it says, in any number.
            metered.left = MAX_TAR_HEADER
            member = tar.next()
            metered.left = inf
            if member is None:
                break
            # Otherwise it keeps every entry of an archive without an end; the attribute is undocumented.
            tar.members.clear()  # type: ignore[attr-defined]
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise RefusedEntry(f"{archive}: refused, {member.name!r} is a link, a device or sparse")
            yield (
                member.name,
                member.size,
                member.isdir(),
                partial(tar.extract, member, set_attrs=False, filter="data"),
            )
        if metered.last != bytes(512):  # tarfile takes a damaged header for the end
            raise tarfile.ReadError("no end mark")
        while metered.read(1 << 20):  # the padding, so that the compression's own checksum is read
            pass


def _zip_entries(archive: Path) -> Iterator[Entry]:
    with archive.open("rb") as opened:
        metered = _Metered(archive, opened, MAX_ZIP_DIRECTORY)
        with zipfile.ZipFile(metered) as file:
            metered.left = inf
            for member in file.infolist():
                mode = member.external_attr >> 16
                if mode & 0o170000 and not (S_ISREG(mode) or S_ISDIR(mode)):
                    raise RefusedEntry(f"{archive}: refused, {member.filename!r} is a link or a device")
                if member.flag_bits & 1:
                    raise RefusedEntry(f"{archive}: refused, {member.filename!r} is encrypted")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
                    raise RefusedEntry(f"{archive}: refused, {member.filename!r} is compressed in a rare way")
                yield (
                    member.filename,
                    member.file_size,
                    member.is_dir(),
                    partial(file.extract, member),
                )


def _checked_parts(archive: Path, name: str) -> tuple[str, ...]:
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    unsafe = path.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if unsafe or "\\" in name or any(ord(letter) < 32 for letter in name):
        raise RefusedEntry(f"{archive}: refused, the name {name!r} leaves the folder")
    if len(path.parts) > MAX_LEVELS or any(len(os.fsencode(part)) > MAX_NAME for part in path.parts):
        raise RefusedEntry(f"{archive}: refused, the name {name[:40]!r}… is too long or too deep")
    return path.parts
