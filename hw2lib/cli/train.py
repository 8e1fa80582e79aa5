"""hw2 train."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

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
    check_device,
)

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
) -> None:
    """Train a masked autoregressive flow on a category of MVTec AD."""
    from hw2lib.data.source import load_capsules
    from hw2lib.jobs.maf import train_maf
    from hw2lib.training.settings import PROFILES

    check_device(device)
    out = out or Path("runs") / f"maf-{profile}"
    config = _settings("maf", PROFILES, profile, out, resume, assignments, seed)
    _refuse_synthetic(data, profile, ("paper",), "mvtec/capsule")
    category = load_capsules(data, config.size)
    _train(out, config.epochs, partial(train_maf, config, category, out, resume, device, devices))


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
) -> None:
    """Train a variational autoencoder on a category of MVTec AD."""
    from hw2lib.data.source import load_capsules
    from hw2lib.jobs.vae import train_vae
    from hw2lib.training.settings import VAE_PROFILES

    check_device(device)
    out = out or Path("runs") / f"vae-{profile}"
    config = _settings("vae", VAE_PROFILES, profile, out, resume, assignments, seed)
    _refuse_synthetic(data, profile, ("paper",), "mvtec/capsule")
    category = load_capsules(data, config.size)
    _train(out, config.epochs, partial(train_vae, config, category, out, resume, device, devices))


@app.command("cyclegan")
def cyclegan(
    data: Pair = None,
    profile: Annotated[str, typer.Option(help="quick, small or paper")] = "quick",
    out: Out = None,
    resume: Resume = False,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
) -> None:
    """Train a CycleGAN on two unpaired sets of images."""
    from hw2lib.data.source import load_pair
    from hw2lib.jobs.cyclegan import train_cyclegan
    from hw2lib.training.settings import CYCLEGAN_PROFILES

    check_device(device)
    out = out or Path("runs") / f"cyclegan-{profile}"
    config = _settings("cyclegan", CYCLEGAN_PROFILES, profile, out, resume, assignments, seed)
    _refuse_synthetic(data, profile, ("paper", "small"), "apple2orange")  # both take hours
    images = load_pair("apple2orange", data, config.size, config.recipe)
    for line in _duplicates_lines(images):
        typer.echo(line, err=True)
    _train(out, config.epochs, partial(train_cyclegan, config, images, out, resume, device))


def _settings(
    kind: str,
    profiles: dict,
    profile: str,
    out: Path,
    resume: bool,
    assignments: list[str] | None,
    seed: int | None,
):
    """The settings of a new run, or those with which the run in ``out`` was begun."""
    from hw2lib.jobs.trained import run_config
    from hw2lib.runs.folder import prepare
    from hw2lib.training.settings import override
    from hw2lib.training.settings import profile as named_profile

    if not resume:
        settings = [*(assignments or []), *([f"seed={seed}"] if seed is not None else [])]
        return override(named_profile(profile, profiles), settings)
    prepare(out, resume)
    config = run_config(out, kind)
    if assignments or seed is not None:
        raise typer.BadParameter("a resumed run keeps its settings; leave out --set and --seed")
    return config


def _train(out: Path, epochs: int, trainer: Callable[..., bool]) -> None:
    """Train with a progress bar; exit code 130 after Ctrl-C."""
    from .progress import training_progress

    with training_progress(epochs) as report:
        finished = trainer(report=report)
    if not finished:
        typer.echo(f"hw2: stopped; a checkpoint is in {out}, --resume goes on from it", err=True)
        raise typer.Exit(130)
    typer.echo(f"{out}: finished")


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
