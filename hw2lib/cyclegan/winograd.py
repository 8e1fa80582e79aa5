"""3×3 convolution by Winograd's minimal filtering: 36 products where the plain sum has 144.

A tile of 4×4 outputs depends on a tile of 6×6 inputs. Both the tile d and the filter g are moved to a
basis in which convolution is a product of numbers:

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A

Summed over input channels, the 36 products are 36 matrix products, and the rest is compiled
(:mod:`hw2lib.cyclegan.winograd_tiles`). The function and its gradients are those of the plain convolution but
for rounding.

Source: Winograd 1980; Lavin and Gray 2016, section 4.3, F(4×4, 3×3).
"""

from math import ceil

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from . import winograd_tiles as tiles
from .threads import on_plain_cpu, run_loop

TILE, REACH = 4, 6  # outputs per side of a tile, and the inputs they depend on
# Below this the transforms cost more than the products that they save.
_WORTHWHILE_CHANNELS = 128


def winograd_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, pad: int = 0) -> Tensor:
    """y[k] = Σ_c weight[k, c] ⋆ x[c] + bias[k], as ``torch.nn.functional.conv2d`` after reflection padding.

    Args:
        x: shape (batch, channels, height, width), both sides 4 j + 2 − 2 pad for a whole j ≥ 1; on a CPU, in
            float32 or float64.
        weight: shape (outputs, channels, 3, 3).
        bias: shape (outputs,).
        pad: 1 to continue x by a reflected pixel on each side, without a copy of it; 0 not to.

    Returns:
        Shape (batch, outputs, height − 2 + 2 pad, width − 2 + 2 pad), in the memory layout channels_last.

    Raises:
        ValueError: the shapes are not such.
    """
    if weight.shape[2:] != (3, 3) or not tiles_fit(x, pad):
        shapes = tuple(weight.shape), tuple(x.shape)
        raise ValueError("expected 3×3 filters and sides 4 j + 2 with padding, got {} and {}".format(*shapes))
    return _Winograd.apply(x, weight, bias, pad)


def tiles_fit(x: Tensor, pad: int = 0) -> bool:
    """Whether the outputs of a 3×3 convolution of x are whole tiles of 4×4; a reflection needs two pixels."""
    sides = [side + 2 * pad for side in x.shape[2:]]
    return min(x.shape[2:]) > pad and all(side >= REACH and (side - 2) % TILE == 0 for side in sides)


class Conv3x3(nn.Conv2d):
    """A 3×3 convolution that takes Winograd's way on a CPU where that is faster; padding is by reflection.

    GPUs choose such algorithms themselves, in bfloat16 the transforms would lose too much, and
    ``torch.compile`` cannot look into them: there, for few channels, and where 4×4 tiles do not fit, it is
    ``torch.nn.Conv2d``. Weights and names are the same.

    Args:
        channels: of the input.
        outputs: of the output.
        pad: reflected pixels on each side of the input, 0 or 1.

    Attributes:
        winograd: set to False for the plain convolution everywhere.
    """

    winograd = True

    def __init__(self, channels: int, outputs: int, pad: int = 0) -> None:
        super().__init__(channels, outputs, 3, padding=pad, padding_mode="reflect" if pad else "zeros")

    def forward(self, x: Tensor) -> Tensor:
        if self.winograd and not torch.compiler.is_compiling() and self._worthwhile(x):
            return winograd_conv2d(x, self.weight, self.bias, self.padding[0])
        return super().forward(x)

    def _worthwhile(self, x: Tensor) -> bool:
        narrow = min(self.in_channels, self.out_channels) < _WORTHWHILE_CHANNELS
        return not narrow and on_plain_cpu(x) and tiles_fit(x, self.padding[0])


class _Winograd(torch.autograd.Function):
    """The convolution. Its gradient is the transposed chain, in the same few products.

    Images are taken as (batch, height, width, channels), so that a pixel's channels lie together. V, U and M
    are inputs, filters and products in Winograd's basis: (36, tiles, channels), (36, outputs, channels) and
    (36, tiles, outputs).
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, pad: int) -> Tensor:
        n, channels = x.shape[:2]
        outputs = len(weight)
        rows, columns = ((side + 2 * pad - 2) // TILE for side in x.shape[2:])
        V, U = x.new_empty(36, n * rows * columns, channels), x.new_empty(36, outputs, channels)
        run_loop(tiles.cut_tiles, n * rows, _pixels(x), V, columns, pad)
        run_loop(tiles.widen_filters, outputs, weight.reshape(outputs, channels, 9), U)
        y = x.new_empty(n, TILE * rows, TILE * columns, outputs)
        M = torch.bmm(V, U.transpose(1, 2))
        run_loop(tiles.lay_tiles, n * rows, M, x.new_zeros(outputs) if bias is None else bias, y, columns)
        ctx.save_for_backward(V, U)
        ctx.pad = pad
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        V, U = ctx.saved_tensors
        _, outputs, channels = U.shape
        grad = _pixels(grad)
        n, rows, columns = len(grad), grad.shape[1] // TILE, grad.shape[2] // TILE
        dM = grad.new_empty(36, n * rows * columns, outputs)
        run_loop(tiles.take_tiles, n * rows, grad, dM, columns)
        dx = dweight = dbias = None
        if ctx.needs_input_grad[0]:
            beyond = 2 - 2 * ctx.pad
            dx = grad.new_empty(n, TILE * rows + beyond, TILE * columns + beyond, channels)
            run_loop(
                tiles.add_tiles, n * ceil(channels / tiles.GROUP), torch.bmm(dM, U), dx, columns, ctx.pad
            )
            dx = dx.permute(0, 3, 1, 2)
        if ctx.needs_input_grad[1]:
            dweight = grad.new_empty(outputs, channels, 9)
            run_loop(tiles.narrow_filters, outputs, torch.bmm(dM.transpose(1, 2), V), dweight)
            dweight = dweight.view(outputs, channels, 3, 3)
        if ctx.needs_input_grad[2]:
            dbias = grad.sum((0, 1, 2))
        return dx, dweight, dbias, None


def _pixels(x: Tensor) -> Tensor:
    """(batch, channels, height, width) → (batch, height, width, channels), in this order in memory."""
    return x.permute(0, 2, 3, 1).contiguous()
