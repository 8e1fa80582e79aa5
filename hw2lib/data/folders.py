"""Folders that are whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hw2lib.errors import UserError

from .unpack import filled


@contextmanager
def atomic_directory(out: str | Path) -> Iterator[Path]:
    """A folder to write into, whose contents move to ``out`` when all are written.

    Raises:
        UserError: ``out`` exists and is not an empty folder, or cannot be written.
    """
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or filled(out)):
        raise UserError(f"{out}: already there")
    part = out.with_name(out.name + ".part")
    try:
        part.mkdir(parents=True, exist_ok=True)
        yield part
        if not out.exists():
            os.replace(part, out)
            return
        for entry in list(part.iterdir()):  # an empty folder stays: a shell may stand in it
            os.replace(entry, out / entry.name)
        part.rmdir()
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from error
