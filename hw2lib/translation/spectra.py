"""The energy of an image's finest structures: what a checkerboard leaves in a spectrum."""

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor

from hw2lib.statistics import Estimate

PERIODS = (2, 4)  # of the grids that two upsampling layers can leave
RESAMPLES = 1000


def nyquist_energy(images: Tensor) -> Tensor:
    """Energy per pixel at the three frequencies (½, 0), (0, ½), (½, ½) cycles per pixel.

    These are what a pattern of period 2 is made of beside its mean; by Parseval's theorem their energy is
    the variance of the four phase means (book: eq-nyquist-energy).

    Args:
        images: shape (…, height, width), both sides even.

    Returns:
        Shape (…).
    """
    height, width = images.shape[-2:]
    power = torch.fft.fft2(images).abs().square() / (height * width) ** 2
    h, w = height // 2, width // 2
    return power[..., h, 0] + power[..., 0, w] + power[..., h, w]


def spectrum(images: Tensor) -> Tensor:
    """Mean energy per frequency, the mean of each image and a Hann window taken off first.

    The window keeps the jump between opposite edges, which the Fourier transform takes for neighbours,
    from looking like fine detail.

    Args:
        images: shape (count, channels, side, side).

    Returns:
        Shape (side, side), as ``torch.fft.fft2`` orders frequencies.
    """
    side = images.shape[-1]
    window = torch.hann_window(side, periodic=False, dtype=images.dtype)
    centred = images - images.mean((2, 3), keepdim=True)
    return torch.fft.fft2(centred * window[:, None] * window).abs().square().mean((0, 1)) / side**4


def largest_frequency(height: int, width: int) -> Tensor:
    """The larger of row and column frequency in cycles per pixel, as ``torch.fft.fft2`` orders them."""
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64).abs() for n in (height, width))
    return torch.maximum(rows[:, None], columns)


def fine_share(images: Tensor, lowest: float = 7 / 16) -> float:
    """Share of the spectrum's energy where a row or column frequency is at least ``lowest``, of ½ at most.

    Smooth images have next to none; a checkerboard, also one whose strength varies over the image, has all
    of its energy there.
    """
    energy = spectrum(images)
    fine = largest_frequency(*energy.shape) >= lowest
    return float(energy[fine].sum() / energy.sum())


def grid_energies(images: Tensor, period: int) -> Tensor:
    """Per image, the energy where a grid of this period shows, and the mean of what lies beside it.

    With E(f) the energy of the spectrum where the row or the column frequency is f, and n the side, they
    are E(1/k) and the mean of E(1/k + d/n), d = ±3, ±4, for period k. The nearest frequencies are left out,
    because the window of :func:`spectrum` spreads a grid's energy over them.

    Args:
        images: shape (count, channels, side, side).
        period: in pixels; divides the side.

    Returns:
        Shape (count, 2).

    Raises:
        ValueError: it does not.
    """
    side = images.shape[-1]
    if period < 2 or side % period:
        raise ValueError(f"period={period}: expected a divisor of the side {side}, at least 2")
    energy = torch.stack([spectrum(image[None]) for image in images])
    lines = energy.sum(1) + energy.sum(2)
    beside = [lines[:, (side // period + d) % side] for d in (-4, -3, 3, 4)]
    return torch.stack([lines[:, side // period], torch.stack(beside).mean(0)], 1)


def grid_excess(images: Tensor, period: int) -> float:
    """How many times the energy beside it a grid of this period adds up to: 1 where there is none.

    The ratio of the means over the images of both energies of :func:`grid_energies` (book: eq-grid-excess).
    """
    return float(_excess(*grid_energies(images, period).T.cpu().numpy()))


def grid_interval(images: Tensor, period: int, seed: int = 0) -> Estimate:
    """:func:`grid_excess` with its 95 % interval, by the percentile bootstrap over two images or more."""
    energies = tuple(grid_energies(images, period).T.cpu().numpy())
    found = bootstrap(
        energies, _excess, paired=True, n_resamples=RESAMPLES, method="percentile", rng=seed
    ).confidence_interval
    return Estimate(float(_excess(*energies)), float(found.low), float(found.high))


def _excess(on: np.ndarray, beside: np.ndarray, axis: int = -1) -> np.ndarray:
    """The ratio of the means; 1 of flat images, which have no energy at all."""
    least = np.finfo(float).tiny
    return (on.mean(axis) + least) / (beside.mean(axis) + least)
