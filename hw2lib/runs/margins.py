"""Whether a comparison with a threshold would come out the same with another seed.

The rules are seed-margins-of-both-sets, ratios-below-one and leaves-by-eye in ``book/protocol.yml``: what
three smaller runs differ by is what a seed moves, and a value that is no further from its threshold than that
is not settled. By uncommitted-code-decides-nothing the value is that of the mean of the smaller runs. By
variation-over-seeds the mean over seeds is settled where its interval leaves the threshold out.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

import numpy as np
from pandas import DataFrame, Series

from hw2lib.statistics import mean_interval
from hw2lib.translation.leaves import kept_by_kind, with_kind

from .ablations import grid_of_photographs, three_seeds
from .paths import paper_root
from .reader import RecordedCycleGAN, RecordedRun

AROUND = "blue", "pale", "grey", "dark"
WITH_GREEN = 0.001
FILTER = 0.9
Outcome = TypeVar("Outcome", bound=Hashable)
Measure = Callable[[RecordedCycleGAN], float]


@dataclass(frozen=True)
class Margin:
    """A measured value, its threshold, and the same measured of the smaller runs, by seed.

    The four ratios that ratios-below-one names are written so that their threshold is below one.
    """

    value: float
    threshold: float
    seeds: tuple[float, ...]

    @property
    def moved(self) -> float:
        """What a seed moves: the largest less the smallest of the smaller runs."""
        return max(self.seeds) - min(self.seeds)

    @property
    def settled(self) -> bool:
        """Whether the value is further from the threshold than a seed moves it."""
        return abs(self.value - self.threshold) > self.moved

    @property
    def above(self) -> bool:
        return self.value > self.threshold


@dataclass(frozen=True)
class SeedMean:
    """The mean of a value over the seeds, and its threshold."""

    seeds: Sequence[float]
    threshold: float

    @property
    def settled(self) -> bool:
        """Whether the 95 % interval of Student's t does not contain the threshold."""
        found = mean_interval(self.seeds)
        return not found.low <= self.threshold <= found.high

    @property
    def above(self) -> bool:
        return float(np.mean(self.seeds)) > self.threshold


def margins(run: RecordedCycleGAN, comparisons: Mapping[str, tuple[Measure, float]]) -> dict[str, Margin]:
    """Of a run at full size, beside the three of ``{name}-small``.

    Args:
        run: such as ``cyclegan-summer2winter``.
        comparisons: :data:`FRUIT` or :data:`SEASON`, by name a measure and its threshold.

    Raises:
        UserError: the smaller runs are not recorded.
    """
    of_seeds = margins_of_seeds(small_runs(run), comparisons)
    return {name: replace(of_seeds[name], value=measure(run)) for name, (measure, _) in comparisons.items()}


def margins_of_seeds(
    small: Sequence[RecordedCycleGAN], comparisons: Mapping[str, tuple[Measure, float]]
) -> dict[str, Margin]:
    """With the mean of the smaller runs in the place of a run at full size, for want of one from a commit.

    The rule is uncommitted-code-decides-nothing in ``book/protocol.yml``.

    Args:
        small: the smaller runs, by seed.
        comparisons: as for :func:`margins`.
    """
    found = {}
    for name, (measure, threshold) in comparisons.items():
        seeds = tuple(measure(run) for run in small)
        found[name] = Margin(float(np.mean(seeds)), threshold, seeds)
    return found


def small_runs(run: RecordedCycleGAN) -> list[RecordedCycleGAN]:
    """The three runs of 64 × 64 with half the channels, by seed, of the job of a run at full size.

    Raises:
        UserError: they are not recorded, or differ in more than their seed.
    """
    return three_seeds(f"{run.path.name}-small")


def outcomes(
    judge: Callable[[Mapping[str, bool]], Outcome],
    found: Mapping[str, Margin] | Mapping[str, SeedMean],
    open_: Mapping[str, Sequence[bool]] | None = None,
) -> set[Outcome]:
    """What a claim comes out as, with each comparison that is not settled turned either way.

    Args:
        judge: from what is above its threshold to what the claim comes out as.
        found: the comparisons.
        open_: statements that are true or not by seed: with seeds that disagree they are not settled either.

    Returns:
        One outcome, or several where the verdict depends on the seed.

    Example:
        >>> found = {"share": Margin(0.53, 0.5, (0.4, 0.5, 0.6))}
        >>> outcomes(lambda above: above["share"], found) == {True, False}
        True
    """
    cases: dict[str, tuple[bool, ...]]
    cases = {name: (m.above,) if m.settled else (True, False) for name, m in found.items()}
    cases |= {name: tuple(set(seeds)) for name, seeds in (open_ or {}).items()}
    return {judge(dict(zip(cases, case, strict=True))) for case in product(*cases.values())}


def leaves_kept(run: RecordedCycleGAN) -> float:
    """Of the green of the test apples whose green is leaves alone, the share that stays green."""
    return float(kept_by_kind(run.last_translations("A"))["kept"]["leaves"])


