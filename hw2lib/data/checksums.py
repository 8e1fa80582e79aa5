"""Checksums of a data set's files, as ``sha256sum`` writes and reads them.

``copies/`` lists known copies of a category that are no official archives: capsule at 128 and 256 pixels
(Lanczos; masks nearest), every image of the official set.
"""

import os
from importlib.resources import files
from pathlib import Path

from hw2lib.errors import UserError

from .images import is_leftover


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    import pooch

    return pooch.file_hash(str(path), alg="sha256")


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder by its name there, tools' leftovers left out."""
    found = {}
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_leftover(name)]
        for path in (Path(base, name) for name in names if not is_leftover(name)):
            found[path.relative_to(folder).as_posix()] = file_sha256(path)
    return found


def record(folder: Path, verified: bool) -> None:
    """Write ``FOLDER.sha256`` beside a verified folder, for ``sha256sum -c`` in it and for :func:`check`."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(checksums(folder).items())] if verified else []
    _list_of(folder).unlink(missing_ok=True)
    if verified:
        _list_of(folder).write_text("".join(lines), "utf-8")


def is_copy(folder: Path, copies: tuple[str, ...]) -> bool:
    """Whether all files of one of the copies, by their names in ``copies/``, are in the folder."""
    found = checksums(folder) if copies else {}
    known = (files(__package__) / "copies" / f"{name}.sha256" for name in copies)
    return any(found.items() >= _parsed(path.read_text("utf-8")).items() for path in known)


def check(folder: Path, copies: tuple[str, ...]) -> bool:
    """Whether a folder's files are those of its record or, where it has none, of a known copy.

    Raises:
        UserError: there is a record and a file is missing, new or another than it says.
    """
    listing = _list_of(folder)
    if not listing.is_file():
        return is_copy(folder, copies)
    found, listed = checksums(folder), _parsed(listing.read_text("utf-8"))
    for name in sorted(found.keys() | listed.keys()):
        if found.get(name) != listed.get(name):
            fate = "missing" if name not in found else "new" if name not in listed else "changed"
            raise UserError(f"{folder / name}: {fate} since it was fetched, says {listing}")
    return True


def _list_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.sha256")


def _parsed(text: str) -> dict[str, str]:
    return {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}
