"""A home or a package that cannot be written, and a checkout that is not installed."""

import errno
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numba
import pytest
import torch
from faults import cases, fault
from prose import ROOT

from hw2lib import __version__
from hw2lib.caches import PLACES, use_writable_caches
from hw2lib.flows.fast import compiled
from hw2lib.runs import folder

PROGRAM = """
import os, hw2lib, matplotlib.pyplot, torch
from hw2lib.flows.fast.compiled import _solve
from hw2lib.flows import MAF
print(hw2lib.__file__, _solve.stats.cache_path)
flow = MAF(12, (8,), 1)
x = flow.sample(1, generator=torch.Generator().manual_seed(0))
print(torch.isfinite(x).all().item(), os.environ["MPLCONFIGDIR"])
"""


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if name not in (*PLACES, "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, *arguments], env=clean | environment, capture_output=True, text=True, cwd="/"
    )


@pytest.fixture(scope="module")
def unwritable(tmp_path_factory) -> tuple[Path, Path]:
    """A home, and a copy of the package, in neither of which even root can make the caches' folders."""
    base = tmp_path_factory.mktemp("unwritable")
    (base / "home").write_text("a file", "utf-8")
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "hw2lib", base / "clone" / "hw2lib", ignore=skip)
    (base / "clone" / "hw2lib" / "flows" / "fast" / "__pycache__").write_text("a file", "utf-8")
    return base / "home", base / "clone"


@fault(
    "place",
    "home and package can both not be written",
    "the home is a file, and so is `__pycache__` in the package",
    "Numba compiles without a cache, Matplotlib has a folder of the process's own, nothing is printed.",
)
def test_neither_home_nor_package_can_be_written(unwritable):
    home, clone = unwritable
    done = python("-c", PROGRAM, HOME=str(home), PYTHONPATH=str(clone), PYTHONDONTWRITEBYTECODE="1")
    assert (done.returncode, done.stderr) == (0, "")
    where, finite = done.stdout.splitlines()
    assert where == f"{clone / 'hw2lib' / '__init__.py'} None"
    state, caches = finite.split(" ", 1)
    assert state == "True" and "hw2-caches-" in caches and not Path(caches).exists()


HOMES = {
    "file": ("a home that is a file", "`HOME` names a file", "file"),
    "missing": ("a home that cannot be made", "`HOME` names a folder below a file", "file/home"),
    "relative": ("a home that is no absolute path", "`HOME=here`", "here"),
}


@pytest.mark.parametrize("name", cases("place", "Each library gets a folder of the process's own.", HOMES))
def test_each_library_gets_a_place(tmp_path, name):
    (tmp_path / "file").write_text("", "utf-8")
    environment = {"HOME": name if name == "here" else str(tmp_path / name)}
    use_writable_caches(environment)
    assert set(environment) == {"HOME", *PLACES}
    folders = [Path(environment[variable]) for variable in PLACES]
    assert all(place.is_dir() for place in folders) and len(set(folders)) == len(PLACES)
    assert folders[0].parent.stat().st_mode & 0o077 == 0


def test_places_that_can_be_written_and_choices_of_the_user_stay(tmp_path):
    environment = {"HOME": str(tmp_path)}
    use_writable_caches(environment)
    assert environment == {"HOME": str(tmp_path)} and not list(tmp_path.iterdir())
    chosen = {"HOME": "nowhere", **dict.fromkeys(PLACES, "chosen")}
    use_writable_caches(chosen)
    assert chosen == {"HOME": "nowhere", **dict.fromkeys(PLACES, "chosen")}
    named = {"HOME": "/proc", "XDG_CONFIG_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    use_writable_caches(named)
    assert "MPLCONFIGDIR" not in named


@fault(
    "place",
    "a checkout that is not installed",
    "no metadata of any package is found",
    "The version is that of the source; `python -m hw2lib` is the command.",
)
def test_a_checkout_needs_no_installation(monkeypatch, tmp_path):
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(folder, "version", missing)
    facts = folder.environment(torch.device("cpu"), {})
    assert facts["hw2lib"] == __version__ and set(facts["libraries"].values()) == {None}
    done = python("-m", "hw2lib", "--version", PYTHONPATH=str(ROOT))
    assert (done.stdout, done.stderr) == (f"{__version__}\n", "")


# Numba keeps what it compiles


def tenfold(x):
    return 10 * x


def compiled_files(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.suffix in (".nbi", ".nbc")]


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


@fault(
    "place",
    "the disk fills while Numba keeps what it has compiled",
    "writing fails with ENOSPC, and with EFBIG under a limit of the file size",
    "The result is right; the next process compiles anew.",
)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_is_no_reason_not_to_compute(cache, monkeypatch, number):
    def full(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._open_for_write", full)
    assert compiled._compiled()(tenfold)(2.5) == 25.0 and not compiled_files(cache)


@fault(
    "place",
    "what Numba has kept is damaged",
    "its files are emptied, cut in half, or hold other bytes",
    "It is compiled anew, and the result is right.",
)
@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: d[: len(d) // 2], lambda d: b"\0" * len(d)])
def test_a_damaged_cache_is_compiled_anew(cache, damage):
    assert compiled._compiled()(tenfold)(2.5) == 25.0
    files = compiled_files(cache)
    assert {path.suffix for path in files} == {".nbi", ".nbc"}
    for path in files:
        path.write_bytes(damage(path.read_bytes()))
    assert compiled._compiled()(tenfold)(0.5) == 5.0
