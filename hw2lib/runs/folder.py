"""The folder of a run: what was run, on what, and what came out, each file written whole or not at all."""

import csv
import inspect
import io
import json
import math
import os
import platform
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property, wraps
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

import torch
from pydantic import BaseModel
from safetensors import SafetensorError

from hw2lib import __version__
from hw2lib.data import MVTecCategory
from hw2lib.errors import UserError
from hw2lib.schema import read_json

from .schema import Environment

LIBRARIES = ("torch", "torchvision", "lightning", "numpy", "scipy", "scikit-learn", "safetensors", "pillow")
P = ParamSpec("P")
T = TypeVar("T")
CHECKPOINT, OLD_STATE, PART = "checkpoint.safetensors", "state.json", ".part"
# What asks a process to end; a Windows console knows no SIGHUP.
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def signals_wait() -> Iterator[None]:
    """Put off Ctrl-C, SIGTERM and SIGHUP until the block is done, so that a file is whole first.

    Outside the main thread signals are left alone.
    """
    came: list[int] = []
    with handled(lambda number: came.append(number)):
        yield
    for number in dict.fromkeys(came):
        signal.raise_signal(number)


@contextmanager
def handled(note: Callable[[int], object]) -> Iterator[None]:
    """Let ``note`` take the signals that stop a run; one that is ignored (``nohup``) stays ignored."""
    old: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                old[number] = signal.signal(number, lambda number, frame: note(number))
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name first, so that a crash or a kill leaves the old one or none.

    Args:
        path: its place.
        write: writes it to the path it is given.

    Raises:
        UserError: it cannot be written, for want of a folder, of the right or of space.
    """
    part = path.with_name(path.name + PART)
    try:
        with signals_wait():
            part.unlink(missing_ok=True)  # of a write that was killed
            part.touch()
            rights = stat.S_IMODE(part.stat().st_mode)  # as the umask has them; safetensors takes 0600
            write(part)
            part.chmod(rights)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(part, path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            part.unlink()
        problem = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be written: {problem}") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; UserError if it cannot be written."""
    write_whole(path, lambda part: part.write_bytes(data))


def json_bytes(value: object) -> bytes:
    """JSON, in which a number that is none is null, and ``not_finite`` says where and what it was."""
    found: dict[str, str] = {}
    value = _finite(value, "", found)
    if found and isinstance(value, dict):
        value |= {"not_finite": found}
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _finite(value: object, place: str, found: dict[str, str]) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(part, f"{place}.{key}".lstrip("."), found) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part, f"{place}.{k}".lstrip("."), found) for k, part in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        found[place] = str(value)
        return None
    return value


def measured(name: str, take: Callable[[], object]) -> dict[str, object]:
    """What ``take`` measures, by name; null with ``NAME_missing``, the reason, where it cannot be taken."""
    try:
        return {name: take()}
    except (UserError, ValueError) as error:  # scikit-learn's, for a score that is infinite
        return {name: None, f"{name}_missing": str(error).partition("\n")[0]}


def write_json(path: Path, value: object) -> None:
    write_bytes(path, json_bytes(value))


