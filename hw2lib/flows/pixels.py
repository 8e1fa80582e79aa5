"""From 8-bit pixels to a density: dequantisation, scaling, and their log-determinants."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


class DequantizedPixels:
    r"""Uniform dequantisation and scaling to [−1, 1].

    A pixel v ∈ {0, …, 2^b − 1} becomes x = 2 (v + n) / 2^b − 1 with noise n ~ U[0, 1). The noise turns
    a probability over 256 values into a density that a flow can have, and the mean log-density is a
    lower bound of the log-probability (Theis et al. 2016). The scaling multiplies each dimension by
    2^(1−b), so log p(v + n) = log p(x) + D (1 − b) ln 2: without that term the number depends on the
    unit that pixels are measured in.

    Args:
        bits: b, bits per channel; 8 for ordinary images.

    Source: Theis et al. 2016, section 3.1; book: eq-dequantization.

    Example:
        >>> pixels = DequantizedPixels()
        >>> v = torch.tensor([[0, 128, 255]], dtype=torch.uint8)
        >>> pixels.encode(v, noise=False)
        tensor([[-0.9961,  0.0039,  0.9961]])
        >>> pixels.decode(pixels.encode(v, noise=False)).tolist()
        [[0, 128, 255]]
    """

    def __init__(self, bits: int = 8) -> None:
        if not 1 <= bits <= 8:
            raise ValueError(f"bits={bits}: expected 1 to 8")
        self.bits, self.levels = bits, 2**bits

    def encode(
        self,
        pixels: Tensor,
        noise: bool = True,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """uint8 (any shape) → x in [−1, 1] of the same shape.

        Without noise n = 1/2, the middle of the pixel's interval: scores are then repeatable. The sum is
        taken in float32 at least, and ``dtype`` is that of the result.

        Raises:
            ValueError: a pixel is 2^b or more.
        """
        if self.bits < 8 and pixels.numel() and int(pixels.max()) >= self.levels:
            raise ValueError(f"pixels up to {int(pixels.max())}: expected at most {self.levels - 1}")
        v = pixels.to(_wide(dtype))
        n = torch.rand(v.shape, generator=generator, dtype=v.dtype, device=v.device) if noise else 0.5
        return ((v + n) * (2.0 / self.levels) - 1.0).to(dtype)

    def decode(self, x: Tensor) -> Tensor:
        """x → uint8, values outside [−1, 1] taken to the nearest end."""
        x = x.to(_wide(x.dtype))
        return ((x + 1.0) * (self.levels / 2.0)).floor().clamp(0, self.levels - 1).to(torch.uint8)

    @property
    def log_det(self) -> float:
        """log|dx/dv| of one dimension in nats, (1 − b) ln 2."""
        return (1 - self.bits) * math.log(2.0)


def _wide(dtype: torch.dtype) -> torch.dtype:
    """At least float32: half precision cannot tell the 256 pixels with their noise apart."""
    return torch.promote_types(dtype, torch.float32)


def bits_per_dim(nll: Tensor | np.ndarray | float, features: int, pixels: DequantizedPixels | None = None):
    """Bits per dimension of 8-bit data from the negative log-likelihood of scaled data.

    bpd = (NLL_x / D − log|dx/dv|) / ln 2, comparable between models and scalings.

    Args:
        nll: −log p(x) in nats of whole images, a number or a tensor.
        features: D.
        pixels: the transform x came from; the default is the 8-bit one.
    """
    pixels = pixels or DequantizedPixels()
    return (nll / features - pixels.log_det) / math.log(2.0)


@dataclass(frozen=True)
class DequantizationBound:
    """What a density says of 8-bit images, in bits per dimension; float64, each of shape (n,).

    Attributes:
        bound: −E_u log₂ p(v + u) / D, estimated; at least −log₂ P(v) / D, whatever the density.
        error: standard error of that estimate, from the draws of the noise.
        middle: the same at the noise's mean, u = ½, instead of its expectation: repeatable, and no bound.
    """

    bound: Tensor
    error: Tensor
    middle: Tensor

    @property
    def mean_error(self) -> float:
        """Standard error of the mean bound of these images: the noise is drawn for each by itself."""
        return float(self.error.square().sum().sqrt() / len(self.error))


@torch.no_grad()
def dequantization_bound(
    log_prob: Callable[[Tensor], Tensor],
    images: Tensor,
    draws: int = 16,
    seed: int = 0,
    batch: int = 64,
    dtype: torch.dtype = torch.float32,
) -> DequantizationBound:
    r"""The variational bound of images of integers under a density, with its Monte Carlo error.

    A density p gives the integers v the probability P(v) = ∫ p(v + u) du over u ∈ [0, 1)^D. By Jensen's
    inequality

        log P(v) = log E_u p(v + u) ≥ E_u log p(v + u),

    which is what training with noise maximises, and what is estimated here by K draws of u.

    Args:
        log_prob: x in [−1, 1], (batch, D) of the dtype, → log p(x) in nats, (batch,).
        images: uint8, shape (n, …), D values each.
        draws: K, at least 2.
        seed: of the noise.
        batch: images taken at a time.
        dtype: of x.

    Raises:
        ValueError: fewer than 2 draws.

    Source: Theis et al. 2016, section 3.1; Ho et al. 2019; book: eq-dequantization.
    """
    if draws < 2:
        raise ValueError(f"draws={draws}: a standard error needs at least 2")
    pixels, generator = DequantizedPixels(), torch.Generator().manual_seed(seed)
    parts = []
    for part in images.flatten(1).split(batch):
        noisy = (pixels.encode(part, generator=generator, dtype=dtype) for _ in range(draws))
        nll = torch.stack([-log_prob(x).double().cpu() for x in noisy])
        middle = -log_prob(pixels.encode(part, noise=False, dtype=dtype)).double().cpu()
        scale = 1 / (part.shape[1] * math.log(2.0))
        bound, middle = (bits_per_dim(value, part.shape[1], pixels) for value in (nll.mean(0), middle))
        parts.append(torch.stack([bound, nll.std(0) / math.sqrt(draws) * scale, middle]))
    return DequantizationBound(*torch.cat(parts, 1))
