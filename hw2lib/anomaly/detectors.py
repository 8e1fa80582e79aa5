"""Detectors that cost seconds: what any larger model must be held against.

All three learn from normal images alone, give a map per image and one number per image, and look
at nothing but the pixels. Images are uint8 of shape (n, 3, size, size); values are taken to [0, 1].
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from hw2lib.errors import UserError

from .scores import smooth

BATCH = 32
DERIVATIVES = ((0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0))


class Detector(Protocol):
    """What a baseline can do."""

    def fit(self, images: Tensor) -> "Detector":
        """Learn from normal images and return itself."""

    def maps(self, images: Tensor) -> np.ndarray:
        """Anomaly maps, shape (n, size, size), higher where a pixel is less normal."""

    def scores(self, images: Tensor) -> np.ndarray:
        """Anomaly scores, shape (n,)."""


class MeanImage:
    """Squared distance to the mean normal image, S(x) = ‖x − m‖² / D.

    The map holds the same squares, summed over the channels. It measures where things lie and how
    bright they are, and nothing else.

    Example:
        >>> normal = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
        >>> MeanImage().fit(normal).scores(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)).tolist()
        [1.0]
    """

    def fit(self, images: Tensor) -> "MeanImage":
        self.mean = _values(images).mean(0)
        return self

    def maps(self, images: Tensor) -> np.ndarray:
        return (_values(images) - self.mean).square().sum(1).numpy()

    def scores(self, images: Tensor) -> np.ndarray:
        return self.maps(images).mean((1, 2)) / 3


class PCAResidual:
    """What the first principal components of the normal images leave over.

    S(x) = ‖(I − V Vᵀ)(x − m)‖² / D with the k columns of V the leading eigenvectors of the covariance.
    A linear autoencoder with k latent values has the same optimum.

    Args:
        components: k, less than the number of normal images.

    Raises:
        UserError: by :meth:`fit` where there are too few images.

    Source: Turk and Pentland 1991, section on the distance from face space.
    """

    def __init__(self, components: int = 32) -> None:
        self.components = components

    def fit(self, images: Tensor) -> "PCAResidual":
        if not 1 <= self.components < len(images):
            raise UserError(f"components={self.components}: expected 1 to {len(images) - 1}, from the images")
        x = _values(images).flatten(1)
        self.mean = x.mean(0)
        self.basis = torch.linalg.svd(x - self.mean, full_matrices=False).Vh[: self.components]
        return self

    def residuals(self, images: Tensor) -> Tensor:
        """(I − V Vᵀ)(x − m), of the shape of the images."""
        centred = _values(images).flatten(1) - self.mean
        return (centred - centred @ self.basis.T @ self.basis).reshape(images.shape)

    def maps(self, images: Tensor) -> np.ndarray:
        return self.residuals(images).square().sum(1).numpy()

    def scores(self, images: Tensor) -> np.ndarray:
        return self.maps(images).mean((1, 2)) / 3


class PositionwiseGaussian:
    r"""A Gaussian of its own at every position, over derivatives of the blurred image.

    The features φ_p(x) of a position p are the three channels blurred with Gaussians of several
    widths, and their first and second derivatives: 18 numbers per width. At every position the normal
    images give a mean μ_p and a covariance, of which a share λ of what lies off the diagonal is taken
    away, Σ_p = (1 − λ) C_p + λ diag(C_p). The map is the squared Mahalanobis distance

        M_p(x) = (φ_p(x) − μ_p)ᵀ Σ_p⁻¹ (φ_p(x) − μ_p),

    and the score is the maximum of the map, blurred.

    Args:
        widths: standard deviations of the Gaussians in pixels.
        stride: distance between positions in pixels; the map is interpolated in between.
        shrinkage: λ in (0, 1].
        sigma: blur of the map before its maximum is taken, in pixels.

    Raises:
        UserError: by :meth:`fit` on fewer than two images.

    Source: Defard et al. 2021 (PaDiM), with Gaussian derivatives (Koenderink and van Doorn 1987) in
    place of a trained network's features; the shrinkage is that of Schäfer and Strimmer 2005.
    """

    def __init__(
        self,
        widths: Sequence[float] = (1.0, 2.0, 4.0),
        stride: int = 2,
        shrinkage: float = 0.1,
        sigma: float = 2.0,
    ) -> None:
        self.widths, self.stride, self.shrinkage, self.sigma = tuple(widths), stride, shrinkage, sigma

    def fit(self, images: Tensor) -> "PositionwiseGaussian":
        if len(images) < 2:
            raise UserError(f"{len(images)} images: a covariance needs two")
        features = torch.cat(list(self._features(images)), 2)
        self.mean = features.mean(2, keepdim=True)
        features -= self.mean
        covariance = features @ features.mT / (len(images) - 1)
        variances = covariance.diagonal(dim1=1, dim2=2)
        # A feature that never varies, as on a blank border, would make the matrix singular.
        floor = 1e-8 + 1e-4 * variances.mean(0)
        covariance = (1 - self.shrinkage) * covariance
        covariance += torch.diag_embed(self.shrinkage * variances + floor)
        self.factor = torch.linalg.cholesky(covariance)
        return self

    def maps(self, images: Tensor) -> np.ndarray:
        size, parts = images.shape[-1], []
        weights = _interpolation(size, self.stride)
        for features in self._features(images):
            whitened = torch.linalg.solve_triangular(self.factor, features - self.mean, upper=False)
            side = weights.shape[1]
            parts.append(whitened.square().sum(1).T.reshape(-1, side, side))
        return (weights @ torch.cat(parts) @ weights.T).numpy()

    def scores(self, images: Tensor) -> np.ndarray:
        return smooth(self.maps(images), self.sigma).max((1, 2))

    def _features(self, images: Tensor) -> Iterator[Tensor]:
        """Features of a batch at a time, float64 of shape (positions, features, batch)."""
        for part in images.split(BATCH):
            values = _values(part).numpy()
            found = [f for width in self.widths for f in gaussian_derivatives(values, width)]
            stacked = np.stack([f[..., :: self.stride, :: self.stride] for f in found], 1)
            yield torch.from_numpy(stacked).flatten(3).flatten(1, 2).permute(2, 1, 0).contiguous()


def gaussian_derivatives(values: np.ndarray, width: float) -> list[np.ndarray]:
    r"""Derivatives up to the second of images blurred by a Gaussian, along their last two axes.

    Returns:
        g, ∂g/∂x, ∂g/∂y, ∂²g/∂x², ∂²g/∂x∂y, ∂²g/∂y², each of the shape of ``values``; x is the last
        axis, and beyond the border the image is mirrored.
    """
    rows = {
        order: gaussian_filter1d(values, width, axis=-2, order=order) for order in {a for a, _ in DERIVATIVES}
    }
    return [gaussian_filter1d(rows[a], width, axis=-1, order=b) for a, b in DERIVATIVES]


def _interpolation(size: int, stride: int) -> Tensor:
    """Weights of linear interpolation from positions 0, stride, 2 · stride, … to 0, 1, …, size − 1."""
    side = len(range(0, size, stride))
    place = (torch.arange(size, dtype=torch.float64) / stride).clamp(max=side - 1)
    return (1 - (place[:, None] - torch.arange(side)).abs()).clamp(min=0)


def _values(images: Tensor) -> Tensor:
    return images.double() / 255
