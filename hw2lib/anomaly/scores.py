"""Anomaly scores from a flow: one number per image, one number per pixel."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from hw2lib.flows import MAF, DequantizedPixels
from hw2lib.flows.pixels import bits_per_dim

BATCH = 64


@torch.no_grad()
def nll_scores(flow: MAF, images: Tensor, batch: int = BATCH) -> np.ndarray:
    """Anomaly score S(x) = −log p(x) of each image, in nats.

    Args:
        flow: trained on images encoded by :class:`~hw2lib.flows.DequantizedPixels`.
        images: uint8, shape (n, 3, size, size).
        batch: images scored at a time.

    Returns:
        float64, shape (n,).

    Source: book: eq-anomaly-score.
    """
    parts = [-flow.log_prob(_encode(flow, part)) for part in images.split(batch)]
    return torch.cat(parts).double().cpu().numpy()


@torch.no_grad()
def nll_maps(flow: MAF, images: Tensor, batch: int = BATCH) -> np.ndarray:
    """What each pixel adds to the score, in nats, its channels summed; shape (n, size, size)."""
    parts = []
    for part in images.split(batch):
        contributions = -flow.log_prob_contributions(_encode(flow, part))
        parts.append(contributions.reshape(part.shape).sum(1).cpu())
    return torch.cat(parts).double().numpy()


def smooth(maps: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing of each map, ``sigma`` in pixels; 0 leaves them as they are."""
    return gaussian_filter(maps, sigma=(0, sigma, sigma)) if sigma else maps


def image_bits_per_dim(nll: np.ndarray, features: int) -> np.ndarray:
    """Scores in bits per dimension of the 8-bit image; book: eq-dequantization."""
    return np.asarray(bits_per_dim(nll, features))


def _encode(flow: MAF, images: Tensor) -> Tensor:
    parameter = next(flow.parameters())
    pixels = DequantizedPixels().encode(images.flatten(1), noise=False, dtype=parameter.dtype)
    return pixels.to(parameter.device)
