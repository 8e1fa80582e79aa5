"""How far two sets of images are apart, without pairs: in their colours, and in features."""

import numpy as np
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor


def colour_distance(images: Tensor, others: Tensor) -> float:
    """Mean over the three channels of the 1-Wasserstein distance of the pixel values, in 8-bit levels.

    W₁ = ∫ |P − Q| with the distribution functions P, Q of one channel over all pixels of a
    set: by how many levels a pixel has to change on average.

    Args:
        images: uint8, shape (n, 3, height, width).
        others: uint8, shape (m, 3, height, width).

    Source: Rubner et al. 2000 (the earth mover's distance of histograms; book: eq-colour-distance).

    Example:
        >>> grey = torch.full((1, 3, 4, 4), 100, dtype=torch.uint8)
        >>> colour_distance(grey, grey + 7)
        7.0
    """
    levels = np.arange(256)
    first, second = _histograms(images), _histograms(others)
    return float(
        np.mean([wasserstein_distance(levels, levels, f, s) for f, s in zip(first, second, strict=True)])
    )


def kernel_distance(features: Tensor, others: Tensor) -> float:
    """Unbiased estimate of MMD² with the kernel k(a, b) = (a·b / d + 1)³.

    With features of the Inception network this is the KID; with those of another network it is only
    comparable with values from the same network. It may be slightly negative for equal distributions.

    Args:
        features: shape (n, d), n ≥ 2.
        others: shape (m, d), m ≥ 2.

    Raises:
        ValueError: fewer than two rows.

    Source: Bińkowski et al. 2018, equations 3 and 4 (book: eq-kernel-distance).
    """
    if min(len(features), len(others)) < 2:
        raise ValueError(f"{len(features)} and {len(others)} rows: expected at least two of each")
    a, b = features.double(), others.double()
    return float(
        _mean_off_diagonal(_kernel(a, a)) + _mean_off_diagonal(_kernel(b, b)) - 2 * _kernel(a, b).mean()
    )


def relative_spread(translations: Tensor, images: Tensor) -> float:
    """How far apart translations lie from each other, over how far their images do.

        Σ_{i<j} |G(x_i) − G(x_j)| / Σ_{i<j} |x_i − x_j|, absolute differences summed over the pixels.

    0 where all inputs have one output, the collapse of a generator.

    Args:
        translations: shape (n, 3, height, width), n ≥ 2, not all inputs equal.
        images: the inputs, same shape.

    Example:
        >>> x = torch.rand(3, 3, 4, 4)
        >>> round(relative_spread(x / 2, x), 3)
        0.5
    """
    apart, before = (torch.pdist(a.flatten(1).float(), p=1).double().sum() for a in (translations, images))
    return float(apart / before)


def require_uint8(images: Tensor) -> None:
    """ValueError unless the images are of 8 bits."""
    if images.dtype != torch.uint8:
        raise ValueError(f"images of type {images.dtype}: expected uint8")


def _histograms(images: Tensor) -> list[np.ndarray]:
    require_uint8(images)
    return [np.bincount(channel.flatten().numpy(), minlength=256) for channel in images.cpu().transpose(0, 1)]


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _mean_off_diagonal(k: Tensor) -> Tensor:
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1))
