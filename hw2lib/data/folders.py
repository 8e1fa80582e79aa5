"""Folders that are whole or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hw2lib.errors import UserError

from .images import filled


@contextmanager
def atomic_directory(out: str | Path) -> Iterator[Path]:
    """A folder to write into, whose contents move to ``out`` when all are written.

    Raises:
        UserError: ``out`` exists and is not an empty folder, or cannot be written.
    """
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or filled(out)):
        raise UserError(f"{out}: already there")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: what a killed call has left, or a link that lies there, is not written into.
        scratch = tempfile.TemporaryDirectory(prefix=".part-", dir=out.parent, ignore_cleanup_errors=True)
        with scratch as folder:
            part = Path(folder, out.name)
            part.mkdir()
            yield part
            if not out.exists():
                os.replace(part, out)
                return
            for entry in list(part.iterdir()):  # an empty folder stays: a shell may stand in it
                os.replace(entry, out / entry.name)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from error
