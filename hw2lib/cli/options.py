"""Options and checks that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

Profile = Annotated[str, typer.Option(help="quick or paper")]
Out = Annotated[Path | None, typer.Option(help="folder of the run [default: runs/<model>-<profile>]")]
Resume = Annotated[bool, typer.Option("--resume", help="go on from the checkpoint in --out")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key=value, may be repeated")]
Seed = Annotated[int | None, typer.Option(help="random seed", min=0)]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Devices = Annotated[int, typer.Option(help="number of devices", min=1)]
Strategy = Annotated[
    str,
    typer.Option(help="how devices share the work: auto or ddp"),
]
Capsules = Annotated[
    Path | None, typer.Option(help="folder of the data; quick runs use a synthetic set without it")
]
Pair = Annotated[
    Path | None,
    typer.Option(
        help="folder with trainA, trainB, testA and testB; quick runs use synthetic fruit without it",
        show_default=False,
    ),
]
Weights = Annotated[str | None, typer.Option(help="of a flow: ema or plain [default: ema]")]
Force = Annotated[bool, typer.Option("--force", help="replace a file that is there already")]
AsJson = Annotated[bool, typer.Option("--json", help="an object, for programs")]


def say(line: object) -> None:
    """Print a line that may name files: as escapes, what a terminal would obey or could not encode."""
    from hw2lib.errors import printable

    typer.echo(printable(str(line)))


def check_device(device: str) -> None:
    """UserError for a device that does not exist here."""
    if device != "cpu":  # which is here always, and asks for no torch
        from hw2lib.training.devices import resolve_device

        resolve_device(device)


def refuse_weights(weights: str | None) -> None:
    """A VAE run keeps one set of weights, so that --weights says nothing."""
    if weights is not None:
        raise typer.BadParameter("a VAE run keeps one set of weights; leave out --weights")
