"""hw2 bench."""

import json
from typing import Annotated

import typer

from .local import bench_local
from .options import AsJson, Device, check_device

app = typer.Typer(no_args_is_help=True)
app.command("local")(bench_local)


@app.callback()
def options() -> None:
    """Measure, always as ratios in one run."""


@app.command("sampling")
def sampling(
    as_json: AsJson = False,
    features: Annotated[
        list[int] | None, typer.Option(help="D, may be repeated [default: 768, 3072, 49152]", min=1)
    ] = None,
    hidden: Annotated[list[int] | None, typer.Option(help="units of a layer, may be repeated", min=1)] = None,
    repeats: Annotated[int, typer.Option(help="rounds in which the fast methods take turns", min=1)] = 15,
    peers: Annotated[bool, typer.Option(help="time zuko and nflows where they are installed")] = True,
) -> None:
    """Time the inverse of one block beside its forward pass, for a single sample."""
    from rich.console import Console

    from hw2lib.benchmarks.sampling import FEATURES, bench_sampling
    from hw2lib.memory import require_memory

    widths = hidden or (512, 512)
    for d in features or ():  # half of each weight matrix, and an order of each layer
        require_memory(2 * d * (widths[0] + 2 * widths[-1]) + 16 * d, f"--features {d}")
    require_memory(2 * sum(a * b for a, b in zip(widths, widths[1:], strict=False)), f"--hidden {widths}")
    with Console(stderr=True).status("") as status:
        result = bench_sampling(features or FEATURES, widths, repeats, peers, status.update)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        Console().print(_table(result))


@app.command("cyclegan")
def cyclegan(
    as_json: AsJson = False,
    size: Annotated[int, typer.Option(help="height and width of the images", min=32)] = 128,
    blocks: Annotated[int, typer.Option(help="residual blocks of a generator", min=0)] = 6,
    features: Annotated[int, typer.Option(help="channels after the first convolution", min=1)] = 64,
    repeats: Annotated[int, typer.Option(help="rounds in which the arrangements take turns", min=1)] = 5,
    device: Device = "auto",
) -> None:
    """Time a training step of CycleGAN beside its plain arrangement."""
    from rich.console import Console
    from rich.table import Table

    from hw2lib.benchmarks.cyclegan import bench_step
    from hw2lib.training.settings import CycleGANConfig, validated

    check_device(device)
    settings = {"size": size, "blocks": blocks, "features": features}
    validated(CycleGANConfig, settings, "hw2 bench cyclegan:")  # before anything of that size is made
    with Console(stderr=True).status("timing"):
        result = bench_step(size, blocks, features, repeats, device)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    table = Table("arrangement", "seconds", "× plain", title=f"One step, {result['threads']} threads")
    for row in result["rows"]:
        table.add_row(row["arrangement"], f"{row['seconds']:.3f}", f"{row['ratio_to_plain']:.2f}")
    Console().print(table)


def _table(result: dict):
    from rich.table import Table

    table = Table(title=f"One block, one sample, {result['threads']} threads")
    table.add_column("D", justify="right")
    table.add_column("method")
    for name in ("time", "× forward", "passes", "round trip error"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in result["rows"]:
        note = "extrapolated" if row["extrapolated"] else row["note"]
        table.add_row(
            f"{row['features']:,}",
            row["method"],
            _duration(row["seconds"]),
            _number(row["ratio_to_forward"], ",.2f"),
            _number(row["passes"], ",d"),
            _number(row["round_trip_error"], ".1e"),
            note,
        )
    return table


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
