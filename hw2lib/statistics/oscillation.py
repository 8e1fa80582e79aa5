r"""Does a series oscillate, or does it only stray? Turns of the smoothed series, counted against noise.

The rule. The series is smoothed with Gaussians of widths 1, 2, 4, … values, up to a thirtieth of its
length, and for each width the sign changes of its slope are counted, its turns. The same is done with 199
series of noise that have its colour (:class:`~hw2lib.statistics.red_noise.RedNoise`) and no cycle. With
mean and standard deviation of their turns,

    z_w = (turns_w − mean_w) / deviation_w,   T = max over w of |z_w|,

and p is the share of T among those of the noise, the series itself included. A series oscillates where p is
at most 0.05.

Why both signs: a cycle of period P turns twice a period and keeps that pace. Where the window is narrower
than about P/4 it turns less often than noise, whose turns come about every 2.6 widths, and where it is
wider more often. Only the order of the values is used, and a cubic in the step is taken away, in the noise
too, so that no trend is taken for half a cycle. Turns are counted and not weighed: a noise that grows or
shrinks slowly changes nothing.

Source: Kedem 1986 (sign changes of a filtered series as a description of its spectrum); the null is that of
Allen and Smith 1996.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from .red_noise import RedNoise
from .trends import checked_series

_LEVEL, _SERIES = 0.05, 199


@dataclass(frozen=True)
class Oscillation:
    """Turns of a series beside those of noise of its colour.

    Attributes:
        width: of the Gaussian, in values, at which the two differ most.
        turns: sign changes of the smoothed slope there.
        expected: the mean number in noise.
        p_value: the share of noise that differs as much from noise.
        noise: the colour.
    """

    width: int
    turns: int
    expected: float
    p_value: float
    noise: RedNoise

    @property
    def oscillates(self) -> bool:
        return self.p_value <= _LEVEL

    def __str__(self) -> str:
        return f"{self.turns} turns, {self.expected:.1f} in noise, p = {self.p_value:.3f}"


def oscillation(values: np.ndarray, seed: int = 0) -> Oscillation:
    """Test a series for a cycle; the rule is that of the module.

    Args:
        values: in the order of their steps, at least 60, finite, not all equal.
        seed: of the noise.

    Raises:
        ValueError: too few values, or values that are not finite or all equal.

    Example:
        >>> oscillation(np.sin(np.arange(300) / 5)).oscillates
        True
    """
    values = checked_series(values, least=60)
    n = len(values)
    scores = _standing(values[None])
    noise = RedNoise.fit(scores[0])
    drawn = _standing(noise.draw(n, _SERIES, np.random.default_rng(seed)))
    widths = 2 ** np.arange(int(np.log2(n / 30)) + 1)
    counts = np.stack([_turns(np.vstack([scores, drawn]), width) for width in widths.tolist()], 1)
    mean, spread = counts[1:].mean(0), counts[1:].std(0)
    z = np.abs(counts - mean) / np.maximum(spread, 0.5)  # a count knows no finer difference
    p_value = float(np.mean(z.max(1) >= z[0].max()))
    k = int(z[0].argmax())
    return Oscillation(int(widths[k]), int(counts[0, k]), float(mean[k]), p_value, noise)


def _standing(series: np.ndarray) -> np.ndarray:
    """Normal scores of each row less a cubic in the step."""
    n = series.shape[1]
    scores = ndtri((rankdata(series, axis=1) - 0.5) / n)
    shapes = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1, 1, n), 3))[0]
    return scores - (scores @ shapes) @ shapes.T


def _turns(series: np.ndarray, width: int) -> np.ndarray:
    """Sign changes of the slope of each row, smoothed in a circle by a Gaussian."""
    n = series.shape[1]
    frequency = 2 * np.pi * np.arange(n // 2 + 1) / n
    smoothed = np.fft.irfft(np.fft.rfft(series) * np.exp(-0.5 * (width * frequency) ** 2), n)
    return np.diff(np.diff(smoothed) > 0).sum(1)
