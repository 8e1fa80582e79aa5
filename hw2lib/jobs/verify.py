"""Do the recorded numbers follow from the recorded files? And are these files the ones that were recorded?

For every record below ``results/paper`` these are held against each other: the checksums of its files and the
manifest; its seed, data and settings and those of its job; its commit and where it is kept; and every number
that can be had from the files in milliseconds and the one recorded. ``metrics.json`` has to be there, and to
be of the form of its kind.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hw2lib.errors import UserError
from hw2lib.runs.manifest import checksums, read_manifest
from hw2lib.runs.paths import MARKED, is_from_uncommitted_code, paper_root
from hw2lib.runs.reader import RecordedRun
from hw2lib.schema import validated_model
from hw2lib.training.devices import settings_where
from hw2lib.training.settings import CycleGANConfig

from .cyclegan_relations import cyclegan_relations
from .relations import DIGITS, RELATIONS, Relation, bench_relations
from .reproduce import JOBS

KINDS = RELATIONS | {"cyclegan-": cyclegan_relations}
BENCH = Path("bench-cyclegan/gpu.json")  # no run, and so no record with settings


@dataclass(frozen=True)
class Check:
    """One recorded number, and the same from the record's other files.

    Attributes:
        record: the record's folder below ``results/paper``, such as ``maf-capsule/seed-0``.
        what: the number.
        recorded: as it is recorded.
        recomputed: as it follows from the files.
        tolerance: how far the two may lie apart, relative to the larger one where that is above 1.
        compared: False where a run was made again and its record states nothing that it can be judged by.
    """

    record: str
    what: str
    recorded: Any
    recomputed: Any
    tolerance: float = DIGITS
    compared: bool = True

    @property
    def holds(self) -> bool:
        """Whether the two agree, or there is nothing to compare."""
        if isinstance(self.recorded, float | int) and isinstance(self.recomputed, float | int):
            return math.isclose(
                self.recorded, self.recomputed, rel_tol=self.tolerance, abs_tol=self.tolerance
            )
        return bool(self.recorded == self.recomputed)


def records(names: Iterable[str] = (), root: Path | None = None) -> list[str]:
    """The records below ``results/paper``, all of them or those of the named jobs, as relative paths.

    Raises:
        UserError: nothing is recorded under a name.
    """
    root = root or paper_root()
    files = ("config.json", "environment.json", "metrics.json")  # one that is lost does not hide a record
    folders = {path.parent for name in files for path in root.rglob(name)}
    found = [folder.relative_to(root).as_posix() for folder in sorted(folders)]
    for name in names:
        if not any(_below(record, name) for record in found):
            raise UserError(f"{name}: no record of that name; expected one of {', '.join(found)}")
    return [record for record in found if not names or any(_below(record, name) for name in names)]


def verify(names: Iterable[str] = (), root: Path | None = None) -> Iterator[Check]:
    """Check the named records, all of them by default; a record that cannot be read is one that differs.

    Raises:
        UserError: nothing is recorded under a name, or there is no manifest.
    """
    root, names = root or paper_root(), list(names)
    wanted = records(names, root)
    yield from _manifest_checks(root, names)
    for record in wanted:
        yield from _checks(record, _relations, root / record)
    if not names and (root / BENCH).exists():
        yield from _checks(BENCH.parent.as_posix(), bench_relations, root / BENCH)


def _checks(record: str, relations: Callable[[Path], Iterator[Relation]], place: Path) -> Iterator[Check]:
    """The relations of a record; a file, a column or a name that is missing is one that does not hold."""
    try:
        yield from (Check(record, *found) for found in relations(place))
    except (UserError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        yield Check(record, "its files can be read", True, f"{type(error).__name__}: {error}")


def _relations(folder: Path) -> Iterator[Relation]:
    """Those of any record, and those of its kind."""
    run = RecordedRun(folder)
    name = folder.parent.name if folder.name.startswith("seed-") else folder.name
    if name not in JOBS:
        yield "job", name, "none of that name"
        return
    job = JOBS[name]
    seed = folder.name.removeprefix("seed-") if folder.name != name else job.seeds[0]
    yield "seed of the folder", run.seed, int(seed)
    data = run.environment["data"]["name"]
    yield "name of the data", data, Path(job.data).name or data  # some draw their images, or read two sets
    apart = MARKED in (folder.parent.name, folder.parent.parent.name)
    yield "kept apart", is_from_uncommitted_code(folder), apart
    if job.settings:
        yield "settings of the job", *_other_settings(run, job.settings("paper", run.seed))
    yield "metrics.json holds something", True, bool(run.metrics)
    for kind, relations in KINDS.items():
        if name.startswith(kind):
            yield from relations(folder)


def _other_settings(run: RecordedRun, expected: BaseModel | dict[str, Any]) -> tuple[dict, dict]:
    """The settings in which a record differs from its job, as recorded and as expected.

    An older record lacks settings that came later, and has their defaults. What the device of a CycleGAN
    offered, bfloat16 and compilation, the record alone says.
    """
    recorded = run.config
    if isinstance(expected, BaseModel):
        read = validated_model(type(expected), recorded, f"{run.path / 'config.json'}:")
        if isinstance(expected, CycleGANConfig) and isinstance(read, CycleGANConfig):
            cuda = run.environment["cuda"] is not None
            expected = settings_where(expected, cuda, read.bfloat16, read.compile)
        recorded, wanted = read.model_dump(), expected.model_dump()
    else:
        wanted = json.loads(json.dumps(expected))  # lists for tuples
    names = [name for name in wanted | recorded if recorded.get(name) != wanted.get(name)]
    return {n: recorded.get(n) for n in names}, {n: wanted.get(n) for n in names}


def retrain(
    name: str, data: Path, runs: Path, device: str = "auto", root: Path | None = None
) -> Iterator[Check]:
    """Redo a recorded job from nothing, and ask whether each measure lies in the interval that was recorded.

    Measures without an interval are not compared. Of a record that has none at all (the toy trainings, the
    variance of samples, older CycleGANs) one check says so, with ``compared`` False.

    Args:
        name: of the job, such as ``maf-capsule``, or one seed of it, such as ``maf-capsule/seed-3``; one kept
            apart as ``marked/cyclegan-apple2orange``.
        data: folder of the real sets.
        runs: where the runs are made; finished ones are taken as they are, interrupted ones resumed.
        device: ``auto``, ``cpu`` or ``cuda``.
        root: of the records.

    Raises:
        UserError: nothing is recorded under the name, or a run was stopped.
    """
    root = root or paper_root()
    for record in records([name], root):
        job_name, _, seed = record.partition("/seed-")
        job, out = JOBS[job_name.removeprefix(f"{MARKED}/")], runs / record
        folder = data / job.data
        if not job.complete(out) and not job.run("paper", int(seed or 0), folder, out, device):
            raise UserError(f"{out}: stopped; the same command goes on")
        recorded = dict(_intervals(RecordedRun(root / record).metrics))
        again = dict(_intervals(RecordedRun(out).metrics))
        if not recorded:
            yield Check(record, "measures with an interval", "none", "none", compared=False)
        for path, interval in recorded.items():
            value = again[path]["value"] if path in again else None
            inside = value if value is None else min(max(value, interval["low"]), interval["high"])
            nearest = f"{interval['low']} to {interval['high']}" if inside is None else inside
            yield Check(record, ", ".join(path), nearest, value)


def _intervals(metrics: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict]]:
    """All estimates with an interval in nested metrics, by their path of names and places in lists."""
    if isinstance(metrics, dict) and metrics.keys() >= {"value", "low", "high"}:
        yield path, metrics
    elif isinstance(metrics, dict | list):
        inner = metrics.items() if isinstance(metrics, dict) else enumerate(metrics)
        for key, value in inner:
            yield from _intervals(value, (*path, str(key)))


def _below(record: str, name: str) -> bool:
    return record == name or record.startswith(name + "/")


def _manifest_checks(root: Path, names: list[str]) -> Iterator[Check]:
    listed, here = read_manifest(root), checksums(root)
    for name in sorted(listed.keys() | here.keys()):
        if not names or any(_below(name, wanted) for wanted in names):
            record = name.rpartition("/")[0]
            yield Check(
                record, name.rpartition("/")[2], listed.get(name, "not listed"), here.get(name, "gone")
            )
