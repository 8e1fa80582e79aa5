r"""How well maps mark the defective pixels: the measures that practitioners report, with intervals.

With true and false positive rates over all pixels, TPR and FPR, at a threshold τ:

    AUPRO(f) = 1/f ∫₀ᶠ PRO dFPR,   PRO = mean over defective regions of the share above τ,
    F1-max   = max_τ 2 TP / (2 TP + FP + FN),
    AUPIMO   = 1/log(U/L) ∫_L^U TPR_i d log FPR_normal,   L = 10⁻⁵, U = 10⁻⁴, for each defective image i.

PRO counts a small defect as much as a large one. AUPIMO measures its false positives on normal images
alone, at rates so low that a person could look at every alarm.

Pixels of one image are found or missed together: intervals draw images, normal and defective apart.
Book: eq-aupro, eq-aupimo.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve

from hw2lib.errors import UserError

from .intervals import Estimate
from .roc import checked

LIMITS = (0.3, 0.05)
PIMO_RANGE = (1e-5, 1e-4)
_BINS, _TOP = 4000, 0.05  # thresholds, half of them among the largest scores
_PIMO_LEVELS = 101
_CHUNK = 100  # resamples at a time


@dataclass(frozen=True)
class PixelCounts:
    """Pixels of each image between neighbouring thresholds, from the highest threshold down.

    Attributes:
        normal: normal pixels, (images, thresholds).
        defective: defective ones.
        regions: shares of the defective regions, summed over the regions of the image.
        region_count: number of regions of each image.
    """

    normal: np.ndarray
    defective: np.ndarray
    regions: np.ndarray
    region_count: np.ndarray

    @classmethod
    def of(cls, maps: np.ndarray, masks: np.ndarray) -> Self:
        """Counts of maps and masks, each (n, height, width).

        Each distinct score is a threshold where there are few; else 4,000 quantiles are, half of them of
        the upper twentieth. Regions are connected by sides and corners.

        Raises:
            UserError: shapes differ, or no pixel is defective, or none is normal.
        """
        masks = np.asarray(masks, bool)
        if maps.shape != masks.shape or maps.ndim != 3:
            raise UserError(f"{maps.shape} maps do not fit {masks.shape} masks")
        if masks.all() or not masks.any():
            raise UserError("localisation needs normal and defective pixels; only one kind is here")
        edges = _thresholds(maps.ravel())
        bins = np.searchsorted(-edges, -maps.reshape(len(maps), -1), side="left")
        size = len(edges)
        tables = [np.zeros((len(maps), size)) for _ in range(3)]
        counts = np.zeros(len(maps))
        for k, (row, mask) in enumerate(zip(bins, masks, strict=True)):
            flat = mask.ravel()
            tables[0][k] = np.bincount(row[~flat], minlength=size)
            tables[1][k] = np.bincount(row[flat], minlength=size)
            labels, counts[k] = ndimage.label(mask, np.ones((3, 3)))
            labels = labels.ravel()[flat]
            shares = 1 / np.bincount(labels)[labels] if len(labels) else np.empty(0)
            tables[2][k] = np.bincount(row[flat], shares, minlength=size)
        normal, defective, regions = tables
        return cls(normal, defective, regions, counts)

    def measures(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """The measures with images counted as often as ``weights``, (resamples, images), says.

        Returns:
            ``pixel_auroc``, ``pixel_average_precision``, ``pixel_f1_max`` and ``aupro_<limit>``, each of
            shape (resamples,).
        """
        false, true, overlap = (
            np.concatenate([np.zeros((len(weights), 1)), (weights @ table).cumsum(1)], 1)
            for table in (self.normal, self.defective, self.regions)
        )
        overlap /= (weights @ self.region_count)[:, None]
        fpr, tpr = false / false[:, -1:], true / true[:, -1:]
        precision = true[:, 1:] / np.maximum(true[:, 1:] + false[:, 1:], 1e-12)
        found = {
            "pixel_auroc": np.trapezoid(tpr, fpr, axis=1),
            "pixel_average_precision": (np.diff(tpr, axis=1) * precision).sum(1),
            "pixel_f1_max": (2 * true / (true + false + true[:, -1:])).max(1),
        }
        for limit in LIMITS:
            areas = [_area_up_to(limit, *curve) for curve in zip(fpr, overlap, strict=True)]
            found[f"aupro_{limit}"] = np.array(areas)
        return found


def localisation(
    maps: np.ndarray, masks: np.ndarray, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> dict[str, Estimate]:
    """All measures of maps, with bootstrap percentile intervals over images.

    Args:
        maps: (n, height, width), higher means less normal.
        masks: booleans of that shape; an image without a defective pixel is normal.
        level: coverage of the intervals.
        resamples: number of bootstrap resamples.
        seed: the same seed gives the same intervals.

    Returns:
        As :meth:`PixelCounts.measures`, and ``aupimo``, the mean over the defective images, where there
        are normal images.

    Source: Bergmann et al. 2021 (AUPRO); Bertoldo et al. 2024 (AUPIMO).
    """
    maps, masks = np.asarray(maps), np.asarray(masks, bool)
    counts, rng = PixelCounts.of(maps, masks), np.random.default_rng(seed)
    anomalous = np.asarray(masks.any((1, 2)))
    weights = _draws(anomalous, resamples, rng)
    parts = [counts.measures(part) for part in np.array_split(weights, -(-resamples // _CHUNK))]
    exact = counts.measures(np.ones((1, len(maps))))
    found = {
        name: _estimate(float(exact[name][0]), np.concatenate([part[name] for part in parts]), level)
        for name in exact
    }
    if not anomalous.all():
        pimo = _Pimo(maps, masks, anomalous)
        draws = np.array([pimo.mean(row) for row in weights])
        found["aupimo"] = _estimate(pimo.mean(np.ones(len(maps))), draws, level)
    return found


def aupimo(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """AUPIMO of each defective image, in their order.

    Source: Bertoldo et al. 2024, equations 4 to 7.
    """
    maps, masks = np.asarray(maps), np.asarray(masks, bool)
    anomalous = np.asarray(masks.any((1, 2)))
    if anomalous.all() or not anomalous.any():
        raise UserError("AUPIMO needs normal and defective images; only one kind is here")
    return _Pimo(maps, masks, anomalous).per_image(np.ones(len(maps)))


class _Pimo:
    """Largest scores of the normal images, and scores of the defective pixels of the others, sorted."""

    def __init__(self, maps: np.ndarray, masks: np.ndarray, anomalous: np.ndarray) -> None:
        self.anomalous = anomalous
        normal = maps[~anomalous].reshape(np.sum(~anomalous), -1)
        # A resample can hold one image many times: its largest scores alone may make up the whole rate.
        kept = min(normal.shape[1], max(50, int(100 * PIMO_RANGE[1] * normal.shape[1])))
        largest = np.sort(np.partition(normal, -kept, 1)[:, -kept:], 1)
        order = np.argsort(-largest, axis=None, kind="stable")
        self.scores, self.owners = largest.ravel()[order], order // kept
        self.pixels = normal.shape[1]
        self.defects = [np.sort(m[k]) for m, k in zip(maps[anomalous], masks[anomalous], strict=True)]
        self.levels = np.geomspace(*PIMO_RANGE, _PIMO_LEVELS)

    def per_image(self, weights: np.ndarray) -> np.ndarray:
        """The measure of each defective image, when the normal ones count as ``weights`` says."""
        normal = weights[~self.anomalous]
        rates = normal[self.owners].cumsum() / (normal.sum() * self.pixels)
        # The lowest threshold whose rate does not exceed the level: no score above it is left out.
        place = np.searchsorted(rates, self.levels * (1 + 1e-9), side="right")
        thresholds = self.scores[np.minimum(place, len(self.scores) - 1)]
        found = [1 - np.searchsorted(d, thresholds, side="right") / len(d) for d in self.defects]
        logs = np.log(self.levels)
        return np.trapezoid(np.array(found), logs, axis=1) / (logs[-1] - logs[0])

    def mean(self, weights: np.ndarray) -> float:
        return float(np.average(self.per_image(weights), weights=weights[self.anomalous]))


def f1_max(anomalous: ArrayLike, scores: ArrayLike) -> float:
    """The largest F1 = 2 TP / (2 TP + FP + FN) over all thresholds.

    Example:
        >>> f1_max([False, True, False, True], [1, 2, 3, 4])
        0.8
    """
    labels, values = checked(anomalous, scores)
    precision, recall, _ = precision_recall_curve(labels, values)
    return float((2 * precision * recall / np.maximum(precision + recall, 1e-12)).max())


def detection(
    anomalous: ArrayLike, scores: ArrayLike, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> dict[str, Estimate]:
    """``f1_max`` and ``average_precision`` of images as they occur, with bootstrap intervals.

    Both depend on the share of anomalous images; see :mod:`hw2lib.statistics.imbalance`.
    """
    labels, values = checked(anomalous, scores)
    measures: dict[str, Callable[..., float]] = {
        "f1_max": f1_max,
        "average_precision": average_precision_score,
    }
    weights = _draws(labels, resamples, np.random.default_rng(seed)).astype(int)
    draws = [(np.repeat(labels, row), np.repeat(values, row)) for row in weights]
    return {
        name: _estimate(float(measure(labels, values)), np.array([measure(*d) for d in draws]), level)
        for name, measure in measures.items()
    }


def _draws(anomalous: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each image is drawn, (resamples, images); as many of either kind as there are."""
    weights = np.zeros((resamples, len(anomalous)))
    for kind in (anomalous, ~anomalous):
        if n := int(kind.sum()):
            weights[:, kind] = rng.multinomial(n, np.full(n, 1 / n), resamples)
    return weights


def _estimate(value: float, draws: np.ndarray, level: float) -> Estimate:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def _thresholds(scores: np.ndarray) -> np.ndarray:
    """Distinct scores at which counts are taken, falling; the last is the lowest score."""
    distinct = np.unique(scores)
    if len(distinct) <= _BINS:
        return distinct[::-1]
    even, top = np.linspace(0, 1 - _TOP, _BINS // 2), np.linspace(1 - _TOP, 1, _BINS // 2)
    ordered = np.sort(scores)
    return np.unique(ordered[(np.r_[even, top] * (len(ordered) - 1)).astype(int)])[::-1]


def _area_up_to(limit: float, fpr: np.ndarray, overlap: np.ndarray) -> float:
    """∫₀^limit overlap dFPR / limit, the curve interpolated at the limit."""
    inside = fpr < limit
    x, y = np.r_[fpr[inside], limit], np.r_[overlap[inside], np.interp(limit, fpr, overlap)]
    return float(np.trapezoid(y, x) / limit)
