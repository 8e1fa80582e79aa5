"""What the files of a record say twice: numbers that follow from its other files, by the kind of record.

Some of it a record says once (a loss of a CycleGAN, the SSIM of a translation, its sheets of pictures): only
the manifest, and the stored outputs of the chapters, hold that.
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
from hw2lib.runs.reader import RecordedCycleGAN, RecordedRun, read_table
from hw2lib.schema import read_json
from hw2lib.statistics import Placements, compare, intervals_per_defect
from hw2lib.statistics.localisation import detection
from hw2lib.statistics.variation import block_means
from hw2lib.training.maf import PIXELS
from hw2lib.translation.steganography import LEAST_TURNED

from .local import decisions
from .pixel_comparison import read_placements
from .samples import mean_with_noise

# What, as recorded, as it follows; and how far the two may lie apart, where that is not a rounding.
Relation = tuple[str, Any, Any] | tuple[str, Any, Any, float]


def _areas(name: str, recorded: dict, table: DataFrame, score: str) -> Iterator[Relation]:
    """AUROC and interval of a score, all defects and each."""
    for defect, area in intervals_per_defect(table["defect"], table[score]).items():
        for part in ("value", "low", "high"):
            # A tie that rounding to seven digits made moves an area by half a pair of images.
            yield f"{name}, {defect}, {part}", recorded[defect][part], getattr(area, part), 1e-3


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
    pixels = _root(folder) / "pixels-capsule" / folder.name
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
    sheet = RecordedRun(_root(folder) / "maf-capsule" / folder.name).sample_sheet()[0]
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
            yield f"{name}, {method}", metrics["detection"][name]["value"], found.value, 1e-3
        p_values = table.sort_values("score")["p_value"]
        yield f"p-values fall as scores rise, {method}", True, bool(p_values.is_monotonic_decreasing)
        for row in metrics["decisions"]:
            again = decisions(table["defect"].tolist(), table["p_value"].to_numpy(), row["alarm_rate"])
            yield f"decisions, {method}, {row['alarm_rate']}", row, again
    chosen = RecordedRun(_root(folder) / "local-selection").config
    own = {"size": run.config["size"], "seed": run.config["seed"]}
    yield "settings, but for size and seed", run.config, chosen | own


def _local_places(folder: Path) -> Iterator[Relation]:
    run, same = RecordedRun(folder), RecordedRun(_root(folder) / "local-capsule-256" / "seed-0")
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


def _root(folder: Path) -> Path:
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
        for part, value in pd.json_normalize(again).iloc[0].items():
            yield f"{name}, {part}", float(stored[part]), float(value), 1e-3


def _cyclegan(folder: Path) -> Iterator[Relation]:
    run = RecordedCycleGAN(folder)
    config, losses = run.config, run.losses
    per_epoch = max(run.environment["data"][split] for split in ("trainA", "trainB"))
    steps = config["epochs"] * per_epoch
    kept = np.array([1, *range(config["log_every"], steps + 1, config["log_every"])])
    yield "steps of the losses", kept.tolist(), losses["step"].tolist()
    yield "epochs of the losses", ((kept - 1) // per_epoch + 1).tolist(), losses["epoch"].tolist()
    yield "no loss is negative", True, bool((losses.drop(columns=["epoch", "step"]) >= 0).all(axis=None))
    yield "epochs measured", [*config["evaluate_epochs"]], run.epochs
    per_step = run.metrics["train_seconds"] / steps  # recorded in ten thousandths of a second
    yield "seconds_per_step, in ms", 1e3 * run.metrics["seconds_per_step"], 1e3 * per_step, 0.051
    means = run.translations.groupby(["epoch", "direction"]).mean()
    for row in run.metrics["translation"]["epochs"]:
        for direction in ("A", "B"):
            share = float(means["classified_as_target"][row["epoch"], direction])
            yield f"success_{direction}, epoch {row['epoch']}", row[f"success_{direction}"], share
    colours = DataFrame(run.metrics["colours"])
    for (epoch, direction), rows in colours.groupby(["epoch", "direction"]):
        where = f"colours of epoch {epoch}, {direction}"
        yield f"{where}, add up", 1.0, float(rows["share"].sum()), 1e-4
        green = float(rows["share"][rows["before"] == "green"].sum())
        yield f"{where}, green before", green, float(means["green"][epoch, direction]), 1e-5
        if "green_kept" in means:  # records of before it was measured have none
            kept = run.colours_after(int(epoch), direction).loc["green", "green"]
            yield f"{where}, green kept", float(kept), float(means["green_kept"][epoch, direction]), 1e-5
    yield from _returns(run)
    before = colours.pivot_table(
        index=["direction", "before"], columns="epoch", values="share", aggfunc="sum"
    )
    off = float((before.max(axis="columns") - before.min(axis="columns")).max())
    yield "colours before are those of every epoch", 0.0, off, 1e-5
    unchanged = run.translations.groupby(["direction", "image"])["green"].nunique()
    yield "green before is that of every epoch", 1, int(unchanged.max())
    yield from _disturbed(run.steganography)


def _returns(run: RecordedCycleGAN) -> Iterator[Relation]:
    """The images whose green turned, and that nothing is disturbed where nothing is done."""
    for row in run.metrics.get("returns", []):
        epoch, direction = row["epoch"], row["direction"]
        where = f"green that comes back, epoch {epoch}, {direction}, {row['kind']}"
        rows = run.translations.query("epoch == @epoch and direction == @direction")
        turned = (rows["green"] - rows["green_kept"] >= LEAST_TURNED).sum()
        yield f"{where}, images", row["images"], int(turned)
        if row["kind"] == "noise":
            yield f"{where}, size", row["size"], 0.0


def _disturbed(table: DataFrame) -> Iterator[Relation]:
    """F(p(z)) − x is the sum of F(p(z)) − F(z) and F(z) − x, so their means obey the triangle inequality."""
    still = table.query("kind == 'noise' and level == 0").set_index(["epoch", "direction"])
    yield "nothing moves undisturbed", 0.0, float(still["moved"].abs().max())
    error = still["error"].reindex(table.set_index(["epoch", "direction"]).index).to_numpy()
    over = (table["error"] - table["moved"] - error).max()
    under = (abs(table["moved"] - error) - table["error"]).max()
    yield "errors under disturbance are no larger than the sum of two", 0.0, max(0.0, float(over)), 1e-3
    yield "errors under disturbance are no smaller than a difference", 0.0, max(0.0, float(under)), 1e-3


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
    "cyclegan-": _cyclegan,
}


def bench_relations(path: Path) -> Iterator[Relation]:
    """The recorded benchmark: a median of ratios lies near the ratio of medians."""
    rows = {row["arrangement"]: row for row in read_json(path)["rows"]}
    for name, row in rows.items():
        ratio = row["seconds"] / rows["plain"]["seconds"] / row["ratio_to_plain"]
        yield f"ratio to plain, {name}, over that of the medians", 1.0, ratio, 0.1
