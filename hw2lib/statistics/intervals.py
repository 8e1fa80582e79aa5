"""Intervals: of AUROCs by bootstrap, with the error of Hanley and McNeil; of means and ratios over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from hw2lib.bilingual import Interval

from .roc import NORMAL, auroc, checked, kinds_of_defects


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def shown(self, format: str = ".2f") -> Interval:
        """As tables and claims show it in either language."""
        return Interval(self.low, self.high, format, value=self.value)


def mean_interval(values: ArrayLike, level: float = 0.95) -> Estimate:
    """The mean of values of different seeds, and the interval of Student's t.

    Args:
        values: at least two.
        level: coverage of the interval.

    Example:
        >>> str(mean_interval([1.0, 2.0, 3.0]))
        '2.00 [-0.48, 4.48]'
    """
    values = np.asarray(values, float)
    found = stats.ttest_1samp(values, 0).confidence_interval(level)
    return Estimate(float(values.mean()), float(found.low), float(found.high))


def ratio_interval(numerators: ArrayLike, denominators: ArrayLike, level: float = 0.95) -> Estimate:
    """The geometric mean of ratios in pairs of the same seed, with :func:`mean_interval` of their logarithms.

    Example:
        >>> str(ratio_interval([2.0, 4.0], [1.0, 1.0]))
        '2.83 [0.03, 231.22]'
    """
    found = mean_interval(np.log(numerators) - np.log(denominators), level)
    return Estimate(*(float(np.exp(part)) for part in (found.value, found.low, found.high)))


def bootstrap_mean(values: ArrayLike, resamples: int = 1000, seed: int = 0) -> Estimate:
    """The mean over images with its 95 % percentile interval."""
    values = np.asarray(values, float)
    found = stats.bootstrap([values], np.mean, n_resamples=resamples, method="percentile", rng=seed)
    return Estimate(float(values.mean()), *map(float, found.confidence_interval))


def auroc_interval(
    anomalous: ArrayLike, scores: ArrayLike, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """AUROC with a bootstrap percentile interval, resampling normal and anomalous images apart.

    At an area of 0 or 1 all resamples agree: the interval has no width, and says nothing.

    Args:
        anomalous: booleans, shape (n,).
        scores: shape (n,).
        level: coverage of the interval.
        resamples: number of bootstrap resamples.
        seed: the same seed gives the same interval.
    """
    labels, values = checked(anomalous, scores)
    groups = (values[~labels], values[labels])
    result = stats.bootstrap(
        # SciPy wants two observations; two copies of a single image resample to the same areas.
        [group if len(group) > 1 else group.repeat(2) for group in groups],
        _auroc_of_groups,
        vectorized=True,
        paired=False,
        n_resamples=resamples,
        confidence_level=level,
        method="percentile",
        batch=200,
        rng=np.random.default_rng(seed),
    )
    interval = result.confidence_interval
    return Estimate(auroc(labels, values), float(interval.low), float(interval.high))


def _auroc_of_groups(normal: np.ndarray, anomalous: np.ndarray, axis: int = -1) -> np.ndarray:
    """AUROC along the last axis by ranks (the Mann-Whitney statistic), for many resamples at once."""
    normal, anomalous = np.moveaxis(normal, axis, -1), np.moveaxis(anomalous, axis, -1)
    n, m = normal.shape[-1], anomalous.shape[-1]
    ranks = stats.rankdata(np.concatenate([normal, anomalous], axis=-1), axis=-1)
    return (ranks[..., n:].sum(-1) - m * (m + 1) / 2) / (n * m)


def intervals_per_defect(defects: ArrayLike, scores: ArrayLike, **options) -> dict[str, Estimate]:
    """As :func:`auroc_per_defect`, with bootstrap intervals."""
    defects, values = np.asarray(defects), np.asarray(scores, dtype=float)
    normal = defects == NORMAL
    parts = {"all": np.ones_like(normal)} | {
        kind: normal | (defects == kind) for kind in kinds_of_defects(defects)
    }
    return {k: auroc_interval(~normal[part], values[part], **options) for k, part in parts.items()}


def found_by_all(seeds: Sequence[Mapping[str, Estimate]]) -> list[str]:
    """What is told from normal images under every seed: the names whose intervals all lie above 0.5.

    Args:
        seeds: estimates by name, one mapping per seed, as :func:`intervals_per_defect` gives them.
    """
    return [name for name in seeds[0] if min(seed[name].low for seed in seeds) > 0.5]


def hanley_mcneil_error(area: float, anomalous: int, normal: int) -> float:
    """Standard error of an AUROC from the number of images of each class.

    SE² = [A(1−A) + (m−1)(Q₁−A²) + (n−1)(Q₂−A²)] / (mn), Q₁ = A/(2−A), Q₂ = 2A²/(1+A).

    Source: Hanley and McNeil 1982, equation 1.
    """
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (anomalous - 1) * (q1 - area**2) + (normal - 1) * (q2 - area**2)
    return float(np.sqrt(variance / (anomalous * normal)))
