r"""Do two scores of the same images differ, or is it chance?

An AUROC is a mean over pairs. The placement of an anomalous observation is the share of normal ones
that score lower, and that of a normal one the share of anomalous ones that score higher:

    V₁₀(x) = mean over normal y of ψ(x, y),   V₀₁(y) = mean over anomalous x of ψ(x, y),
    ψ = 1 if S(x) > S(y), ½ if equal, 0 otherwise.

Both have the AUROC as their mean, and their scatter gives its variance. Two detectors that are tried
on the same images err together; the covariance of their placements takes that into account.

Book: eq-placements, eq-delong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from hw2lib.bilingual import Interval, Number
from hw2lib.errors import UserError

from .intervals import Estimate
from .roc import checked


@dataclass(frozen=True)
class Placements:
    """Placements of all observations under one score, summed within clusters.

    A cluster is what was drawn independently of the rest: an image, be it one observation or the many
    pixels of it, which go together.

    Args:
        anomalous: number of anomalous observations in each cluster, shape (clusters,).
        normal: number of normal ones in each cluster.
        above: sum of V₁₀ over the anomalous observations of each cluster.
        below: sum of V₀₁ over the normal ones of each cluster.

    Raises:
        UserError: fewer than two clusters hold anomalous observations, or normal ones.
    """

    anomalous: np.ndarray
    normal: np.ndarray
    above: np.ndarray
    below: np.ndarray

    def __post_init__(self) -> None:
        for name in ("anomalous", "normal"):
            if np.count_nonzero(getattr(self, name)) < 2:
                raise UserError(f"a variance needs two clusters with {name} observations")

    @classmethod
    def of(cls, anomalous: ArrayLike, scores: ArrayLike, clusters: ArrayLike | None = None) -> Self:
        """Placements from labels and scores.

        Args:
            anomalous: booleans, shape (n,); both classes must occur.
            scores: shape (n,), higher means more anomalous.
            clusters: the cluster of each observation, shape (n,); by default each is one of its own.

        Raises:
            UserError: as :func:`~hw2lib.statistics.auroc`, or clusters of another shape.

        Source: DeLong, DeLong and Clarke-Pearson 1988, by ranks as in Sun and Xu 2014; book:
        eq-placements.
        """
        labels, values = checked(anomalous, scores)
        clusters = np.arange(len(labels)) if clusters is None else np.asarray(clusters)
        if clusters.shape != labels.shape:
            raise UserError(f"{clusters.shape} clusters do not fit {labels.shape} labels")
        kinds, cluster = np.unique(clusters, return_inverse=True)
        ranks, own = stats.rankdata(values), np.empty(len(values))
        for kind in (labels, ~labels):
            own[kind] = stats.rankdata(values[kind])
        # A rank among all less the rank among one's own counts the other class below.
        lower = (ranks - own) / np.where(labels, np.sum(~labels), np.sum(labels))

        def summed(values: np.ndarray) -> np.ndarray:
            return np.bincount(cluster, values, minlength=len(kinds))

        return cls(summed(labels), summed(~labels), summed(labels * lower), summed(~labels * (1 - lower)))

    @property
    def area(self) -> float:
        """The AUROC."""
        return float(self.above.sum() / self.anomalous.sum())

    def covariance(self, other: "Placements") -> float:
        """Covariance of the AUROCs of two scores of the same observations.

        With m anomalous and n normal observations in all, and one observation in each cluster, it is

            S₁₀/m + S₀₁/n,   S₁₀ = Σ (V₁₀ᵃ − Aᵃ)(V₁₀ᵇ − Aᵇ) / (m − 1),   S₀₁ likewise.

        Source: DeLong et al. 1988, equation 5; for clusters Obuchowski 1997; book: eq-delong.
        """
        if not (_equal(self.anomalous, other.anomalous) and _equal(self.normal, other.normal)):
            raise UserError("the two scores are not of the same observations")
        m, n = self.anomalous.sum(), self.normal.sum()
        above = [p.above - p.anomalous * p.area for p in (self, other)]
        below = [p.below - p.normal * p.area for p in (self, other)]
        has_anomalous, has_normal = np.count_nonzero(self.anomalous), np.count_nonzero(self.normal)
        total = np.count_nonzero(self.anomalous + self.normal)
        s10 = has_anomalous / (has_anomalous - 1) * above[0] @ above[1] / m**2
        s01 = has_normal / (has_normal - 1) * below[0] @ below[1] / n**2
        # Clusters with both kinds tie the two means together; single observations add nothing here.
        s11 = total / (total - 1) * (above[0] @ below[1] + above[1] @ below[0]) / (m * n)
        return float(s10 + s01 + s11)

    def estimate(self, level: float = 0.95) -> Estimate:
        """The AUROC with its normal confidence interval, cut off at 0 and 1.

        At an area of 0 or 1 no placement scatters: the interval has no width, and says nothing.
        """
        half = _half_width(self.covariance(self), level)
        return Estimate(self.area, max(self.area - half, 0.0), min(self.area + half, 1.0))


@dataclass(frozen=True)
class Comparison:
    """Two AUROCs on the same observations.

    Attributes:
        first: AUROC of the first score.
        second: AUROC of the second.
        difference: first − second, with its confidence interval.
        p_value: two-sided, of the hypothesis that the two are equal.
    """

    first: float
    second: float
    difference: Estimate
    p_value: float


def compare(first: Placements, second: Placements, level: float = 0.95) -> Comparison:
    """DeLong's test of the difference of two correlated AUROCs.

    z = (A − B) / √(var A + var B − 2 cov(A, B)) is compared with the standard normal. Two scores that
    order all pairs alike differ by nothing, with p = 1. Where the areas differ and yet nothing scatters, as
    of few observations, there is no variance to judge by: p and the interval are nan.

    Raises:
        UserError: the placements are not of the same observations.

    Source: DeLong et al. 1988; for pixels, Obuchowski 1997; book: eq-delong.

    Example:
        >>> labels = [False, False, True, True]
        >>> result = compare(Placements.of(labels, [1, 3, 2, 4]), Placements.of(labels, [1, 2, 3, 4]))
        >>> result.difference.value, round(result.p_value, 4)
        (-0.25, 0.4795)
    """
    difference = first.area - second.area
    variance = first.covariance(first) + second.covariance(second) - 2 * first.covariance(second)
    variance = max(variance, 0.0)  # rounding can leave −1e-20 of equal scores
    half, p_value = _half_width(variance, level), 1.0
    if difference != 0 and variance == 0:
        half = p_value = math.nan
    elif difference != 0:
        p_value = float(2 * stats.norm.sf(abs(difference) / np.sqrt(variance)))
    return Comparison(
        first.area, second.area, Estimate(difference, difference - half, difference + half), p_value
    )


def against(
    placed: Mapping[str, Placements], reference: str
) -> dict[str, tuple[Interval | Number | None, ...]]:
    """Every score beside one of them, by name: AUROC, its difference to the reference's, and p, as shown.

    The reference itself has no difference and no p.

    Raises:
        UserError: as :func:`compare`.
    """
    rows: dict[str, tuple[Interval | Number | None, ...]] = {}
    for name, values in placed.items():
        rows[name] = (values.estimate().shown(), None, None)
        if name != reference:
            result = compare(values, placed[reference])
            rows[name] = (rows[name][0], result.difference.shown(), Number(result.p_value, ".2g"))
    return rows


def _half_width(variance: float, level: float) -> float:
    return float(stats.norm.ppf((1 + level) / 2) * np.sqrt(max(variance, 0.0)))


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool((a == b).all())
