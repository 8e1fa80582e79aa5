"""hw2 sample."""

from pathlib import Path
from typing import Annotated

import typer


def sample(
    run: Annotated[Path, typer.Argument(help="folder of a trained run")],
    n: Annotated[int, typer.Option("-n", help="number of images", min=1)] = 5,
    out: Annotated[Path, typer.Option(help="PNG to write")] = Path("samples.png"),
    temperature: Annotated[float, typer.Option(help="standard deviation of the base noise", min=0.0)] = 1.0,
    weights: Annotated[str, typer.Option(help="ema or plain")] = "ema",
    seed: Annotated[int, typer.Option(help="random seed", min=0)] = 0,
) -> None:
    """Draw images from a trained flow with the staged inverse."""
    from hw2lib.training.report import sample_images, save_grid
    from hw2lib.training.trained import load_flow

    flow, _ = load_flow(run, weights)
    save_grid(out, sample_images(flow, n, seed, temperature), columns=min(n, 10))
    typer.echo(f"{out}: {n} images")
