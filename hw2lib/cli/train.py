"""hw2 train."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from .cyclegan import train_cyclegan

app = typer.Typer(no_args_is_help=True)
app.command("cyclegan")(train_cyclegan)

Profile = Annotated[str, typer.Option(help="quick or paper")]
Data = Annotated[
    Path | None, typer.Option(help="folder of the data; quick runs use a generated stand-in without it")
]
Out = Annotated[Path | None, typer.Option(help="folder of the run [default: runs/<model>-<profile>]")]
Resume = Annotated[bool, typer.Option("--resume", help="go on from the checkpoint in --out")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key=value, may be repeated")]
Seed = Annotated[int | None, typer.Option(help="random seed", min=0)]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Devices = Annotated[int, typer.Option(help="number of devices", min=1)]


@app.command("maf")
def maf(
    profile: Profile = "quick",
    data: Data = None,
    out: Out = None,
    resume: Resume = False,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
    devices: Devices = 1,
) -> None:
    """Train a masked autoregressive flow on a category of MVTec AD."""
    from hw2lib.jobs.maf import train_maf
    from hw2lib.training.settings import PROFILES

    out = out or Path("runs") / f"maf-{profile}"
    _train("maf", PROFILES, train_maf, profile, data, out, resume, assignments, seed, device, devices)


@app.command("vae")
def vae(
    profile: Profile = "quick",
    data: Data = None,
    out: Out = None,
    resume: Resume = False,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
    devices: Devices = 1,
) -> None:
    """Train a variational autoencoder on a category of MVTec AD."""
    from hw2lib.jobs.vae import train_vae
    from hw2lib.training.settings import VAE_PROFILES

    out = out or Path("runs") / f"vae-{profile}"
    _train("vae", VAE_PROFILES, train_vae, profile, data, out, resume, assignments, seed, device, devices)


def _train(
    kind: str,
    profiles: dict,
    trainer: Callable[..., bool],
    profile: str,
    data: Path | None,
    out: Path,
    resume: bool,
    assignments: list[str] | None,
    seed: int | None,
    device: str,
    devices: int,
) -> None:
    """Begin or resume a run on one category, with a progress bar; exit code 130 after Ctrl-C."""
    from hw2lib.jobs.trained import run_config
    from hw2lib.runs.folder import prepare
    from hw2lib.training.settings import override
    from hw2lib.training.settings import profile as named_profile

    from .progress import training_progress

    check_device(device)
    if resume:
        prepare(out, resume)
        config = run_config(out, kind)
        if assignments or seed is not None:
            raise typer.BadParameter("a resumed run keeps its settings; leave out --set and --seed")
    else:
        settings = [*(assignments or []), *([f"seed={seed}"] if seed is not None else [])]
        config = override(named_profile(profile, profiles), settings)
    category = load_capsules(data, profile, config.size)
    with training_progress(config.epochs) as report:
        finished = trainer(config, category, out, resume, device, devices, report)
    if not finished:
        typer.echo(f"hw2: stopped; a checkpoint is in {out}, --resume goes on from it", err=True)
        raise typer.Exit(130)
    typer.echo(f"{out}: finished")


def check_device(device: str) -> None:
    """UserError for a device that does not exist here."""
    from hw2lib.errors import UserError

    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"--device {device}: expected auto, cpu or cuda")
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UserError("--device cuda: no CUDA device is available")


def load_capsules(data: Path | None, profile: str, size: int):
    """The category that --data names; without it the stand-in, which a paper run refuses."""
    from hw2lib.data import capsule_standin, load_mvtec
    from hw2lib.errors import UserError

    if data is not None:
        return load_mvtec(data, size)
    if profile == "paper":
        raise UserError("--profile paper: needs --data with the real images, such as mvtec/capsule")
    return capsule_standin(size)
