"""hw2 train."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hw2lib.errors import Stopped

from .local import train_local
from .options import (
    Assignments,
    Capsules,
    Device,
    Devices,
    Out,
    Pair,
    Profile,
    Resume,
    Seed,
    Strategy,
    check_device,
)
from .progress import training_progress

if TYPE_CHECKING:
    from hw2lib.runs.folder import RunFolder

app = typer.Typer(no_args_is_help=True)
app.command("local")(train_local)


@app.command("maf")
def maf(
    profile: Profile = "quick",
    data: Capsules = None,
    out: Out = None,
    resume: Resume = False,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
    devices: Devices = 1,
    strategy: Strategy = "auto",
) -> None:
    """Train a masked autoregressive flow on a category of MVTec AD."""
    from hw2lib.data.source import load_capsules
    from hw2lib.jobs.maf import run_maf
    from hw2lib.training.settings import PROFILES

    check_device(device)
    _refuse_synthetic(data, profile, ("paper",), "mvtec/capsule")
    out = out or Path("runs") / f"maf-{profile}"
    with _held(out, resume, devices) as run:
        config = _settings("maf", PROFILES, profile, run, assignments, seed)
        category = load_capsules(data, config.size)
        with training_progress(config.epochs, run.first) as report:
            finished = run_maf(config, category, run, resume, device, devices, strategy, report)
    _tell(run, finished)


@app.command("vae")
def vae(
    profile: Profile = "quick",
    data: Capsules = None,
    out: Out = None,
    resume: Resume = False,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
    devices: Devices = 1,
    strategy: Strategy = "auto",
) -> None:
    """Train a variational autoencoder on a category of MVTec AD."""
    from hw2lib.data.source import load_capsules
    from hw2lib.jobs.vae import run_vae
    from hw2lib.training.settings import VAE_PROFILES

    check_device(device)
    _refuse_synthetic(data, profile, ("paper",), "mvtec/capsule")
    out = out or Path("runs") / f"vae-{profile}"
    with _held(out, resume, devices) as run:
        config = _settings("vae", VAE_PROFILES, profile, run, assignments, seed)
        category = load_capsules(data, config.size)
        with training_progress(config.epochs, run.first) as report:
            finished = run_vae(config, category, run, resume, device, devices, strategy, report)
    _tell(run, finished)


@app.command("cyclegan")
def cyclegan(
    data: Pair = None,
    profile: Annotated[str, typer.Option(help="quick, small or paper")] = "quick",
    out: Out = None,
    resume: Resume = False,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
    devices: Devices = 1,
    strategy: Strategy = "auto",
) -> None:
    """Train a CycleGAN on two unpaired sets of images."""
    from hw2lib.data.source import load_pair
    from hw2lib.jobs.cyclegan import run_cyclegan
    from hw2lib.training.settings import CYCLEGAN_PROFILES

    check_device(device)
    _refuse_synthetic(data, profile, ("paper", "small"), "apple2orange")  # both take hours
    out = out or Path("runs") / f"cyclegan-{profile}"
    with _held(out, resume, devices) as run:
        config = _settings("cyclegan", CYCLEGAN_PROFILES, profile, run, assignments, seed)
        images = load_pair("apple2orange", data, config.size, config.recipe)
        for line in _duplicates_lines(images) if run.first else []:
            typer.echo(line, err=True)
        with training_progress(config.epochs, run.first) as report:
            finished = run_cyclegan(config, images, run, resume, device, devices, strategy, report)
    _tell(run, finished)


def _held(out: Path, resume: bool, devices: int) -> "RunFolder":
    """The run's folder, to be held before anything is read."""
    from hw2lib.runs.folder import RunFolder
    from hw2lib.training.devices import is_first_process

    return RunFolder(out, resume, is_first_process(devices))


def _settings(
    kind: str,
    profiles: dict,
    profile: str,
    run: "RunFolder",
    assignments: list[str] | None,
    seed: int | None,
):
    """The settings of a new run, or those with which a resumed one was begun."""
    from hw2lib.jobs.trained import run_config
    from hw2lib.training.settings import override
    from hw2lib.training.settings import profile as named_profile

    if not run.resume:
        settings = [*(assignments or []), *([f"seed={seed}"] if seed is not None else [])]
        return override(named_profile(profile, profiles), settings)
    config = run_config(run, kind)
    if assignments or seed is not None:
        raise typer.BadParameter("a resumed run keeps its settings; leave out --set and --seed")
    return config


def _tell(run: "RunFolder", finished: bool) -> None:
    """Say how training ended; Stopped after Ctrl-C. Of several processes the first speaks for all."""
    if run.first and not finished:
        raise Stopped(f"stopped; a checkpoint is in {run.path}, --resume goes on from it")
    if run.first:
        typer.echo(f"{run.path}: finished")


def _refuse_synthetic(data: Path | None, profile: str, real: tuple[str, ...], example: str) -> None:
    """UserError where a profile that is meant for the real images is given none."""
    from hw2lib.errors import UserError

    if data is None and profile in real:
        raise UserError(f"--profile {profile}: needs --data with the real images, such as {example}")


def _duplicates_lines(images) -> list[str]:
    """What is worth knowing about identical files; nothing where there are none."""
    from hw2lib.data.unpaired import duplicates_report

    counts = duplicates_report(images.duplicates)
    if not counts["groups"]:
        return []
    return [
        f"{images.name}: {counts['groups']} groups of identical files; {counts['test_in_train']} test images"
        f" are in train too, {counts['train_in_both']} groups are in both trainA and trainB"
    ]
