"""What the files of a recorded CycleGAN say twice, and what they share with other records of its photographs.

Said once, and held by nothing but the manifest and the stored outputs of the chapters:

* the losses, but that none is negative, and the sheets of pictures;
* of translations.csv all but ``green``, ``green_kept`` and ``taken``;
* the shares of two colours, but that they add up, and that those of green follow from the table;
* ``cycle_psnr``, ``cycle_ssim``, ``cycle_l1``, ``identity_l1``, and what is measured of translations but
  ``success``; the classifier; ``spread``, ``skin`` and the grids of the outputs;
* ``error`` and ``moved`` under a disturbance, but for the triangle inequality; its ``size``, but for noise
  and rounding; of ``returns`` the ``share``, and the ``size`` of what is no noise;
* ``parameters`` and memory, and whether the processor offered bfloat16 or compilation.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from pandas import DataFrame

from hw2lib.errors import UserError
from hw2lib.runs.reader import RecordedCycleGAN
from hw2lib.translation.steganography import LEAST_TURNED, OCTAVE_NOISE

from .cyclegan_evaluation import STEGANOGRAPHY_IMAGES
from .relations import Relation, root_of

HALF_NORMAL = (2 / np.pi) ** 0.5  # mean |n| of a standard normal n
# The error of rounding shades is uniform over a level; measured on all records, 0.973 to 1.012 of that.
UNEVEN = 0.05
# Of few frequencies, on images of 64 pixels, noise is not quite normal; measured on all records, up to 0.018.
FEW_FREQUENCIES = 0.03


def cyclegan_relations(folder: Path) -> Iterator[Relation]:
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
    yield from disturbance_sizes(run)
    yield from _photographs(run)


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


def disturbance_sizes(run: RecordedCycleGAN) -> Iterator[Relation]:
    """How far a disturbance moves a translation z, in 8-bit levels, by its kind and level.

    Noise of standard deviation L moves a pixel by min(L |n|, r), n standard normal and the same at every
    level, r the room to the end of the range on that side. So the mean is concave in L. It lies between ½ and
    1 times L √(2/π), as n is symmetric and one side has room; beyond that it gets five standard deviations of
    the mean of |n|, of which one pixel's is √(1 − 2/π). In each pixel an octave has the distribution of noise
    of its standard deviation. Rounding moves a pixel by ¼ level on average.
    """
    pixels = 3 * run.config["size"] ** 2
    for (epoch, direction), rows in run.steganography.groupby(["epoch", "direction"]):
        where = f"size, epoch {epoch}, {direction}"
        sizes = rows.set_index(["kind", "level"])["size"]
        noise = sizes["noise"].sort_index()
        images = min(STEGANOGRAPHY_IMAGES, run.environment["data"][f"test{direction}"])
        chance = 5 * ((1 - HALF_NORMAL**2) / (images * pixels)) ** 0.5
        share = (noise / noise.index).drop(0.0)
        allowed = share.clip(HALF_NORMAL / 2 - chance, HALF_NORMAL + chance)
        worst = (share - allowed).abs().idxmax()
        yield f"{where}, noise of {worst}, over its level", float(share[worst]), float(allowed[worst])
        slopes = np.diff(noise) / np.diff(noise.index)
        rise = float(np.diff(slopes, append=0.0).max())  # the last slope is not below 0
        # Of sizes with six digits; measured on all records, up to 2e-6.
        yield f"{where}, noise, concave in its level", 0.0, max(0.0, rise), 1e-5
        yield f"{where}, rounding, over a quarter of a level", 1.0, float(4 * sizes["rounding", 0]), UNEVEN
        for octave, size in (sizes["octave"] if "octave" in sizes else pd.Series()).items():
            over = float(size / noise[OCTAVE_NOISE])
            yield f"{where}, octave {octave}, over white noise", 1.0, over, FEW_FREQUENCIES


def _photographs(run: RecordedCycleGAN) -> Iterator[Relation]:
    """What was measured of the photographs alone is the same in every run on the same ones at the same size.

    The ends of an interval are resampled by the seed, and so held against a run of the same seed.
    """
    left = _of_photographs(run)
    for path in sorted(root_of(run.path).glob("cyclegan-*/**/config.json")):
        other = RecordedCycleGAN(path.parent)
        try:
            if path.parent == run.path or _photographed(other) != _photographed(run):
                continue
            ends = {name for name in left if name.endswith((".low", ".high")) and other.seed != run.seed}
            theirs = _of_photographs(other) if left.keys() - ends else {}
        except (UserError, LookupError, TypeError):  # that record is red by itself
            continue
        for name in sorted((left.keys() & theirs.keys()) - ends):
            where = path.parent.relative_to(root_of(run.path)).as_posix()
            yield f"{name}, as in {where}", left.pop(name), theirs[name]


def _photographed(run: RecordedCycleGAN) -> tuple[str, int, str]:
    return run.environment["data"]["checksum"], run.config["size"], run.config["recipe"]


def _of_photographs(run: RecordedCycleGAN) -> dict[str, float]:
    """Grids, colour distances and textures of the photographs, by their paths in metrics.json."""
    outputs = run.metrics.get("outputs") or {}
    found = {name: outputs.get(name, {}) for name in ("photographs", "skins")}
    colours = {
        kind: {name: value for name, value in measures.items() if name.startswith("colour_")}
        for kind, measures in run.references.items()
    }
    return pd.json_normalize(found | {"reference": colours}).iloc[0].to_dict()
