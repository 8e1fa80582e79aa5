"""Do samples of a model vary as the data do, or are they one picture under noise?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

# Frozen in book/protocol.yml (variation-of-samples) before any variance between samples was seen.
BLOCKS, DIRECTIONS = 8, 5


@dataclass(frozen=True)
class Variation:
    """Variance between images, of the means of blocks of their pixels.

    Attributes:
        along: variance along the directions in which the data vary most, in squared levels.
        total: variance of all block means.
    """

    along: float
    total: float

    @property
    def share(self) -> float:
        """The part of the variance that lies along the data's directions."""
        return self.along / self.total


def block_means(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Means of 8 × 8 equal blocks in each colour: (n, size, size, 3) → (n, 192).

    Noise that is independent from pixel to pixel hardly moves them; position, angle and light of what an
    image shows do.

    Raises:
        ValueError: the size is no multiple of 8.
    """
    n, size = images.shape[:2]
    if size % BLOCKS:
        raise ValueError(f"size {size}: expected a multiple of {BLOCKS}")
    step = size // BLOCKS
    return images.reshape(n, BLOCKS, step, BLOCKS, step, 3).mean((2, 4)).reshape(n, -1)


def principal_directions(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The first five principal components of the block means of images, of shape (5, 192)."""
    return PCA(DIRECTIONS, svd_solver="full").fit(block_means(images)).components_


def variation(images: NDArray[np.uint8], directions: NDArray[np.float64]) -> Variation:
    """How far images vary around their own mean, along given directions and in all.

    Args:
        images: at least two, uint8 of shape (n, size, size, 3).
        directions: orthonormal, as :func:`principal_directions` gives them.
    """
    means = block_means(images)
    return Variation(
        along=float((means @ directions.T).var(0, ddof=1).sum()), total=float(means.var(0, ddof=1).sum())
    )