def bounds_of_leaves(run: RecordedCycleGAN) -> tuple[float, tuple[float, float]]:
    """What is known of leaves where only the green of all photographs together was counted.

    Returns:
        The share s of all green that lies in photographs of leaves alone; and, of their green, the least and
        the largest share that can have stayed where of all green a share k has: (k − (1 − s)) / s and k / s.
    """
    green = with_kind(run.last_translations("A")).groupby("green")["green_share"].sum()
    share, kept = float(green["leaves"] / green.sum()), run.colour_share(20, "A", "green", "green")
    return share, (max(0.0, (kept - (1 - share)) / share), min(1.0, kept / share))


def fruit_statements(above: Mapping[str, bool]) -> dict[str, bool]:
    """The statements of C2.1, from what of :data:`FRUIT` is above its threshold, and ``leaves``."""
    return {
        "identity": not above["accepted_1"] and not above["changed"],
        "noise": any(above[f"grid_{k}"] and not above[f"photographs_{k}"] for k in (2, 4)),
        "blotches": above["painted"] and not above["painted_on"],
        "colours": above["orange_10"] and above["red_10"],
        "apples": above["orange_20"] and above["accepted_20"],
        "leaves": above["leaves"],
    }


def photographs_over_grid(run: RecordedCycleGAN, period: int) -> float:
    """The larger grid of the test photographs of both domains over that of the sheet of epoch 1."""
    if run.metrics.get("outputs"):
        photographs = grid_of_photographs(run, period)
    else:  # recorded before a run measured its own photographs
        pair = run.environment["data"]["name"]
        grids = RecordedRun(paper_root() / "photographs-grid").metrics[pair]
        photographs = max(grids[d][str(period)]["value"] for d in "AB")
    return photographs / run.grid_excess(1, period)


def _accepted(run: RecordedCycleGAN, epoch: int) -> float:
    return float(run.measures.set_index("epoch").loc[epoch, "success_A"])


def _changed(run: RecordedCycleGAN) -> float:
    mean = run.changed("A")
    return float(mean[1] / mean[20])


def forests(run: RecordedCycleGAN) -> DataFrame:
    """The rows of the greenest third of the test summers with green."""
    summers = run.last_translations("A")
    green = summers["green"]
    return summers[green >= np.quantile(green[green >= WITH_GREEN], 2 / 3)]


def filtered(run: RecordedCycleGAN) -> DataFrame:
    """The rows of these of whose change one filter explains 0.9 or more."""
    return forests(run).query("filter_share >= @FILTER")


def turned_white(images: DataFrame) -> Series:
    """Whether a translation is brighter and less saturated than its photograph, by image."""
    return (images["value"] > 0) & (images["saturation"] < 0)


def _growth(run: RecordedCycleGAN) -> float:
    """By what share noise of two levels or rounding, the worse of them, adds to the error of the way back."""
    error = run.last_steganography("A")["error"]
    return float(max(error["rounding", 0.0], error["noise", 2.0]) / error["noise", 0.0] - 1)


# What C2.1 compares; of the epochs 1, 10 and 20.
FRUIT: dict[str, tuple[Measure, float]] = {
    "accepted_1": (lambda run: _accepted(run, 1), 0.5),
    "changed": (_changed, 0.5),
    "grid_2": (lambda run: run.grid_excess(1, 2), 2),
    "photographs_2": (lambda run: photographs_over_grid(run, 2), 0.5),
    "grid_4": (lambda run: run.grid_excess(1, 4), 2),
    "photographs_4": (lambda run: photographs_over_grid(run, 4), 0.5),
    "painted": (lambda run: run.recoloured(1, "A", *AROUND), 0.25),
    "painted_on": (lambda run: run.recoloured(20, "A", *AROUND) / run.recoloured(1, "A", *AROUND), 0.5),
    "orange_10": (lambda run: run.colour_share(10, "A", "red", "orange", "yellow"), 0.5),
    "red_10": (lambda run: run.colour_share(10, "B", "orange", "red"), 0.5),
    "orange_20": (lambda run: run.colour_share(20, "A", "red", "orange", "yellow"), 0.5),
    "accepted_20": (lambda run: _accepted(run, 20), 0.5),
}
# What C2.3 and C2.5 compare, at epoch 20.
SEASON: dict[str, tuple[Measure, float]] = {
    "white": (lambda run: run.colour_share(20, "A", "green", "pale"), 0.5),
    "colourless": (lambda run: run.colour_share(20, "A", "green", "pale", "grey"), 0.5),
    "green_over_blue": (
        lambda run: run.colour_share(20, "A", "green", "green") / run.colour_share(20, "A", "blue", "blue"),
        0.5,
    ),
    "filtered": (lambda run: len(filtered(run)) / len(forests(run)), 0.1),
    "gain": (lambda run: float(run.last_steganography("A")["gain"]["noise", 2.0]), 1),
    "growth": (_growth, 0.5),
}
