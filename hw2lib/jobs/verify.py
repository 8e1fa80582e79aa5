"""Do the recorded numbers follow from the recorded files? And are these files the ones that were recorded?

Two things are held against each other for every record below ``results/paper``: the checksums of its files
against the manifest, and every number that can be had from the files in seconds against the one recorded.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pandas import DataFrame
from sklearn.metrics import average_precision_score

from hw2lib.anomaly import image_bits_per_dim
from hw2lib.anomaly.local import LocalConfig
from hw2lib.anomaly.local.selection import LEAST_GAIN, START
from hw2lib.errors import UserError
from hw2lib.runs.manifest import checksums, read_manifest
from hw2lib.runs.reader import RecordedCycleGAN, RecordedRun, paper_root, read_table
from hw2lib.statistics import intervals_per_defect
from hw2lib.statistics.localisation import f1_max
from hw2lib.statistics.variation import block_means

from .local import decisions
from .pixel_comparison import read_placements
from .reproduce import JOBS

# Tables have seven significant digits; what follows from them may be off by a few units of the last.
DIGITS = 2e-6


@dataclass(frozen=True)
class Check:
    """One recorded number, and the same from the record's other files.

    Attributes:
        record: the record's folder below ``results/paper``, such as ``maf-capsule/seed-0``.
        what: the number.
        recorded: as it is recorded.
        recomputed: as it follows from the files.
        tolerance: how far the two may lie apart, relative to the larger one where that is above 1.
    """

    record: str
    what: str
    recorded: Any
    recomputed: Any
    tolerance: float = DIGITS

    @property
    def holds(self) -> bool:
        """Whether the two agree."""
        if isinstance(self.recorded, float | int) and isinstance(self.recomputed, float | int):
            return math.isclose(
                self.recorded, self.recomputed, rel_tol=self.tolerance, abs_tol=self.tolerance
            )
        return bool(self.recorded == self.recomputed)


def records(names: Iterable[str] = (), root: Path | None = None) -> list[str]:
    """The records below ``results/paper``, all of them or those of the named jobs, as relative paths.

    Raises:
        UserError: nothing is recorded under a name.
    """
    root = root or paper_root()
    found = [p.parent.relative_to(root).as_posix() for p in sorted(root.rglob("config.json"))]
    for name in names:
        if not any(_below(record, name) for record in found):
            raise UserError(f"{name}: no record of that name; expected one of {', '.join(found)}")
    return [record for record in found if not names or any(_below(record, name) for name in names)]


def verify(names: Iterable[str] = (), root: Path | None = None) -> Iterator[Check]:
    """Check the named records, all of them by default.

    Raises:
        UserError: nothing is recorded under a name, or a file cannot be read.
    """
    root, names = root or paper_root(), list(names)
    wanted = records(names, root)
    yield from _manifest_checks(root, names)
    for record in wanted:
        job, _, seed = record.partition("/")
        folder = root / record
        if seed:
            yield Check(
                record, "seed of the folder", RecordedRun(folder).seed, int(seed.removeprefix("seed-"))
            )
        for kind, relations in _RELATIONS.items():
            if job.startswith(kind):
                yield from (Check(record, *found) for found in relations(folder))


def retrain(
    name: str, data: Path, runs: Path, device: str = "auto", root: Path | None = None
) -> Iterator[Check]:
    """Redo a recorded job from nothing, and ask whether each area lies in the interval that was recorded.

    Args:
        name: of the job, such as ``maf-capsule``, or one seed of it, such as ``maf-capsule/seed-3``.
        data: folder of the real sets.
        runs: where the runs are made; finished ones are taken as they are, interrupted ones resumed.
        device: ``auto``, ``cpu`` or ``cuda``.
        root: of the records.

    Raises:
        UserError: nothing is recorded under the name, or a run was stopped.
    """
    root = root or paper_root()
    for record in records([name], root):
        job_name, _, seed = record.partition("/seed-")
        job, out = JOBS[job_name], runs / record
        folder = data / job.data
        if not job.complete(out) and not job.run("paper", int(seed or 0), folder, out, device):
            raise UserError(f"{out}: stopped; the same command goes on")
        again = RecordedRun(out).metrics
        for path, recorded in _intervals(RecordedRun(root / record).metrics):
            value = again
            for key in path:
                value = value[key]
            low, high = recorded["low"], recorded["high"]
            middle, half = (low + high) / 2, (high - low) / 2
            yield Check(record, ", ".join(path), middle, value["value"], half + DIGITS)


def _intervals(metrics: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict]]:
    """All estimates with an interval in nested metrics, by their path."""
    for key, value in metrics.items():
        if isinstance(value, dict):
            if value.keys() >= {"value", "low", "high"}:
                yield (*path, key), value
            else:
                yield from _intervals(value, (*path, key))


def _below(record: str, name: str) -> bool:
    return record == name or record.startswith(name + "/")


def _manifest_checks(root: Path, names: list[str]) -> Iterator[Check]:
    listed, here = read_manifest(root), checksums(root)
    for name in sorted(listed.keys() | here.keys()):
        if not names or any(_below(name, wanted) for wanted in names):
            record = name.rpartition("/")[0]
            yield Check(
                record, name.rpartition("/")[2], listed.get(name, "not listed"), here.get(name, "gone")
            )


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
    yield "epochs", run.config["epochs"], len(run.losses)
    yield "order of the epochs", list(range(1, run.config["epochs"] + 1)), run.losses["epoch"].tolist()
    yield "seconds never fall", True, bool(run.losses["seconds"].is_monotonic_increasing)


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
        curve = run.auroc.query("weights == @weights and epoch == @last.epoch").set_index("defect")["auroc"]
        for defect, area in metrics[weights]["auroc"].items():
            yield f"AUROC by epoch, {weights}, {defect}", area["value"], float(curve[defect])
    yield "epochs scored", [*run.config["evaluate_epochs"]], sorted(run.auroc["epoch"].unique().tolist())


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
    sheet = RecordedRun(folder.parents[1] / "maf-capsule" / folder.name).sample_sheet()[0]
    total = float(block_means(sheet).var(0, ddof=1).sum())
    yield "variance between the samples of the sheet", RecordedRun(folder).metrics["samples"]["total"], total


def _pixels(folder: Path) -> Iterator[Relation]:
    table = read_table(folder / "pixels.csv")
    for method, kinds in RecordedRun(folder).metrics["pixel_auroc"].items():
        for kind, recorded in kinds.items():
            estimate = read_placements(table, method, kind).estimate()
            for part in ("value", "low", "high"):
                yield f"pixel AUROC, {method}, {kind}, {part}", recorded[part], getattr(estimate, part)


def _local(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    chosen = RecordedRun(folder.parents[1] / "local-selection").config
    own = {"size": run.config["size"], "seed": run.config["seed"]}
    yield "settings, but for size and seed", run.config, chosen | own
    for method, metrics in run.metrics.items():
        if not isinstance(metrics, dict):
            continue
        table = run.scores.query("method == @method")
        yield from _areas(f"AUROC, {method}", metrics["auroc"], table, "score")
        anomalous = table["defect"] != "good"
        for name, measure in (("f1_max", f1_max), ("average_precision", average_precision_score)):
            found = float(measure(anomalous, table["score"]))
            yield f"{name}, {method}", metrics["detection"][name]["value"], found, 1e-3
        for row in metrics["decisions"]:
            found = decisions(table["defect"].tolist(), table["p_value"].to_numpy(), row["alarm_rate"])
            yield f"decisions at {row['alarm_rate']}, {method}", row, found
        falling = table.sort_values("score")["p_value"].is_monotonic_decreasing
        yield f"p-values never rise with the score, {method}", True, bool(falling)


def _local_ablations(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    for method, metrics in run.metrics.items():
        yield from _areas(
            f"AUROC, {method}", metrics["auroc"], run.scores.query("method == @method"), "score"
        )


def _local_places(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    same = RecordedRun(folder.parent / "local-capsule-256" / "seed-0").scores.query("method == 'neighbours'")
    yield "files", same["file"].tolist(), run.scores["file"].tolist()
    apart = (run.scores["score"].to_numpy() / same["score"].to_numpy() - 1).tolist()
    yield "scores are those of local-capsule-256", 0.0, max(map(abs, apart)), 1e-4
    defective = run.scores[run.scores["defect"] != "good"]
    yield "defects", sorted(defective["file"]), sorted(run.metrics["defects"])


def _local_selection(folder: Path) -> Iterator[Relation]:
    run = RecordedRun(folder)
    followed = START.model_dump()
    for part, rows in run.metrics.items():
        best = rows[0]["mean"]
        for k, row in enumerate(rows):
            areas = [area for kinds in row["areas"].values() for area in kinds.values()]
            yield f"mean, {part}, trial {k}", row["mean"], sum(areas) / len(areas)
            if row["taken"]:
                followed |= row["changed"]
                gained = k == 0 or row["mean"] >= best + LEAST_GAIN
                yield f"taken with a gain, {part}, trial {k}", True, gained
                best = row["mean"]
    yield "settings chosen", LocalConfig.model_validate(run.config), LocalConfig.model_validate(followed)


def _cyclegan(folder: Path) -> Iterator[Relation]:
    run = RecordedCycleGAN(folder)
    steps = int(run.losses["step"].groupby(run.losses["epoch"]).max().sum())
    yield "epochs", run.config["epochs"], int(run.losses["epoch"].max())
    yield "epochs measured", [*run.config["evaluate_epochs"]], run.epochs
    per_step = run.metrics["train_seconds"] / steps
    yield "seconds_per_step", run.metrics["seconds_per_step"], per_step, 0.05
    means = run.translations.groupby(["epoch", "direction"])["classified_as_target"].mean()
    for row in run.metrics["translation"]["epochs"]:
        for direction in ("A", "B"):
            share = float(means[row["epoch"], direction])
            yield f"success_{direction}, epoch {row['epoch']}", row[f"success_{direction}"], share
    shares = DataFrame(run.metrics["colours"]).groupby(["epoch", "direction"])["share"].sum()
    for (epoch, direction), total in shares.items():
        yield f"colours of epoch {epoch}, {direction}, add up", 1.0, float(total), 1e-4
    undisturbed = run.steganography.query("kind == 'noise' and level == 0")["moved"]
    yield "nothing moves undisturbed", 0.0, float(undisturbed.abs().max())


_RELATIONS: dict[str, Callable[[Path], Iterator[Relation]]] = {
    "maf-": _maf,
    "vae-": _vae,
    "baselines-": _baselines,
    "flow-reconstruction-": _reconstruction,
    "pixels-": _pixels,
    "samples-": _samples,
    "local-capsule-": _local,
    "local-ablations-": _local_ablations,
    "local-places-": _local_places,
    "local-selection": _local_selection,
    "cyclegan-": _cyclegan,
}
