"""Places for what libraries keep between runs, where their own cannot be written.

A container or a shared machine may have a home that is read-only or missing. Matplotlib then warns, which
would stand in stored outputs; Jupyter and Triton fail.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

# The variable that names a library's place, and its place without it, below the home.
PLACES = {
    "MPLCONFIGDIR": (".config/matplotlib", ".cache/matplotlib"),
    "IPYTHONDIR": (".ipython",),
    "JUPYTER_RUNTIME_DIR": (".local/share/jupyter/runtime",),
    "TRITON_CACHE_DIR": (".triton/cache",),
}
_BASES = {".config": "XDG_CONFIG_HOME", ".cache": "XDG_CACHE_HOME"}


def use_writable_caches(environment: MutableMapping[str, str] = os.environ) -> None:
    """Name a folder of this process's own for each place that cannot be written, unless the user named one.

    To be called before the libraries are imported; processes that are started inherit it.
    """
    lost = [
        name
        for name, places in PLACES.items()
        if name not in environment and not all(_can_be_written(_place(p, environment)) for p in places)
    ]
    if not lost:
        return
    with suppress(OSError):  # nothing can be written anywhere: the libraries are left to themselves
        # Not a place of a known name, in which another user could leave code to be loaded.
        folder = tempfile.mkdtemp(prefix="hw2-caches-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        for name in lost:
            environment[name] = str(Path(folder, name.lower()))
            Path(environment[name]).mkdir()


def _place(below: str, environment: MutableMapping[str, str]) -> Path | None:
    first, _, rest = below.partition("/")
    if named := environment.get(_BASES.get(first, "")):
        return Path(named, rest)
    home = environment.get("HOME") or os.path.expanduser("~")
    return Path(home, below) if os.path.isabs(home) else None


def _can_be_written(place: Path | None) -> bool:
    """Whether the folder is there and can be written, or can be made."""
    while place is not None and not place.exists() and place != place.parent:
        place = place.parent
    return place is not None and place.is_dir() and os.access(place, os.W_OK | os.X_OK)
