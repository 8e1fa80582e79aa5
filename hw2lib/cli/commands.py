"""The verbs of the command hw2.

Torch and the rest are imported inside the commands, so that ``hw2 --help`` answers at once.
"""

from typing import Any

import typer

from hw2lib import __version__

from . import bench, claims, data, evaluate, reproduce, sample, score, train, translate, verify

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(data.app, name="data", help="List, fetch or generate data sets.")
app.add_typer(train.app, name="train", help="Train a model.")
app.add_typer(bench.app, name="bench", help="Measure, always as ratios in one run.")
app.command("sample")(sample.sample)
app.command("translate")(translate.translate)
app.command("evaluate")(evaluate.evaluate)
app.command("score")(score.score)
app.command("reproduce")(reproduce.reproduce)
app.command("claims")(claims.claims)
app.command("verify")(verify.verify)


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True)) -> None:
    """Masked autoregressive flows and CycleGAN: train, sample, score, and check every claim."""


# What typer raises for wrong arguments: click's UsageError or, in later versions, that of typer's own copy.
UsageError: type[Any] = typer.BadParameter.__base__ or typer.BadParameter
