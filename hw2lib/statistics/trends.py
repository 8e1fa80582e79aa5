r"""Does a series rise or fall? Kendall's τ with the step, and an interval that knows of serial correlation.

The rule. A trend is called at the level of 5 % (two-sided) where the interval leaves 0 out:

    τ ± ⅔ t s,   s² = ⅛ Σ_j c_j² v_1 / v_j over j = 4…11,

with t the 97.5 % quantile of Student's t with 8 degrees of freedom. c_j is the projection of the ranks,
centred and scaled to length 1, on the j-th of the orthonormal polynomials in the step (discrete Legendre
polynomials). c_1 is Spearman's ρ, of which Kendall's τ is ⅔ where the correlation is weak. Noise without a
trend feeds c_1 as it feeds its slow neighbours, and so they say how far c_1 strays by chance. That needs no
guess of a block length, and Student's t pays for there being only eight of them. The square and the cube
are left out of s: by them a loss that falls fast at first would count as noise. What noise feeds into each
c_j differs a little, as its spectrum f falls: v_j = Σ_ω f(ω) |q_j(ω)|² is the expected c_j², where f is the
colour that :class:`~hw2lib.statistics.red_noise.RedNoise` fits to the ranks less a cubic.

Why no block bootstrap: blocks that suit the variance of a mean were 1 to 3 values long, and with them 11 to
16 % of autocorrelated series without a trend were said to have one.

What it needs: a series of some 25 times its noise's memory, (1 + φ) / (1 − φ) steps, or more. Shorter ones
look like trends, and nothing in them says otherwise.

Source: Kendall 1938 (book: eq-trend), 1945 (ties); inference from slow projections: Müller and Watson 2008,
Sun 2013, Lazarus, Lewis, Stock and Watson 2018; prewhitening: Andrews and Monahan 1992.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import kendalltau, rankdata, t

from hw2lib.bilingual import Interval

from .red_noise import RedNoise

_LEAST = 20
_SHAPES, _SLOW = 3, 8


@dataclass(frozen=True)
class Trend:
    """Rank correlation of a series with its place.

    Attributes:
        tau: Kendall's τ: the share of pairs in which the later value is larger, less the share in which it
            is smaller; 1 for a series that only rises, −1 for one that only falls. Of pairs with equal
            values it knows nothing: with ties it is τ_b, which leaves them out.
        low, high: ends of its interval.
        noise: the colour of what is left when a cubic is taken away from the ranks.
    """

    tau: float
    low: float
    high: float
    noise: RedNoise

    @property
    def direction(self) -> str:
        """``falls`` or ``rises`` where the interval leaves 0 out, else ``neither``."""
        if self.high < 0:
            return "falls"
        return "rises" if self.low > 0 else "neither"

    def __str__(self) -> str:
        return f"{self.tau:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"

    def shown(self) -> Interval:
        """As tables and claims show it in either language."""
        return Interval(self.low, self.high, "+.2f", value=self.tau)


def trend(values: np.ndarray, level: float = 0.95) -> Trend:
    """Kendall's τ of a series with time, and its interval; the rule is that of the module.

    Args:
        values: in the order of their steps, at least 20, finite, not all equal.
        level: of the interval.

    Raises:
        ValueError: too few values, or values that are not finite or all equal.

    Example:
        >>> str(trend(np.arange(50.0)))
        '+1.00 [+1.00, +1.00]'
    """
    values = checked_series(values, _LEAST)
    n = len(values)
    ranks = rankdata(values) - (n + 1) / 2
    ranks /= np.linalg.norm(ranks)
    shapes, powers = _polynomials(n)
    found = ranks @ shapes
    noise = RedNoise.fit(ranks - shapes[:, :_SHAPES] @ found[:_SHAPES])
    expected = noise.spectrum(np.pi * np.arange(n + 1) / n) @ powers
    slow = found[_SHAPES:] ** 2 * expected[0] / expected[_SHAPES:]
    half = 2 / 3 * t.ppf((1 + level) / 2, _SLOW) * float(np.sqrt(slow.mean()))
    tau = float(kendalltau(np.arange(n), values).statistic)
    return Trend(tau, max(tau - half, -1.0), min(tau + half, 1.0), noise)


def checked_series(values: np.ndarray, least: int) -> np.ndarray:
    """The values as an array; ValueError where they are too few, not finite or all equal."""
    values = np.asarray(values, dtype=float)
    if len(values) < least or not np.isfinite(values).all():
        raise ValueError(f"{len(values)} values: expected at least {least}, all finite")
    if (values == values[0]).all():
        raise ValueError(f"all values are {values[0]:g}: they have no order")
    return values


@lru_cache(maxsize=8)
def _polynomials(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal polynomials of degrees 1…11 in the step, (n, 11), and |q_j(ω)|² at ω = 0, π/n, …, π.

    The squares are weighted so that a spectrum of 1 gives 1.
    """
    q, r = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1, 1, n), _SHAPES + _SLOW))
    q = (q * np.sign(np.diag(r)))[:, 1:]
    powers = np.abs(np.fft.rfft(q, 2 * n, axis=0)) ** 2 / (2 * n)
    powers[1:-1] *= 2
    return q, powers