def write_csv(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Rows as CSV, floats with seven significant digits; the first row's keys are the header.

    A number that is none leaves its cell empty.
    """
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    write_bytes(path, text.getvalue().encode())


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.7g}" if math.isfinite(value) else ""
    return value


class RunFolder:
    """The folder of a run, held by one process at a time from ``with`` on.

    Args:
        path: of the folder, which is made where there is none.
        resume: whether it should hold a checkpoint; without, it is to hold no run. A run that ended before
            its first checkpoint has left nothing to go on with, and is begun anew.
        first: whether this process is the first of those that train together, which holds the folder for
            all of them and alone writes to it.

    Raises:
        UserError: another process holds the folder, it cannot be made, or it does not hold what it should.
    """

    def __init__(self, path: Path, resume: bool = False, first: bool = True) -> None:
        self.path, self.resume, self.first = path, resume, first
        self._hold: int | None = None
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        if not self.first:
            return self
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path}: is not a folder")
        if self.resume and not has_checkpoint(self.path):
            raise UserError(f"{self.path}: holds no checkpoint to resume")
        self._made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be created: {error.strerror or error}") from error
        self._hold = _held(self.path)
        if not self.resume and (has_checkpoint(self.path) or (self.path / "metrics.json").exists()):
            self._let_go()
            raise UserError(
                f"{self.path}: already holds a run; add --resume to go on with it, or choose another --out"
            )
        for leftover in self.path.glob(f"*{PART}"):  # of writes that were killed
            with suppress(OSError):
                leftover.unlink()
        return self

    def __exit__(self, *problem: object) -> None:
        with suppress(OSError):  # the first holds something, as it should, or the next something else
            for folder in self._made:
                folder.rmdir()
        self._let_go()

    def _let_go(self) -> None:
        if self._hold is not None:
            os.close(self._hold)
        self._hold = None

    @cached_property
    def config(self) -> dict:
        """config.json of a run that was begun before."""
        return read_json(self.path / "config.json")

    @cached_property
    def environment(self) -> dict:
        """environment.json of a run that was begun before."""
        return read_json(self.path / "environment.json", Environment)

    def begin(self, config: BaseModel, device: torch.device, data: Mapping[str, object]) -> None:
        """Write what is known before the first step: config.json and environment.json.

        Args:
            config: settings.
            device: on which the run takes place.
            data: what identifies it, with its ``checksum``.

        Raises:
            UserError: a run is resumed that was begun with other images or settings.
        """
        if self.resume:
            if self.environment["data"]["checksum"] != data["checksum"]:
                raise UserError(f"{self.path}: was begun with other images; resume it with the same --data")
            wanted = config.model_dump(mode="json")
            changed = [name for name, value in wanted.items() if self.config.get(name, value) != value]
            if changed:
                raise UserError(
                    f"{self.path}: was begun with another {', '.join(changed)}; choose another --out"
                )
        elif self.first:
            begin(self.path, config, device, data)

    def note_resumption(self, epoch: int, step: int, device: torch.device) -> None:
        """Add to environment.json who went on from that step of that epoch: commit, torch and device."""
        if self.first:
            now = environment(device, {})
            entry = {"epoch": epoch, "step": step, "commit": now["commit"], "device": now["device"]}
            self.environment.setdefault("resumed", []).append(entry | {"torch": now["libraries"]["torch"]})
            write_json(self.path / "environment.json", self.environment)


@contextmanager
def claimed(out: Path | RunFolder, resume: bool = False, first: bool = True) -> Iterator[RunFolder]:
    """A run's folder, held; one that the caller holds already is handed on."""
    if isinstance(out, RunFolder):
        yield out
    else:
        with RunFolder(out, resume, first) as run:
            yield run


def holding_folder(job: Callable[P, T]) -> Callable[P, T]:
    """Let a job hold the folder of its argument ``out``, which is to hold no run, while it works."""
    signature = inspect.signature(job)

    @wraps(job)
    def holding(*arguments: P.args, **named: P.kwargs) -> T:
        with RunFolder(signature.bind(*arguments, **named).arguments["out"]):
            return job(*arguments, **named)

    return holding


def has_checkpoint(run: Path) -> bool:
    """Whether a run can be resumed."""
    return any((run / name).is_file() for name in (CHECKPOINT, OLD_STATE))


def _held(folder: Path) -> int | None:
    """Lock a folder until the result is closed or the process ends; None where the system has no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    hold = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(hold)
        raise UserError(f"{folder}: another process is at work on this run") from error
    except OSError:  # a file system without locks
        os.close(hold)
        return None
    return hold


def begin(out: Path, config: BaseModel, device: torch.device, data: Mapping[str, object]) -> None:
    """Write what is known of a new run: config.json and environment.json."""
    write_json(out / "config.json", config.model_dump())
    write_json(out / "environment.json", environment(device, data))


def data_facts(data: MVTecCategory) -> dict[str, object]:
    """What identifies the images of a run."""
    return {"name": data.name, "checksum": data.checksum, "train": len(data.train), "test": len(data.test)}


def environment(device: torch.device, data: Mapping[str, object]) -> dict:
    """Versions, device and data of a run; nothing that names the machine or its user."""
    return {
        "hw2lib": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "system": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "load_average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "data": dict(data),
    }


def record(run: Path, target: Path, files: Iterable[str]) -> None:
    """Copy the small files of a finished run to where the book reads them."""
    names = list(files)
    missing = [n for n in names if not (run / n).is_file()]
    if missing:
        raise UserError(f"{run}: the run has no {missing[0]}; has it finished?")
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(run / name, target / name)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit(root: Path | None = None) -> str | None:
    """The commit of a checkout, of this one by default; None outside of one.

    ``-dirty`` stands behind it where code has changed. Records are no code: one that has just been written
    does not spoil the next.
    """
    git = ["git", "-C", str(root or Path(__file__).resolve().parents[2])]
    changes = ["status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)results"]
    try:
        name, changed = (
            subprocess.run(
                [*git, *call], capture_output=True, text=True, check=True, timeout=10
            ).stdout.strip()
            for call in (["rev-parse", "--short=12", "HEAD"], changes)
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{name}-dirty" if changed else name


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} logical cores"
