"""The manifest of the records: the checksums of all files below ``results/paper``, as by ``sha256sum``."""

import hashlib
from pathlib import Path

from hw2lib.data.images import is_leftover
from hw2lib.errors import UserError

from .folder import write_bytes
from .reader import paper_root

MANIFEST = "SHA256SUMS"


def checksums(root: Path) -> dict[str, str]:
    """The checksums of the files as they are, by their paths below ``root``, but for what tools leave."""
    files = {p.relative_to(root): p for p in sorted(root.rglob("*")) if p.is_file() and p.name != MANIFEST}
    return {
        place.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for place, path in files.items()
        if not any(map(is_leftover, place.parts))
    }


def write_manifest(root: Path | None = None) -> None:
    """Write the checksums of all files of all records, in the format of ``sha256sum``."""
    root = root or paper_root()
    lines = (f"{digest}  {name}\n" for name, digest in checksums(root).items())
    write_bytes(root / MANIFEST, "".join(lines).encode())


def read_manifest(root: Path) -> dict[str, str]:
    """The checksums as they were recorded.

    Raises:
        UserError: there is no manifest, or it is damaged.
    """
    try:
        lines = (root / MANIFEST).read_text("utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{root / MANIFEST}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{root / MANIFEST}: is no text") from error
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if len(listed) < len(lines):
        raise UserError(f"{root / MANIFEST}: lists a file twice")
    return listed
