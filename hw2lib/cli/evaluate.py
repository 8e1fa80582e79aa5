"""hw2 evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Device, Pair, check_device, say


def evaluate(
    run: Annotated[Path, typer.Argument(help="folder of a finished CycleGAN run", show_default=False)],
    data: Pair = None,
    device: Device = "auto",
) -> None:
    """Judge a finished run's translations from the weights that it kept; adds to its metrics.json.

    A run does this by itself when it ends.
    """
    from hw2lib.data.source import load_pair
    from hw2lib.jobs.evaluate import evaluate_run
    from hw2lib.jobs.trained import cyclegan_config

    check_device(device)
    config = cyclegan_config(run)
    images = load_pair("apple2orange", data, config.size, config.recipe)
    metrics = evaluate_run(run, images, device)["translation"]
    accuracy = metrics["classifier"]["test_accuracy"]
    say(f"classifier trained here: {accuracy:.1%} of the real test images in their domain")
    for row in [{"epoch": "none"} | metrics["reference"]["source"], *metrics["epochs"]]:
        say(
            f"epoch {row['epoch']:>4}  classified as the target domain: A to B {row['success_A']:.1%}, "
            f"B to A {row['success_B']:.1%}  colour distance {row['colour_A']:.1f}, {row['colour_B']:.1f}"
        )
    say(f"{run / 'metrics.json'}: written")
