"""Does a series rise or fall? Kendall's τ with the step, and an interval that knows of serial correlation."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, rankdata

_LEAST = 20


@dataclass(frozen=True)
class Trend:
    """Rank correlation of a series with its place.

    Attributes:
        tau: Kendall's τ: the share of pairs in which the later value is larger, less the share in which it
            is smaller; 1 for a series that only rises, −1 for one that only falls. Of pairs with equal
            values it knows nothing: with ties it is τ_b, which leaves them out.
        low, high: ends of its interval.
        block: length of the blocks that were drawn, in values.
    """

    tau: float
    low: float
    high: float
    block: int

    @property
    def direction(self) -> str:
        """``falls`` or ``rises`` where the interval leaves 0 out, else ``neither``."""
        if self.high < 0:
            return "falls"
        return "rises" if self.low > 0 else "neither"

    def __str__(self) -> str:
        return f"{self.tau:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def trend(
    values: np.ndarray, resamples: int = 400, level: float = 0.95, block: int | None = None, seed: int = 0
) -> Trend:
    """Kendall's τ of a series with time, and its interval from a circular block bootstrap.

    Neighbouring losses resemble each other, so that pairs (step, value) drawn one by one would promise far
    more than the series holds. Here whole blocks of neighbouring pairs are drawn; the ends of the interval
    are quantiles of the resampled τ.

    Args:
        values: in the order of their steps, at least 20, finite, not all equal.
        resamples: number of bootstrap samples.
        level: of the interval.
        block: length of the blocks; by default :func:`block_length` of the ranks less a cubic in the step,
            so that a trend is not taken for correlation.
        seed: of the resampling.

    Raises:
        ValueError: too few values, values that are not finite or all equal, or a block that does not fit.

    Source: Kendall 1938 (book: eq-trend), Kendall 1945 (ties); Politis and Romano 1992 (circular blocks).

    Example:
        >>> str(trend(np.arange(50.0)))
        '+1.00 [+1.00, +1.00]'
    """
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < _LEAST or not np.isfinite(values).all():
        raise ValueError(f"{n} values: expected at least {_LEAST}, all finite")
    if (values == values[0]).all():
        raise ValueError(f"all values are {values[0]:g}: they have no order")
    # Ranks carry all that τ uses, and no single spike decides the length of the blocks.
    ranks, steps = rankdata(values), np.arange(n)
    if block is None:
        residuals = ranks - np.polynomial.Polynomial.fit(steps, ranks, 3)(steps)
        block = block_length(residuals)
    if not 1 <= block <= n // 2:
        raise ValueError(f"block={block}: expected 1 to {n // 2}")
    rng = np.random.default_rng(seed)
    found = np.empty(resamples)
    for k in range(resamples):
        starts = rng.integers(n, size=-(-n // block))
        drawn = ((starts[:, None] + np.arange(block)) % n).ravel()[:n]
        found[k] = _tau(drawn, ranks[drawn])
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Trend(_tau(steps, ranks), float(low), float(high), block)


def block_length(values: np.ndarray) -> int:
    """Length of the blocks that estimates a mean's variance best, from the series itself.

    b = (2 g² / d)^⅓ n^⅓ with g = Σ |k| λ(k) R(k), d = ⁴⁄₃ (Σ λ(k) R(k))², autocovariances R and the flat-top
    window λ, whose width is twice the lag after which no autocorrelation stands out. At least 1, at most
    3 √n and a third of the series.

    Args:
        values: a series without trend.

    Source: Politis and White 2004, with the correction of Patton, Politis and White 2009.

    Example:
        >>> block_length(np.random.default_rng(0).standard_normal(1000)) <= 5
        True
    """
    centred = np.asarray(values, dtype=float) - np.mean(values)
    n = len(centred)
    run = max(5, round(math.sqrt(math.log10(n))))
    lags = min(math.ceil(math.sqrt(n)) + run, n - 1)
    covariances = np.array([centred[: n - k] @ centred[k:] / n for k in range(lags + 1)])
    if covariances[0] == 0:
        return 1
    quiet = np.abs(covariances[1:]) / covariances[0] < 2 * math.sqrt(math.log10(n) / n)
    silences = np.lib.stride_tricks.sliding_window_view(quiet, run).all(1)
    last = int(np.argmax(silences)) if silences.any() else lags
    width = min(2 * max(last, 1), lags)
    k = np.arange(1, width + 1)
    window = np.clip(2 * (1 - k / width), 0, 1)
    g = 2 * np.sum(window * k * covariances[1 : width + 1])
    d = 4 / 3 * (covariances[0] + 2 * np.sum(window * covariances[1 : width + 1])) ** 2
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))
    if d == 0:
        return longest
    return max(1, min(math.ceil((2 * g**2 / d * n) ** (1 / 3)), longest))


def _tau(steps: np.ndarray, values: np.ndarray) -> float:
    return float(kendalltau(steps, values).statistic)
