"""Scores by reconstruction: what a VAE loses at its bottleneck, and what a flow loses to rounding."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hw2lib.flows import MAF, DequantizedPixels
from hw2lib.vae import VAE

BATCH = 32
DRAWS = 8


@dataclass(frozen=True)
class VAEScores:
    """What a VAE says of each image; float64, each of shape (n,).

    Attributes:
        error: mean squared reconstruction error per dimension, pixels in [−1, 1].
        nelbo: −ELBO in nats.
        kl: the part of −ELBO that the latent code costs, in nats.
    """

    error: np.ndarray
    nelbo: np.ndarray
    kl: np.ndarray


@torch.no_grad()
def vae_scores(vae: VAE, images: Tensor, draws: int = DRAWS, batch: int = BATCH) -> VAEScores:
    r"""Reconstruction error, −ELBO and KL of each image.

    The error is ‖x − g(m(x))‖² / D, from the middle of the posterior. The ELBO is averaged over draws of
    ε that are the same for every image, so that a score depends on nothing but its image.

    Args:
        vae: trained on images encoded by :class:`~hw2lib.flows.DequantizedPixels`.
        images: uint8, shape (n, 3, size, size).
        draws: of ε.
        batch: images scored at a time.

    Source: book: eq-reconstruction-error, eq-elbo.
    """
    like = vae.log_sigma
    noise = torch.randn(draws, vae.latent, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parts = []
    for part in images.split(batch):
        x = _encode(part, like)
        bounds = [vae.bound(x, draw.expand(len(x), -1)) for draw in noise.to(like)]
        nelbo = torch.stack([-bound.elbo for bound in bounds]).mean(0)
        error = (x - vae.reconstruct(x)).square().mean(1)
        parts.append(torch.stack([error, nelbo, bounds[0].kl]).double().cpu())
    return VAEScores(*torch.cat(parts, 1).numpy())


@torch.no_grad()
def vae_error_maps(vae: VAE, images: Tensor, batch: int = BATCH) -> np.ndarray:
    """Squared reconstruction error of each pixel, its channels summed; shape (n, size, size)."""
    return _error_maps(vae.reconstruct, vae.log_sigma, images, batch)


@torch.no_grad()
def flow_reconstruction_errors(flow: MAF, images: Tensor, batch: int = BATCH) -> np.ndarray:
    r"""Mean squared error of x → u → x through a flow, per dimension, pixels in [−1, 1]; shape (n,).

    The map is a bijection, so that f⁻¹(f(x)) = x for every x. What is measured is the rounding of the
    numbers that the flow is stored in, and it shrinks with their precision.

    Args:
        flow: of any precision; images are encoded in the same.
        images: uint8, shape (n, 3, size, size).
        batch: images taken at a time.

    Source: book: eq-flow-reconstruction.
    """
    like = next(flow.parameters())

    def round_trip(x: Tensor) -> Tensor:
        return flow.inverse(flow(x)[0])

    return _error_maps(round_trip, like, images, batch).mean((1, 2)) / 3


def _error_maps(reconstruct: Callable, like: Tensor, images: Tensor, batch: int) -> np.ndarray:
    parts = []
    for part in images.split(batch):
        x = _encode(part, like)
        # The difference is taken in the model's precision, its square in double: 1e-40 is no float32.
        squares = (x - reconstruct(x)).double().square()
        parts.append(squares.reshape(part.shape).sum(1).cpu())
    return torch.cat(parts).numpy()


def _encode(images: Tensor, like: Tensor) -> Tensor:
    return DequantizedPixels().encode(images.flatten(1), noise=False, dtype=like.dtype).to(like.device)
