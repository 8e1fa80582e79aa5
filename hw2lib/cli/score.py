"""hw2 score."""

from pathlib import Path
from typing import Annotated

import typer


def score(
    run: Annotated[Path, typer.Argument(help="folder of a trained run")],
    data: Annotated[Path, typer.Option(help="category folder in the MVTec AD layout")],
    out: Annotated[Path, typer.Option(help="CSV to write")] = Path("scores.csv"),
    weights: Annotated[str, typer.Option(help="ema or plain")] = "ema",
) -> None:
    """Score the test images of a category and print the AUROC with its interval."""
    from hw2lib.anomaly import image_bits_per_dim, intervals_per_defect, nll_scores
    from hw2lib.data import load_mvtec
    from hw2lib.training.runs import write_csv
    from hw2lib.training.trained import load_flow

    flow, config = load_flow(run, weights)
    category = load_mvtec(data, config.size)
    nll = nll_scores(flow, category.test)
    bpd = image_bits_per_dim(nll, category.features)
    columns = zip(category.test_defects, category.test_files, nll, bpd, strict=True)
    rows = [{"defect": d, "file": f, "nll": float(a), "bpd": float(b)} for d, f, a, b in columns]
    areas = intervals_per_defect(category.test_defects, nll)
    write_csv(out, rows)
    for defect, area in areas.items():
        typer.echo(f"{defect:>16}  AUROC {area}")
    typer.echo(f"{out}: {len(rows)} images")
