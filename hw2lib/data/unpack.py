"""Unpack a downloaded archive that nobody has looked into yet.

Only plain files and folders come out, below the target, with this process's own permissions. An archive
that holds anything else is refused as a whole: links, devices, absolute names, names with ``..``, the same
name twice, or more bytes than it may unpack to.
"""

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath, PureWindowsPath
from stat import S_ISDIR, S_ISREG

from hw2lib.errors import UserError

MAX_ENTRIES = 100_000
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, NotImplementedError)


class DamagedArchive(UserError):
    """The archive cannot be read to its end."""


class RefusedEntry(UserError):
    """The archive holds an entry that must not be unpacked, or not what it should."""


def unpack(archive: Path, target: Path, max_bytes: int) -> None:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into an empty folder.

    Args:
        archive: the file; its kind is read from its content.
        target: an existing, empty folder.
        max_bytes: how many bytes all files together may have.

    Raises:
        DamagedArchive: it is no archive, it ends too early, or a checksum inside it is wrong.
        RefusedEntry: an entry would leave the target or is not a plain file or folder, a name appears
            twice, or the files are larger than ``max_bytes`` or more than ``MAX_ENTRIES``.
    """
    left = max_bytes
    try:
        entries = _zip_entries(archive) if zipfile.is_zipfile(archive) else _tar_entries(archive)
        for count, (name, is_folder, opened) in enumerate(entries, start=1):
            if count > MAX_ENTRIES:
                raise RefusedEntry(f"{archive}: refused, more than {MAX_ENTRIES} entries")
            path = target / _checked_name(archive, name)
            if is_folder:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened as source, path.open("xb") as sink:
                while chunk := source.read(1 << 20):
                    left -= len(chunk)
                    if left < 0:
                        raise RefusedEntry(f"{archive}: refused, unpacks to more than {max_bytes:,} bytes")
                    sink.write(chunk)
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
    """Move what was unpacked to its place, one rename for each top-level folder or file.

    What is already at the target stays as it is; folders that are not required are left behind.

    Raises:
        RefusedEntry: a required folder is missing or empty.
    """
    for name in required:
        if not filled(source / name):
            raise RefusedEntry(f"{archive}: refused, holds no folder {name!r} with anything in it")
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if (entry.is_file() and not place.exists()) or (entry.name in required and not filled(place)):
            entry.rename(place)


def filled(folder: Path) -> bool:
    """Whether it is a folder with anything in it."""
    return folder.is_dir() and any(folder.iterdir())


Entry = tuple[str, bool, AbstractContextManager | None]


def _tar_entries(archive: Path) -> Iterator[Entry]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if not (member.isreg() or member.isdir()):
                raise RefusedEntry(f"{archive}: refused, {member.name!r} is a link or a device")
            yield member.name, member.isdir(), None if member.isdir() else tar.extractfile(member)
        tar.fileobj.seek(tar.offset)
        if tar.fileobj.read(512) != bytes(512):  # tarfile takes a damaged header for the end
            raise tarfile.ReadError("no end mark")
        tar.fileobj.read(1 << 20)  # the padding, so that the compression's own checksum is read


def _zip_entries(archive: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            mode = member.external_attr >> 16
            if mode & 0o170000 and not (S_ISREG(mode) or S_ISDIR(mode)):
                raise RefusedEntry(f"{archive}: refused, {member.filename!r} is a link or a device")
            if member.flag_bits & 1:
                raise RefusedEntry(f"{archive}: refused, {member.filename!r} is encrypted")
            yield member.filename, member.is_dir(), None if member.is_dir() else file.open(member)


def _checked_name(archive: Path, name: str) -> PurePosixPath:
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    unsafe = path.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if unsafe or "\\" in name or any(ord(letter) < 32 for letter in name):
        raise RefusedEntry(f"{archive}: refused, the name {name!r} leaves the folder")
    return path
