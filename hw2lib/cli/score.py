"""hw2 score."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Force, Weights, refuse_weights, say

# What an image is ranked by, of all that the table holds.
RANKED = {"maf": ("nll",), "vae": ("error", "nelbo")}


def score(
    run: Annotated[Path, typer.Argument(help="folder of a trained run of a flow or a VAE")],
    data: Annotated[Path, typer.Option(help="category folder in the MVTec AD layout")],
    out: Annotated[Path, typer.Option(help="CSV to write")] = Path("scores.csv"),
    weights: Weights = None,
    force: Force = False,
) -> None:
    """Score the test images of a category and print the AUROC with its interval.

    A flow scores by its negative log-likelihood, a VAE by its reconstruction error and by −ELBO.
    """
    from hw2lib.data import load_mvtec
    from hw2lib.jobs.maf import flow_score_table
    from hw2lib.jobs.trained import load_flow, load_vae, run_kind
    from hw2lib.jobs.vae import score_table
    from hw2lib.runs.folder import write_csv
    from hw2lib.runs.output import check_output
    from hw2lib.statistics import intervals_per_defect

    check_output(out, force)
    kind = run_kind(run)
    if kind == "vae":
        refuse_weights(weights)
        vae, settings = load_vae(run)
        category = load_mvtec(data, settings.size)
        rows = score_table(vae, category)
    else:
        flow, config = load_flow(run, weights or "ema")
        category = load_mvtec(data, config.size)
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
