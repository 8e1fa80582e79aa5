"""What the files of a record say twice: numbers that follow from its other files, by the kind of record.

CycleGANs are in :mod:`hw2lib.jobs.cyclegan_relations`, and what holds of every record is in
:mod:`hw2lib.jobs.verify`. Said once, and held by nothing but the manifest and the stored outputs of the
chapters:

* pictures, but for the samples of a flow that has a record of their variance;
* of a flow ``sampling``, ``parameters``, memory, and the pixel AUROC but ``minus_mean``;
* of a VAE the ``errors`` but that of validation, the pixel AUROC, ``parameters`` and memory;
* of likelihood-capsule ``held_out_bpd``; of samples-capsule ``along``, but that the data's is that of every
  seed;
* of pixels-capsule ``flow_image_auroc``, as its flow was trained for it;
* of flow-reconstruction-capsule the ``errors`` but those of test images;
* of the local detector the intervals of ``detection``, ``localisation``, ``location_only``, ``held_out``, the
  pixel AUROC, and where its places lie;
* all numbers of toy-geometry, toy-moves and photographs-grid.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from hw2lib.anomaly import image_bits_per_dim
from hw2lib.anomaly.local import LocalConfig
from hw2lib.anomaly.local.selection import LEAST_GAIN, START
from hw2lib.runs.reader import RecordedRun, read_table
from hw2lib.schema import read_json
from hw2lib.statistics import Placements, compare, intervals_per_defect
from hw2lib.statistics.localisation import detection
from hw2lib.statistics.variation import block_means
from hw2lib.training.maf import PIXELS

from .local import decisions
from .pixel_comparison import read_placements
from .samples import mean_with_noise

# What, as recorded, as it follows; and how far the two may lie apart, where that is not a rounding.
Relation = tuple[str, Any, Any] | tuple[str, Any, Any, float]
# Tables have seven significant digits; what follows from them may be off by a few units of the last.
DIGITS = 2e-6


def _resolution(table: DataFrame, *scores: str) -> float:
    """How far an area of scores may be off.

    Scores are stored with seven digits. That keeps their order, and areas, their intervals and p-values are
    made of nothing else: measured on all records, what is recomputed differs by less than 1e-12. Where
    rounding made a defective image tie with a good one, an area moves by half a pair of images; no record has
    such a tie.
    """
    good = table["defect"] == "good"
    tied = any(set(table[score][good]) & set(table[score][~good]) for score in scores)
    return 1e-3 if tied else DIGITS


def _areas(name: str, recorded: dict, table: DataFrame, score: str) -> Iterator[Relation]:
    """AUROC and interval of a score, all defects and each."""
    resolution = _resolution(table, score)
    for defect, area in intervals_per_defect(table["defect"], table[score]).items():
        for part in ("value", "low", "high"):
            yield f"{name}, {defect}, {part}", recorded[defect][part], getattr(area, part), resolution


def _bits(table: DataFrame, pairs: dict[str, str], features: int) -> Iterator[Relation]:
    """Bits per dimension from nats, column by column; the row that is furthest off is shown."""
    for bits, nats in pairs.items():
        expected = image_bits_per_dim(table[nats].to_numpy(), features)
        row = int(abs(expected - table[bits].to_numpy()).argmax())
        yield f"{bits} from {nats}, row {row + 1}", float(table[bits][row]), float(expected[row])


def _epochs(run: RecordedRun) -> Iterator[Relation]:
    seconds = run.losses["seconds"]
    yield "epochs", run.config["epochs"], len(run.losses)
    yield "order of the epochs", list(range(1, run.config["epochs"] + 1)), run.losses["epoch"].tolist()
    yield "seconds never fall", True, bool(seconds.is_monotonic_increasing)
    yield "train_seconds", run.metrics["train_seconds"], float(seconds.iloc[-1]), 0.051


def _maf(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    features, last, metrics = 3 * run.config["size"] ** 2, run.losses.iloc[-1], run.metrics
    yield from _epochs(run)
    yield from _bits(run.scores, {"bpd": "nll"}, features)
    pairs = {"train_bpd": "train_nll", "val_bpd": "val_nll", "val_bpd_ema": "val_nll_ema"}
    yield from _bits(run.losses, pairs, features)
    yield "train_bpd", metrics["train_bpd"], float(last["train_bpd"])
    for weights, column in (("plain", "val_bpd"), ("ema", "val_bpd_ema")):
        yield f"val_bpd, {weights}", metrics["val_bpd"][weights], float(last[column])
        table = run.scores.query("weights == @weights")
        yield from _areas(f"AUROC, {weights}", metrics[weights]["auroc"], table, "nll")
        yield from _curves(run.auroc.query("weights == @weights"), table["defect"], weights)
        curve = run.auroc.query("weights == @weights and epoch == @last.epoch").set_index("defect")["auroc"]
        for defect, area in metrics[weights]["auroc"].items():
            yield f"AUROC by epoch, {weights}, {defect}", area["value"], float(curve[defect])
    scored = [*run.config["evaluate_epochs"]]
    yield "epochs scored", scored, sorted(run.auroc["epoch"].unique().tolist())
    pixels = run.auroc[run.auroc["defect"] == PIXELS].set_index("epoch")["auroc"]
    if len(pixels):  # older records have none, nor has what was trained before they were measured
        measured = [epoch for epoch in scored if epoch >= pixels.index[0]]
        yield "epochs whose pixels were measured", measured, pixels.index.tolist()
        last_one = metrics["ema"]["pixel_auroc"]["minus_mean"]
        yield "pixel AUROC by epoch", last_one, float(pixels.iloc[-1])


def _curves(curves: DataFrame, defects: Any, weights: str) -> Iterator[Relation]:
    """Each area counts pairs of images, and that of all defects is the mean of the kinds by their numbers."""
    counts = defects.value_counts()
    kinds = counts.drop("good")
    pairs = kinds * counts["good"]
    table = curves.pivot_table(index="epoch", columns="defect", values="auroc")
    steps = table[kinds.index] * pairs * 2  # a tie counts half
    off = abs(steps - steps.round()).max(axis="columns")
    yield f"AUROC by epoch, {weights}, pairs of images, epoch {off.idxmax()}", 0.0, float(off.max()), 1e-3
    mean = table[kinds.index] @ kinds / kinds.sum()
    epoch = abs(mean - table["all"]).idxmax()
    what = f"AUROC by epoch, {weights}, all from the kinds, epoch {epoch}"
    yield what, float(table["all"][epoch]), float(mean[epoch])


def _vae(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    features, last, metrics = 3 * run.config["size"] ** 2, run.losses.iloc[-1], run.metrics
    yield from _epochs(run)
    yield from _bits(run.scores, {"bpd": "nelbo"}, features)
    yield from _bits(run.losses, {"train_bpd": "train_nelbo", "val_bpd": "val_nelbo"}, features)
    for name in ("train_bpd", "val_bpd", "sigma"):
        yield name, metrics[name], float(last[name])
    yield "errors, validation", metrics["errors"]["validation"], float(last["val_error"])
    for score in ("error", "nelbo", "kl"):
        yield from _areas(f"AUROC, {score}", metrics[score]["auroc"], run.scores, score)


def _baselines(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    for method, metrics in run.metrics.items():
        table = run.scores.query("method == @method")
        yield from _areas(f"AUROC, {method}", metrics["auroc"], table, "score")
    pixels = root_of(folder) / "pixels-capsule" / folder.name
    if pixels.exists():  # the same detectors, recorded once more
        again = RecordedRun(pixels).metrics["pixel_auroc"]
        for method, metrics in run.metrics.items():
            for kind in ("raw", "minus_mean"):
                area = again[method][kind]["value"]
                yield f"pixel AUROC, {method}, {kind}", metrics["pixel_auroc"][kind], area


def _reconstruction(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    for score in ("nll", "single", "double"):
        yield from _areas(f"AUROC, {score}", run.metrics[score]["auroc"], run.scores, score)
    for precision in ("single", "double"):
        mean = float(run.scores[precision].mean())
        yield (
            f"mean error, {precision}, in units of itself",
            1.0,
            mean / run.metrics["errors"]["test"][precision],
        )


def _samples(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    sheet = RecordedRun(root_of(folder) / "maf-capsule" / folder.name).sample_sheet()[0]
    sets = {"samples": sheet, "null": mean_with_noise(sheet, np.random.default_rng(run.seed))}
    for name, images in sets.items():
        total = float(block_means(images).var(0, ddof=1).sum())
        yield f"variance between the {name} of the sheet", run.metrics[name]["total"], total
    data = {p.name: RecordedRun(p).metrics["data"] for p in folder.parent.glob("seed-*")}
    yield "variance between the data, in every seed", [run.metrics["data"]] * len(data), [*data.values()]


def _pixels(folder: Path) -> Iterator[Relation]:
    table = read_table(folder / "pixels.csv")
    for method, kinds in RecordedRun(folder).metrics["pixel_auroc"].items():
        for kind, recorded in kinds.items():
            estimate = read_placements(table, method, kind).estimate()
            for part in ("value", "low", "high"):
                yield f"pixel AUROC, {method}, {kind}, {part}", recorded[part], getattr(estimate, part)


def _local(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    for method, metrics in run.metrics.items():
        table = run.scores.query("method == @method")
        if not len(table):  # seconds, memory
            continue
        yield from _areas(f"AUROC, {method}", metrics["auroc"], table, "score")
        if "detection" not in metrics:  # of an ablation
            continue
        measured = detection(table["defect"] != "good", table["score"], resamples=2)  # not the intervals
        for name, found in measured.items():
            stored = metrics["detection"][name]["value"]
            yield f"{name}, {method}", stored, found.value, _resolution(table, "score")
        p_values = table.sort_values("score")["p_value"]
        yield f"p-values fall as scores rise, {method}", True, bool(p_values.is_monotonic_decreasing)
        for row in metrics["decisions"]:
            again = decisions(table["defect"].tolist(), table["p_value"].to_numpy(), row["alarm_rate"])
            yield f"decisions, {method}, {row['alarm_rate']}", row, again
    chosen = RecordedRun(root_of(folder) / "local-selection").config
    own = {"size": run.config["size"], "seed": run.config["seed"]}
    yield "settings, but for size and seed", run.config, chosen | own


def _local_places(folder: Path) -> Iterator[Relation]:
    run, same = RecordedRun(folder), RecordedRun(root_of(folder) / "local-capsule-256" / "seed-0")
    scores = same.scores.query("method == 'neighbours'")
    yield "files", scores["file"].tolist(), run.scores["file"].tolist()
    apart = run.scores["score"].to_numpy() / scores["score"].to_numpy() - 1
    yield "scores are those of local-capsule-256", 0.0, float(np.abs(apart).max()), 1e-4
    defective = run.scores[run.scores["defect"] != "good"]
    yield "defects", sorted(defective["file"]), sorted(run.metrics["defects"])


def _local_selection(folder: Path) -> Iterator[Relation]:
    run, followed = RecordedRun(folder), START.model_dump()
    for part, rows in run.metrics.items():
        best = rows[0]["mean"] - LEAST_GAIN
        for k, row in enumerate(rows):
            areas = [area for kinds in row["areas"].values() for area in kinds.values()]
            yield f"mean, {part}, trial {k}", row["mean"], sum(areas) / len(areas)
            if row["taken"]:
                followed |= row["changed"]
                yield f"taken with a gain, {part}, trial {k}", True, row["mean"] >= best + LEAST_GAIN
                best = row["mean"]
    yield "settings chosen", LocalConfig.model_validate(run.config), LocalConfig.model_validate(followed)


def root_of(folder: Path) -> Path:
    """The folder of all records above that of one job, or of a seed of it."""
    return folder.parents[1] if folder.name.startswith("seed-") else folder.parent


def _likelihood(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    labels = (run.scores["defect"] != "good").tolist()
    plain = Placements.of(labels, run.scores["plain"])
    for name, recorded in run.metrics["scores"].items():
        placed = Placements.of(labels, run.scores[name])
        against = compare(placed, plain, run.metrics["level"])
        stored = pd.json_normalize(recorded).iloc[0]
        again = {"auroc": asdict(placed.estimate()), "against_plain": asdict(against)}
        resolution = _resolution(run.scores, name, "plain")
        for part, value in pd.json_normalize(again).iloc[0].items():
            yield f"{name}, {part}", float(stored[part]), float(value), resolution


RELATIONS: dict[str, Callable[[Path], Iterator[Relation]]] = {
    "maf-": _maf,
    "vae-": _vae,
    "baselines-": _baselines,
    "flow-reconstruction-": _reconstruction,
    "likelihood-": _likelihood,
    "pixels-": _pixels,
    "samples-": _samples,
    "local-capsule-": _local,
    "local-ablations-": _local,
    "local-places-": _local_places,
    "local-selection": _local_selection,
}


def bench_relations(path: Path) -> Iterator[Relation]:
    """The recorded benchmark: a median of ratios lies near the ratio of medians."""
    rows = {row["arrangement"]: row for row in read_json(path)["rows"]}
    for name, row in rows.items():
        ratio = row["seconds"] / rows["plain"]["seconds"] / row["ratio_to_plain"]
        yield f"ratio to plain, {name}, over that of the medians", 1.0, ratio, 0.1
