r"""From a score to a probability: how often is a normal cell at this place as unusual as that?

Scores of held-out normal images in the square of cells around a place are pooled. Their logarithm
L = log(s − m + c) has a tail that is taken as exponential above its quantile t of order q:

    P(L > ℓ) = (1 − q) · exp(−(ℓ − t)/β)  for ℓ ≥ t,   β = mean of L − t above t.

A calibrated map holds −log₁₀ of it. Below t, where 19 of 20 normal cells lie, it goes on from v = −log₁₀
(1 − q) with the same slope and never below 0, as v · exp((ℓ − t)/(β v ln 10)): an order, not a probability.
Where dust is usual the tail is heavy, and a speck of dust is nothing; where nothing ever is, it is
something. Book: eq-cell-p-value.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from .config import LocalConfig

OUTSIDE = 0.0  # −log₁₀ p of a cell that is not looked at: nothing unusual


class Calibration(nn.Module):
    """Threshold and scale of the tail at every cell.

    Args:
        config: ``tail``, the order q of the quantile, and ``window``, the side of the square.
        inside: booleans (rows, columns), the cells that are looked at; only they are pooled.

    Source: peaks over threshold with an exponential tail, Coles 2001, chapter 4.
    """

    inside: Tensor
    lowest: Tensor
    offset: Tensor
    threshold: Tensor
    scale: Tensor

    def __init__(self, config: LocalConfig, inside: Tensor) -> None:
        super().__init__()
        self.order, self.window = config.tail, config.window
        self.register_buffer("inside", inside, persistent=False)  # kept by the detector
        for name in ("lowest", "offset", "threshold", "scale"):
            self.register_buffer(name, torch.empty(0))

    def fit(self, normal: Tensor) -> "Calibration":
        """Learn from held-out normal maps, (m, rows, columns)."""
        used = normal[:, self.inside]
        self.lowest = used.min()
        # The logarithm of differences near zero would make a tail of what is most normal.
        self.offset = 0.2 * (used - self.lowest).flatten().median() + 1e-3
        # Cells that are not looked at sort behind all others, and are not counted.
        logs = torch.where(self.inside, self._log(normal), -torch.inf)
        reach = self.window // 2
        padded = nn.functional.pad(logs, [reach] * 4, value=-torch.inf)
        around = nn.functional.pad(self.inside.float(), [reach] * 4)[None]
        counts = len(normal) * nn.functional.avg_pool2d(around, self.window, 1, divisor_override=1)[0]
        threshold, scale = (torch.zeros_like(logs[0]) for _ in range(2))
        for row in torch.nonzero(self.inside.any(1))[:, 0].tolist():
            here = self.inside[row]
            near = padded[:, row : row + self.window].unfold(2, self.window, 1)[:, :, here]
            near = near.permute(2, 0, 1, 3).flatten(1)
            place = (1 - self.order) * (counts[row, here, None] - 1)  # of the quantile, from above
            largest = near.topk(min(int(place.max()) + 2, near.shape[1]), 1).values
            high, low = (largest.gather(1, p.long()) for p in (place.floor(), place.ceil()))
            level = high + (place % 1) * (low - high)
            above = (largest - level).clamp(min=0)
            threshold[row, here] = level[:, 0]
            scale[row, here] = above.sum(1) / (above > 0).sum(1).clamp(min=1)
        self.threshold, self.scale = threshold, scale + 1e-6
        return self

    def forward(self, scores: Tensor) -> Tensor:
        """−log₁₀ of the probability of each cell's score among normal ones; (n, rows, columns)."""
        excess = (self._log(scores) - self.threshold) / (self.scale * math.log(10))
        start = -math.log10(1 - self.order)
        maps = torch.where(excess > 0, start + excess, start * (excess.clamp(max=0) / start).exp())
        return torch.where(self.inside, maps, OUTSIDE)

    def _log(self, scores: Tensor) -> Tensor:
        return ((scores - self.lowest).clamp(min=0) + self.offset).log()


def image_p_values(scores: np.ndarray, normal: np.ndarray, tail: float = 0.8) -> np.ndarray:
    r"""How often a normal image scores at least as much, from scores of held-out normal images.

    Among n normal scores it is the conformal p-value (1 + #{normal ≥ s}) / (n + 1), which no normal
    image undercuts more often than it says, whatever the distribution. It cannot be less than
    1/(n + 1). Above the quantile of order ``tail`` it is therefore replaced by an exponential tail
    through the excesses, where that is smaller: what is beyond the largest normal score is assumed,
    not measured.

    Args:
        scores: shape (m,).
        normal: scores of held-out normal images, shape (n,), n ≥ 2.
        tail: order of the quantile above which the tail is fitted.

    Source: Vovk et al. 2005, section 2.3 (conformal); Coles 2001, chapter 4 (tail).

    Example:
        >>> image_p_values(np.array([0.5, 9.5]), np.arange(10.0), tail=0.999).round(2).tolist()
        [0.91, 0.09]
    """
    scores, normal = np.asarray(scores, float), np.sort(np.asarray(normal, float))
    at_least = len(normal) - np.searchsorted(normal, scores, side="left")
    conformal = (1 + at_least) / (len(normal) + 1)
    threshold = np.quantile(normal, tail)
    excesses = normal[normal > threshold] - threshold
    if len(excesses) < 2:
        return conformal
    exceed = len(excesses) / len(normal) * np.exp(-(scores - threshold) / excesses.mean())
    return np.where(scores > normal[-1], np.minimum(conformal, exceed), conformal)
