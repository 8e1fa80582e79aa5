"""The recorded runs of the book, by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hw2lib.data import capsule_standin, load_mvtec
from hw2lib.errors import UserError
from hw2lib.results import paper_root

from .config import profile as named_profile
from .maf import train_maf
from .report import RECORDED_FILES
from .runs import record


@dataclass(frozen=True)
class Job:
    """A run that the book shows: its seeds, its data below the data folder, and how to do it."""

    seeds: tuple[int, ...]
    data: str
    files: tuple[str, ...]
    run: Callable[[str, int, Path | None, Path, str], bool]


def _maf(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    config = named_profile(profile).model_copy(update={"seed": seed})
    category = capsule_standin(config.size) if data is None else load_mvtec(data, config.size)
    return train_maf(config, category, out, resume=(out / "state.json").exists(), device=device)


JOBS = {"maf-capsule": Job((0, 1, 2, 3, 4), "mvtec/capsule", RECORDED_FILES, _maf)}


def reproduce_jobs(
    profile: str, only: list[str] | None, data: Path | None, runs: Path, device: str = "auto"
) -> Iterator[str]:
    """Do the named jobs (all by default), yielding a line after each run.

    Raises:
        UserError: an unknown job, or a paper run without the folder of the real data.
    """
    names = only or list(JOBS)
    for name in names:
        if name not in JOBS:
            raise UserError(f"--only {name}: expected one of {', '.join(JOBS)}")
    named_profile(profile)
    if profile == "paper" and data is None:
        raise UserError("--profile paper: needs --data with the folder of the real sets")
    for name in names:
        job = JOBS[name]
        for seed in job.seeds:
            out = (
                runs / name / f"seed-{seed}"
                if profile == "paper"
                else runs / f"{name}-{profile}" / f"seed-{seed}"
            )
            if not (out / "metrics.json").exists():
                folder = None if data is None else data / job.data
                if not job.run(profile, seed, folder, out, device):
                    yield f"{out}: stopped; the same command goes on"
                    return
            if profile == "paper":
                record(out, paper_root() / name / f"seed-{seed}", job.files)
            yield f"{out}: finished"
