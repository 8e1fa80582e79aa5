"""Files that a command writes where the user says: nothing that was there before is lost."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from hw2lib.errors import UserError


def check_output(path: Path, force: bool = False) -> None:
    """Whether a file can be written at ``path``; to be asked before the work that it takes to make it.

    Args:
        path: the file; what is written beside it first bears its name with ``.part``.
        force: replace a file that is there. Never a folder, a device or a pipe.

    Raises:
        UserError: it is there already, or its folder is missing or may not be written.
    """
    try:
        for place in (path, path.with_name(f"{path.name}.part")):
            if not os.path.lexists(place):
                continue
            if place.exists() and not place.is_file():
                raise UserError(f"{place}: cannot be written: is not a plain file")
            if not force:
                raise UserError(f"{place}: is already there; --force replaces it, or choose another --out")
    except (OSError, ValueError) as error:  # a name that is too long, or that is none
        raise UserError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
    if not path.parent.is_dir():
        raise UserError(f"{path}: cannot be written: {path.parent} is no folder")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UserError(f"{path}: cannot be written: nothing can be written in {path.parent}")


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing; UserError where that cannot be done."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be created: {error.strerror or error}") from error


def picture_places(files: Sequence[tuple[Path, Path]], out: Path, force: bool) -> list[Path]:
    """The PNG below ``out`` of each image, which is given with its name.

    Some file systems take a name for the same in capitals, or with its accents composed.

    Raises:
        UserError: two would be one, one is an image itself, or one is there already and not to be replaced.
    """
    targets, names = [], set()
    inputs = {os.path.realpath(path) for path, _ in files}
    for path, name in files:
        target = out / name.with_suffix(".png")
        plain = unicodedata.normalize("NFC", str(target)).casefold()
        if plain in names:
            raise UserError(f"{path}: another image has this name, and both would be {target}")
        names.add(plain)
        if os.path.realpath(target) in inputs:
            raise UserError(f"{target}: is one of the images; choose another --out")
        if target.parent.is_dir():
            check_output(target, force)
        targets.append(target)
    return targets
