"""hw2 train local, hw2 score of such a run, hw2 bench local."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, Assignments, Device, Seed, check_device, say


def train_local(
    data: Annotated[Path, typer.Option(help="folder of good images, or a category in the MVTec AD layout")],
    out: Annotated[Path, typer.Option(help="folder of the run")] = Path("runs/local"),
    profile: Annotated[str, typer.Option(help="paper or quick, which takes images of 64 pixels")] = "paper",
    density: Annotated[
        list[str] | None,
        typer.Option(help="neighbours, gaussian or maf, may be repeated [default: neighbours]"),
    ] = None,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
) -> None:
    """Learn what is normal, place by place, from good images alone; hw2 score then finds defects."""
    from hw2lib.jobs.local import PROFILES, train_local
    from hw2lib.training.settings import override
    from hw2lib.training.settings import profile as named_profile

    from .progress import stage_progress

    check_device(device)
    settings = [*(assignments or []), *([f"seed={seed}"] if seed is not None else [])]
    settings += [f"densities={json.dumps(density)}"] if density else []
    config = override(named_profile(profile, PROFILES), settings)
    with stage_progress() as report:
        detector = train_local(config, data, out, device, report)
    looked_at = float(detector.inside.float().mean())
    what = "all of the image" if looked_at == 1 else f"an object on {looked_at:.0%} of the image"
    say(f"{out}: finished; looks at {what}, {len(detector.normal_scores)} images held out")


def score_local(
    run: Path, data: list[Path], out: Path, maps: Path | None, alarm_rate: float, device: str, force: bool
) -> None:
    """Score images with the detector of a run; see hw2 score."""
    from hw2lib.jobs.local_scoring import score_images

    from .progress import stage_progress

    check_device(device)
    with stage_progress() as report:
        result = score_images(run, data, out, maps, alarm_rate, device, report, force)
    for line in result.lines:
        say(line)
    say(f"{out}: {result.images} images" + (f", maps in {maps}" if maps else ""))


def bench_local(
    as_json: AsJson = False,
    images: Annotated[
        list[int] | None, typer.Option(help="normal images, may be repeated [default: 50, 200]", min=10)
    ] = None,
    size: Annotated[
        list[int] | None, typer.Option(help="pixels, may be repeated [default: 64, 128]", min=32)
    ] = None,
    density: Annotated[list[str] | None, typer.Option(help="may be repeated [default: all of them]")] = None,
    device: Device = "auto",
) -> None:
    """Time and memory of the local detector as images and cells grow, density by density."""
    from rich.console import Console
    from rich.table import Table

    from hw2lib.benchmarks.local import bench_local

    check_device(device)
    with Console(stderr=True).status("") as status:
        result = bench_local(images or (50, 200), size or (64, 128), density, device, status.update)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    table = Table(title=f"Local detectors on textures, {result['threads']} threads")
    for name in ("density", "images", "cells", "learn", "score an image", "kept"):
        table.add_column(name, justify="left" if name == "density" else "right")
    for row in result["rows"]:
        table.add_row(
            row["density"],
            f"{row['images']:,}",
            f"{row['cells']:,}",
            f"{row['learn_seconds']:.1f} s",
            f"{row['score_seconds'] * 1e3:.0f} ms",
            f"{row['kept_mb']:.1f} MB",
        )
    Console().print(table)
