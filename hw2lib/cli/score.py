"""hw2 score."""

from pathlib import Path
from typing import Annotated

import typer

from .local import score_local
from .options import Device, Force, Weights, refuse_weights, say

# What an image is ranked by, of all that the table holds.
RANKED = {"maf": ("nll",), "vae": ("error", "nelbo")}


def score(
    run: Annotated[Path, typer.Argument(help="folder of a trained run of a flow, a VAE or a local detector")],
    data: Annotated[
        list[Path],
        typer.Option(
            help="category folder in the MVTec AD layout; for a local detector also folders of images and "
            "image files, may be repeated"
        ),
    ],
    out: Annotated[Path, typer.Option(help="CSV to write")] = Path("scores.csv"),
    weights: Weights = None,
    maps: Annotated[
        Path | None, typer.Option(help="folder for a picture of each image; local detectors only")
    ] = None,
    alarm_rate: Annotated[
        float, typer.Option(help="share of normal images that may be called defective; local detectors only")
    ] = 0.01,
    device: Device = "auto",
    force: Force = False,
) -> None:
    """Score the test images of a category and print the AUROC with its interval.

    A flow scores by its negative log-likelihood, a VAE by its reconstruction error and by −ELBO. A local
    detector scores any images, by how unusual their cells are, and decides on each.
    """
    from hw2lib.data import load_mvtec
    from hw2lib.jobs.maf import flow_score_table
    from hw2lib.jobs.trained import load_flow, load_vae, run_kind
    from hw2lib.jobs.vae import score_table
    from hw2lib.runs.folder import write_csv
    from hw2lib.runs.output import check_output
    from hw2lib.statistics import intervals_per_defect

    check_output(out, force)
    kind = run_kind(run, ("maf", "vae", "local"))
    if kind == "local":
        if weights is not None:
            raise typer.BadParameter("a local run keeps one set of weights; leave out --weights")
        score_local(run, data, out, maps, alarm_rate, device, force)
        return
    if maps is not None or len(data) > 1:
        raise typer.BadParameter(f"{run}: a run of kind {kind} takes one --data and draws no --maps")
    if kind == "vae":
        refuse_weights(weights)
        vae, settings = load_vae(run)
        category = load_mvtec(data[0], settings.size)
        rows = score_table(vae, category)
    else:
        flow, config = load_flow(run, weights or "ema")
        category = load_mvtec(data[0], config.size)
        rows = flow_score_table(flow, category)
    areas = {
        name: intervals_per_defect(category.test_defects, [row[name] for row in rows])
        for name in RANKED[kind]
    }
    write_csv(out, rows)
    for name, parts in areas.items():
        for defect, area in parts.items():
            say(f"{defect:>16}  AUROC {area}  by {name}")
    say(f"{out}: {len(rows)} images")
