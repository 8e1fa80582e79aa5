"""hw2 reproduce."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Device, Profile, check_device, say


def reproduce(
    profile: Profile = "quick",
    only: Annotated[list[str] | None, typer.Option(help="name of a job, may be repeated")] = None,
    data: Annotated[Path | None, typer.Option(help="folder with mvtec/capsule and the other sets")] = None,
    runs: Annotated[Path, typer.Option(help="folder of the runs")] = Path("runs"),
    device: Device = "auto",
    allow_dirty: Annotated[bool, typer.Option(help="paper runs from uncommitted code, kept apart")] = False,
) -> None:
    """Redo the recorded runs: finished ones are skipped, interrupted ones resumed.

    The paper profile also copies each run's small files to results/paper, where the book reads them, or to
    results/paper/marked if they come from uncommitted code, which decides nothing.
    """
    from hw2lib.jobs.reproduce import reproduce_jobs

    check_device(device)
    for line in reproduce_jobs(profile, only, data, runs, device, allow_dirty):
        say(line)
