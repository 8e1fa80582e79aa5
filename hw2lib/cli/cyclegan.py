"""hw2 train cyclegan, hw2 translate."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None, typer.Option(help="folder with trainA, trainB, testA and testB", show_default=False)
]


def train_cyclegan(
    data: Data = None,
    profile: Annotated[str, typer.Option(help="quick or paper")] = "quick",
    out: Annotated[
        Path | None, typer.Option(help="folder of the run [default: runs/cyclegan-<profile>]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the checkpoint in --out")] = False,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key=value, may be repeated")] = None,
    seed: Annotated[int | None, typer.Option(help="random seed", min=0)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
) -> None:
    """Train a CycleGAN on two unpaired sets of images."""
    from hw2lib.data.unpaired import load_unpaired
    from hw2lib.errors import UserError
    from hw2lib.training.config import CYCLEGAN_PROFILES, override
    from hw2lib.training.config import profile as named_profile
    from hw2lib.training.cyclegan import train_cyclegan
    from hw2lib.training.runs import prepare
    from hw2lib.training.trained import cyclegan_config

    from .progress import training_progress
    from .train import check_device

    check_device(device)
    out = out or Path("runs") / f"cyclegan-{profile}"
    if resume:
        prepare(out, resume)
        config = cyclegan_config(out)
        if assignments or seed is not None:
            raise typer.BadParameter("a resumed run keeps its settings; leave out --set and --seed")
    else:
        settings = [*(assignments or []), *([f"seed={seed}"] if seed is not None else [])]
        config = override(named_profile(profile, CYCLEGAN_PROFILES), settings)
    if data is None:
        raise UserError("train cyclegan: needs --data with a folder that holds trainA, trainB, testA, testB")
    images = load_unpaired(data, config.size, config.recipe)
    with training_progress(config.epochs) as report:
        finished = train_cyclegan(config, images, out, resume, device, report)
    if not finished:
        typer.echo(f"hw2: stopped; a checkpoint is in {out}, --resume goes on from it", err=True)
        raise typer.Exit(130)
    typer.echo(f"{out}: finished")


def translate(
    run: Annotated[Path, typer.Argument(help="folder of a CycleGAN run", show_default=False)],
    images: Annotated[list[Path], typer.Argument(help="image files", show_default=False)],
    to: Annotated[str, typer.Option(help="domain to translate to, A or B")] = "B",
    out: Annotated[Path, typer.Option(help="folder that takes the translations")] = Path("translated"),
    epoch: Annotated[int | None, typer.Option(help="an epoch whose weights the run kept", min=1)] = None,
) -> None:
    """Translate images with a trained CycleGAN; each becomes a PNG of the run's image size."""
    from hw2lib.errors import UserError
    from hw2lib.training.translate import translate_files

    if to not in ("A", "B"):
        raise UserError(f"--to {to}: expected A or B")
    for path in translate_files(run, images, to, out, epoch):
        typer.echo(path)
