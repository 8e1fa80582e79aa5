"""hw2 train cyclegan, hw2 evaluate, hw2 translate, hw2 bench cyclegan."""

import json
from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        help="folder with trainA, trainB, testA and testB; quick runs use generated fruit without it",
        show_default=False,
    ),
]


def train_cyclegan(
    data: Data = None,
    profile: Annotated[str, typer.Option(help="quick, small or paper")] = "quick",
    out: Annotated[
        Path | None, typer.Option(help="folder of the run [default: runs/cyclegan-<profile>]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the checkpoint in --out")] = False,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key=value, may be repeated")] = None,
    seed: Annotated[int | None, typer.Option(help="random seed", min=0)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
) -> None:
    """Train a CycleGAN on two unpaired sets of images."""
    from hw2lib.jobs.cyclegan import train_cyclegan
    from hw2lib.jobs.trained import cyclegan_config
    from hw2lib.runs.folder import prepare
    from hw2lib.training.settings import CYCLEGAN_PROFILES, override
    from hw2lib.training.settings import profile as named_profile

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
    images = load_images(data, profile, config)
    for line in duplicates_lines(images):
        typer.echo(line, err=True)
    with training_progress(config.epochs) as report:
        finished = train_cyclegan(config, images, out, resume, device, report)
    if not finished:
        typer.echo(f"hw2: stopped; a checkpoint is in {out}, --resume goes on from it", err=True)
        raise typer.Exit(130)
    typer.echo(f"{out}: finished")


def load_images(data: Path | None, profile: str, config):
    """The set that --data names; without it generated fruit, for a quick run only."""
    from hw2lib.data.synthetic.unpaired import unpaired_standin
    from hw2lib.data.unpaired import load_unpaired
    from hw2lib.errors import UserError

    if data is not None:
        return load_unpaired(data, config.size, config.recipe)
    if profile != "quick":  # the others take hours
        raise UserError(f"--profile {profile}: needs --data with the real images, such as apple2orange")
    return unpaired_standin("apple2orange", config.size, config.recipe)


def duplicates_lines(images) -> list[str]:
    """What is worth knowing about identical files; nothing where there are none."""
    from hw2lib.data.unpaired import duplicates_report

    counts = duplicates_report(images.duplicates)
    if not counts["groups"]:
        return []
    return [
        f"{images.name}: {counts['groups']} groups of identical files; {counts['test_in_train']} test images"
        f" are in train too, {counts['train_in_both']} groups are in both trainA and trainB"
    ]


def evaluate(
    run: Annotated[Path, typer.Argument(help="folder of a finished CycleGAN run", show_default=False)],
    data: Data = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
) -> None:
    """Judge a finished run's translations from the weights that it kept; adds to its metrics.json.

    A run does this by itself when it ends.
    """
    from hw2lib.jobs.evaluate import evaluate_run
    from hw2lib.jobs.trained import cyclegan_config

    from .train import check_device

    check_device(device)
    config = cyclegan_config(run)
    metrics = evaluate_run(run, load_images(data, "quick", config), device)["translation"]
    accuracy = metrics["classifier"]["test_accuracy"]
    typer.echo(f"classifier trained here: {accuracy:.1%} of the real test images in their domain")
    for row in [{"epoch": "none"} | metrics["reference"]["source"], *metrics["epochs"]]:
        typer.echo(
            f"epoch {row['epoch']:>4}  taken for the target domain: A to B {row['success_A']:.1%}, "
            f"B to A {row['success_B']:.1%}  colour distance {row['colour_A']:.1f}, {row['colour_B']:.1f}"
        )
    typer.echo(f"{run / 'metrics.json'}: written")


def translate(
    run: Annotated[Path, typer.Argument(help="folder of a CycleGAN run", show_default=False)],
    images: Annotated[list[Path], typer.Argument(help="image files", show_default=False)],
    to: Annotated[str, typer.Option(help="domain to translate to, A or B")] = "B",
    out: Annotated[Path, typer.Option(help="folder that takes the translations")] = Path("translated"),
    epoch: Annotated[int | None, typer.Option(help="an epoch whose weights the run kept", min=1)] = None,
) -> None:
    """Translate images with a trained CycleGAN; each becomes a PNG of the run's image size."""
    from hw2lib.errors import UserError
    from hw2lib.jobs.translate import translate_files

    if to not in ("A", "B"):
        raise UserError(f"--to {to}: expected A or B")
    for path in translate_files(run, images, to, out, epoch):
        typer.echo(path)


def bench_cyclegan(
    as_json: Annotated[bool, typer.Option("--json", help="an object, for programs")] = False,
    size: Annotated[int, typer.Option(help="height and width of the images", min=32)] = 128,
    blocks: Annotated[int, typer.Option(help="residual blocks of a generator", min=0)] = 6,
    features: Annotated[int, typer.Option(help="channels after the first convolution", min=1)] = 64,
    repeats: Annotated[int, typer.Option(help="rounds in which the arrangements take turns", min=1)] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
) -> None:
    """Time a training step of CycleGAN beside its plain arrangement."""
    from rich.console import Console
    from rich.table import Table

    from hw2lib.benchmarks.cyclegan import bench_step

    from .train import check_device

    check_device(device)
    with Console(stderr=True).status("timing"):
        result = bench_step(size, blocks, features, repeats, device)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    table = Table("arrangement", "seconds", "× plain", title=f"One step, {result['threads']} threads")
    for row in result["rows"]:
        table.add_row(row["arrangement"], f"{row['seconds']:.3f}", f"{row['ratio_to_plain']:.2f}")
    Console().print(table)
