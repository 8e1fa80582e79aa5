"""Convolution to a few channels, column by column of its kernel.

A CPU computes eight or sixteen output channels at once; three, as of a picture, leave most of that empty.
A k×k kernel is k columns side by side:

    y[o] = Σ_j S_j (w[o, :, :, j] ⋆ x),   where S_j moves an image j pixels to the left,

so a k×1 convolution with k times as many channels and a sum of k moved images give the same, in as many
products.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .threads import on_plain_cpu

# With fewer input channels the sum costs more than the fuller vectors save.
_WORTHWHILE_CHANNELS = 32


def conv2d_by_columns(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[o] = Σ_c weight[o, c] ⋆ x[c] + bias[o], as ``torch.nn.functional.conv2d`` of stride 1, unpadded.

    Args:
        x: shape (batch, channels, height, width).
        weight: shape (outputs, channels, k, l), no larger than the images.
        bias: shape (outputs,).

    Returns:
        Shape (batch, outputs, height − k + 1, width − l + 1).
    """
    outputs, channels, rows, columns = weight.shape
    tall = weight.permute(0, 3, 1, 2).reshape(outputs * columns, channels, rows, 1)
    parts = F.conv2d(x, tall).contiguous()
    n, _, height, width = parts.shape
    # Column j belongs j pixels further right: a view whose stride between columns is a plane and a pixel.
    plane = height * width
    moved = parts.as_strided(
        (n, outputs, columns, height, width - columns + 1),
        (outputs * columns * plane, columns * plane, plane + 1, width, 1),
    )
    y = moved.sum(2)
    return y if bias is None else y + bias[:, None, None]


class NarrowConv(nn.Conv2d):
    """An unpadded convolution of stride 1 to a few channels, by columns on a CPU; elsewhere ``nn.Conv2d``.

    Weights and names are the same. GPUs, bfloat16 and ``torch.compile`` keep the plain convolution.

    Attributes:
        by_columns: set to False for the plain convolution everywhere.
    """

    by_columns = True

    def __init__(self, channels: int, outputs: int, kernel: int) -> None:
        super().__init__(channels, outputs, kernel)

    def forward(self, x: Tensor) -> Tensor:
        if self.by_columns and not torch.compiler.is_compiling() and self._worthwhile(x):
            return conv2d_by_columns(x, self.weight, self.bias)
        return super().forward(x)

    def _worthwhile(self, x: Tensor) -> bool:
        return self.in_channels >= _WORTHWHILE_CHANNELS and on_plain_cpu(x)
