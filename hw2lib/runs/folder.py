"""The folder of a run: what was run, on what, and what came out, each file written whole or not at all."""

import csv
import io
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from pydantic import BaseModel
from safetensors import SafetensorError

from hw2lib import __version__
from hw2lib.data import MVTecCategory
from hw2lib.errors import UserError
from hw2lib.schema import read_json

from .schema import Environment

LIBRARIES = ("torch", "torchvision", "lightning", "numpy", "scipy", "scikit-learn", "safetensors", "pillow")


def write_together(files: Mapping[Path, Callable[[Path], object]]) -> None:
    """Write files under other names first, so that a crash leaves the old ones or none.

    No old file is replaced before all new ones are complete.

    Args:
        files: by the file's place, a function that writes it to the path it is given.

    Raises:
        UserError: a file cannot be written, for want of a folder, of the right or of space.
    """
    parts = {path: path.with_name(path.name + ".part") for path in files}
    try:
        for path, write in files.items():
            write(parts[path])
        for path, part in parts.items():
            os.replace(part, path)
    except (OSError, SafetensorError) as error:
        for part in parts.values():
            with suppress(OSError):
                part.unlink()
        problem = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be written: {problem}") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; UserError if it cannot be written."""
    write_together({path: lambda part: part.write_bytes(data)})


def json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def write_json(path: Path, value: object) -> None:
    write_bytes(path, json_bytes(value))


def write_csv(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Rows as CSV, floats with seven significant digits; the first row's keys are the header."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.7g}" if isinstance(v, float) else v for k, v in row.items()})
    write_bytes(path, text.getvalue().encode())


def prepare(out: Path, resume: bool, checksum: str | None = None, config: BaseModel | None = None) -> None:
    """Create a run's folder; one that already holds a run is only taken with ``--resume``.

    A run that ended before its first checkpoint has left nothing to go on with: it is begun anew.

    Args:
        out: the folder.
        resume: whether it should hold a run already.
        checksum: of the images; a run that was begun with others is not taken up.
        config: of the run; one that was begun with other settings is not taken up.
    """
    if resume:
        _check_begun(out, checksum, config)
    elif any((out / name).exists() for name in ("state.json", "metrics.json")):
        raise UserError(f"{out}: already holds a run; add --resume to go on with it, or choose another --out")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is not a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be created: {error.strerror or error}") from error


def _check_begun(out: Path, checksum: str | None, config: BaseModel | None) -> None:
    """UserError unless the folder holds a run that was begun with these images and settings."""
    if not (out / "state.json").exists():
        raise UserError(f"{out}: holds no checkpoint to resume")
    if checksum and checksum != read_json(out / "environment.json", Environment)["data"]["checksum"]:
        raise UserError(f"{out}: was begun with other images; resume it with the same --data")
    if config is not None:
        begun, wanted = read_json(out / "config.json"), config.model_dump(mode="json")
        changed = [name for name, value in wanted.items() if begun.get(name, value) != value]
        if changed:
            raise UserError(f"{out}: was begun with another {', '.join(changed)}; choose another --out")


def begin(out: Path, config: BaseModel, device: torch.device, data: MVTecCategory) -> None:
    """Write what is known before the first step: config.json and environment.json."""
    facts = {"name": data.name, "checksum": data.checksum, "train": len(data.train), "test": len(data.test)}
    write_json(out / "config.json", config.model_dump())
    write_json(out / "environment.json", environment(device, facts))


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


def note_resumption(out: Path, epoch: int, step: int, device: torch.device) -> None:
    """Add to environment.json who went on from that step of that epoch: commit, torch and device."""
    known, now = read_json(out / "environment.json", Environment), environment(device, {})
    entry = {"epoch": epoch, "step": step, "commit": now["commit"], "device": now["device"]}
    known.setdefault("resumed", []).append(entry | {"torch": now["libraries"]["torch"]})
    write_json(out / "environment.json", known)


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


def commit() -> str | None:
    """The commit of this checkout, with ``-dirty`` behind it where it has changes; None outside of one."""
    root = Path(__file__).resolve().parents[2]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} logical cores"
