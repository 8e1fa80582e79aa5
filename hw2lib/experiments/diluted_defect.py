r"""How well a sum of many noisy terms shows that a few of them have moved, and how well its parts do.

A score is a sum S = s₁ + … + s_D of terms with standard deviation σ and pairwise correlation ρ. A defect
raises k of them by δ, and so their sum by kδ, against a standard deviation of σ √(D (1 + (D − 1) ρ)). With
normal sums the area under the ROC curve is

    AUROC = Φ(d / √2),   d = k δ / (σ √(D (1 + (D − 1) ρ))).

Book: eq-diluted-defect.
"""

import numpy as np
from scipy import stats

from hw2lib.statistics import auroc

_IMAGES = 20  # whose terms are drawn at once


def area_of_sum(terms: int, moved: float, shift: float, correlation: float = 0.0) -> float:
    """AUROC of the sum.

    Args:
        terms: D.
        moved: k, how many of them a defect raises.
        shift: δ in units of σ.
        correlation: ρ of each pair of terms.

    Example:
        >>> round(area_of_sum(10_000, 100, 1.0), 3)
        0.76
    """
    spread = np.sqrt(terms * (1 + (terms - 1) * correlation))
    return float(stats.norm.cdf(moved * shift / spread / np.sqrt(2)))


def simulated_areas(
    terms: int, moved: list[int], shift: float, images: int = 200, seed: int = 0
) -> dict[int, tuple[float, float]]:
    """AUROC of the sum of all terms, and of the largest sum of k neighbouring ones, by drawing images.

    Args:
        terms: D independent standard normal terms of each image.
        moved: numbers k of raised terms, each a divisor of D; the raised ones are one group of k.
        shift: δ.
        images: number of normal images, and of defective ones.
        seed: the same seed gives the same images.

    Returns:
        By k, the two areas.
    """
    rng, defective = np.random.default_rng(seed), np.arange(2 * images) >= images
    whole, largest = np.zeros((len(moved), 2 * images)), np.zeros((len(moved), 2 * images))
    for start in range(0, 2 * images, _IMAGES):
        rows = slice(start, min(start + _IMAGES, 2 * images))
        noise = rng.standard_normal((rows.stop - rows.start, terms), np.float32)
        for j, k in enumerate(moved):
            groups = noise.reshape(len(noise), -1, k).sum(2)
            groups[defective[rows], 0] += k * shift
            whole[j, rows], largest[j, rows] = groups.sum(1), groups.max(1)
    return {
        k: (auroc(defective, a), auroc(defective, b)) for k, a, b in zip(moved, whole, largest, strict=True)
    }
