"""hw2 translate."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Force, say


def translate(
    run: Annotated[Path, typer.Argument(help="folder of a CycleGAN run", show_default=False)],
    images: Annotated[list[Path], typer.Argument(help="image files or folders", show_default=False)],
    to: Annotated[str, typer.Option(help="domain to translate to, A or B")] = "B",
    out: Annotated[
        Path | None, typer.Option(help="folder that takes the translations [default: translated/<domain>]")
    ] = None,
    epoch: Annotated[int | None, typer.Option(help="an epoch whose weights the run kept", min=1)] = None,
    force: Force = False,
) -> None:
    """Translate images with a trained CycleGAN; each becomes a PNG of the run's image size."""
    from hw2lib.errors import UserError
    from hw2lib.jobs.translate import translate_files

    if to not in ("A", "B"):
        raise UserError(f"--to {to}: expected A or B")
    for path in translate_files(run, images, to, out or Path("translated", to), epoch, force):
        say(path)
