r"""What a cell is described by: the energy of lines in several directions, and its colour.

For a direction θ, with u along it and v across, and widths s < l, the filters are

    even:  (v²/s² − 1) · g,  odd:  v · g,   g = exp(−u²/2l² − v²/2s²),

the second and the first derivative across an elongated Gaussian: a line and an edge. The even one is
made free of a mean, and each is divided by the sum of its absolute values. The feature of a cell is
√(mean |response|) over its pixels. A faint thin line moves the response of one pixel in four up and
that of the next down; their mean is nothing, the mean of their absolute values is not.

Source: Freeman and Adelson 1991 (oriented derivatives); Malik and Perona 1990 (pooled energy);
book: eq-line-feature.
"""

import math

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from hw2lib.errors import UserError

from .config import LocalConfig

BATCH = 8
# Lightness and two colour differences (Ohta et al. 1980), of RGB in [0, 1].
_OPPONENT = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0.5, 0.0, -0.5], [-0.25, 0.5, -0.25]])
_REACH = 2.5  # a Gaussian has fallen to 4 % there


def line_filters(config: LocalConfig) -> Tensor:
    """The filters, shape (2 · directions · widths, n, n) with n odd; sums of absolute values are one.

    Example:
        >>> line_filters(LocalConfig(widths=(1.0,), lengths=(3.0,), directions=4)).shape
        torch.Size([8, 17, 17])
    """
    reach = math.ceil(_REACH * max(*config.widths, *config.lengths))
    axis = torch.arange(-reach, reach + 1, dtype=torch.float64)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    filters = []
    for s, l in zip(config.widths, config.lengths, strict=True):
        for k in range(config.directions):
            cos, sin = math.cos(math.pi * k / config.directions), math.sin(math.pi * k / config.directions)
            u, v = x * cos + y * sin, y * cos - x * sin
            g = torch.exp(-(u**2) / (2 * l**2) - v**2 / (2 * s**2))
            even = (v**2 / s**2 - 1) * g
            even = even - g * (even.sum() / g.sum())
            filters += [even / even.abs().sum(), v * g / (v * g).abs().sum()]
    return torch.stack(filters).float()


class LineFeatures(torch.nn.Module):
    """Features of the cells in a box of images of one shape.

    Args:
        config: ``cell``, ``directions``, ``widths``, ``lengths``, ``pooling``.
        shape: height and width of the images in pixels, multiples of ``cell``.
        box: rows and columns of the cells wanted, as slices; all by default.

    Shapes:
        uint8 (n, 3, height, width) → float32 (n, rows, columns, features) on the module's device, with
        features = 2 · directions · len(widths) + 3. Beyond the border an image is mirrored.

    Raises:
        UserError: the images are no larger than the filters reach.
    """

    spectra: Tensor
    opponent: Tensor

    def __init__(
        self, config: LocalConfig, shape: tuple[int, int], box: tuple[slice, slice] | None = None
    ) -> None:
        super().__init__()
        self.cell, self.pooling = config.cell, config.pooling
        filters = line_filters(config)
        self.reach = filters.shape[-1] // 2
        if min(shape) <= self.reach:
            raise UserError(
                f"images of {shape[1]}×{shape[0]} pixels: the filters need more than {self.reach} each way"
            )
        grid = tuple(side // self.cell for side in shape)
        self.box = tuple(slice(*b.indices(n)) for b, n in zip(box or (slice(None),) * 2, grid, strict=True))
        self.sides = [(b.stop - b.start) * self.cell for b in self.box]
        self.padded = [next_fast_len(side + 2 * self.reach, real=True) for side in self.sides]
        self.register_buffer("spectra", torch.fft.rfft2(filters, s=self.padded), persistent=False)
        self.register_buffer("opponent", _OPPONENT.clone(), persistent=False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self._features(part) for part in images.split(BATCH)])

    def _features(self, images: Tensor) -> Tensor:
        values = images.to(self.opponent.device).float() / 255
        colours = torch.einsum("ij,njhw->nihw", self.opponent, values)
        lightness = torch.nn.functional.pad(colours[:, :1], [self.reach] * 4, mode="reflect")
        rows, columns = self._pixels(2 * self.reach)
        spectrum = torch.fft.rfft2(lightness[..., rows, columns], s=self.padded)
        # From there on a filter lies wholly on the padded image.
        rows, columns = (slice(2 * self.reach, 2 * self.reach + side) for side in self.sides)
        responses = torch.fft.irfft2(spectrum * self.spectra, s=self.padded)[..., rows, columns]
        if self.pooling == "energy":
            lines = self._pool(responses.abs_()).sqrt_()
        else:
            lines = self._pool(responses)
        rows, columns = self._pixels(0)
        return torch.cat([lines, self._pool(colours[..., rows, columns])], 1).permute(0, 2, 3, 1).contiguous()

    def _pixels(self, more: int) -> tuple[slice, slice]:
        """The box in pixels, and so many more behind it."""
        rows, columns = (slice(b.start * self.cell, b.stop * self.cell + more) for b in self.box)
        return rows, columns

    def _pool(self, values: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(values, self.cell)
