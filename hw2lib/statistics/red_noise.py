"""The colour of a noise that has a memory and no cycle: what a loss that goes nowhere looks like."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from scipy.optimize import minimize
from scipy.signal import lfilter
from scipy.special import expit


@dataclass(frozen=True)
class RedNoise:
    r"""An autoregressive series of first order, plus white noise, of unit variance.

    x_t = √a z_t + √(1 − a) e_t,   z_t = φ z_{t−1} + √(1 − φ²) e′_t,   e, e′ ~ N(0, 1). Its spectrum

        f(ω) = a (1 − φ²) / (1 + φ² − 2 φ cos ω) + 1 − a

    falls from ω = 0 on and has no peak: nothing in it swings at a pace of its own.

    Attributes:
        memory: φ in [0, 1).
        share: a in [0, 1], of the variance.

    Source: Hasselmann 1976; as the null against which cycles are tested, Allen and Smith 1996.

    Example:
        >>> RedNoise(0.5, 1.0).spectrum(np.array([0.0, np.pi])).round(2).tolist()
        [3.0, 0.33]
    """

    memory: float
    share: float

    def spectrum(self, frequency: np.ndarray) -> np.ndarray:
        """f(ω) for ω in radians per step, of mean 1 over a whole turn."""
        return _spectrum(np.cos(frequency), self.memory, self.share)

    def draw(self, n: int, samples: int, rng: np.random.Generator) -> np.ndarray:
        """Series in their stationary state, shape (samples, n)."""
        kicks = rng.standard_normal((samples, n)) * np.sqrt(1 - self.memory**2)
        kicks[:, 0] = rng.standard_normal(samples)
        memory = lfilter([1], [1, -self.memory], kicks)
        return np.sqrt(self.share) * memory + np.sqrt(1 - self.share) * rng.standard_normal((samples, n))

    @classmethod
    def fit(cls, values: np.ndarray) -> Self:
        """The colour of a series by Whittle's likelihood; white for one that never changes.

        Minimised is Σ_k log f(ω_k) + I(ω_k) / (σ² f(ω_k)) over the periodogram I at the frequencies
        between 0 and π, with the σ² that is best.

        Args:
            values: at least four, without trend.

        Source: Whittle 1953.
        """
        n, centred = len(values), values - np.mean(values)
        if np.abs(centred).max() < 1e-12:
            return cls(0.0, 0.0)
        power = np.abs(np.fft.rfft(centred)[1 : (n + 1) // 2]) ** 2
        cosine = np.cos(2 * np.pi * np.arange(1, len(power) + 1) / n)

        def cost(place: Sequence[float] | np.ndarray) -> float:
            f = _spectrum(cosine, *_unpack(place))
            return float(np.log(np.mean(power / f)) + np.mean(np.log(f)))

        # The surface can have a valley for a short and one for a long memory: look around first.
        start = min(product((0.1, 0.7, 2, 4), (-2, 0, 3)), key=cost)
        return cls(*_unpack(minimize(cost, start, method="L-BFGS-B", bounds=((1e-3, 7), (-6, 6))).x))


def _unpack(place: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """φ = 1 − exp(−p) and a = 1 / (1 + exp(−q)) from where the search stands."""
    return float(-np.expm1(-place[0])), float(expit(place[1]))


def _spectrum(cosine: np.ndarray, memory: float, share: float) -> np.ndarray:
    return share * (1 - memory**2) / (1 + memory**2 - 2 * memory * cosine) + 1 - share
