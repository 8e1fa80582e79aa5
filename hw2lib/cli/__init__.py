"""The command hw2.

Torch and the rest are imported inside the commands, so that ``hw2 --help`` answers at once.
"""

import os
import sys
from io import TextIOWrapper
from typing import Any

import typer

from hw2lib import __version__
from hw2lib.errors import Stopped, UserError, printable
from hw2lib.waiting import wait_passively

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


def main() -> None:
    """Run the command; an error a person can act on is one line and exit code 2."""
    wait_passively()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what an encoding lacks is no reason to stop
    code: int = 2
    try:
        code = app(standalone_mode=False) or 0
        if code == 130:  # what typer makes of a Ctrl-C
            _complain("interrupted")
        sys.stdout.flush()  # what cannot be written is to be said here, not at the interpreter's end
    except Stopped as error:
        code = 130
        _complain(str(error))
    except UserError as error:
        _complain(str(error))
    except UsageError as error:
        # Without any argument the help has been printed, and there is nothing more to say.
        _complain(" ".join(error.format_message().split()))
    except KeyboardInterrupt:
        code = 130
        _complain("interrupted")
    except BrokenPipeError:  # whoever was to read this has seen enough, as in `hw2 claims | head`
        code = 141
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _complain(f"{error.filename or 'output'}: {error.strerror or error}")
    except MemoryError:
        _complain("the memory of this machine does not suffice")
    sys.exit(code)


def _complain(line: str) -> None:
    if line:
        print(f"hw2: {printable(line)}", file=sys.stderr)
