"""3×3 convolution by Winograd's minimal filtering: 36 products where the plain sum has 144.

A tile of 4×4 outputs depends on a tile of 6×6 inputs. Both the tile d and the filter g are moved to a
basis in which convolution is a product of numbers:

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A

Summed over input channels, the 36 products are 36 matrix products, and the rest is cheap. The function
and its gradients are those of the plain convolution but for rounding.

Source: Winograd 1980; Lavin and Gray 2016, section 4.3, F(4×4, 3×3).
"""

from functools import lru_cache

import torch
from torch import Tensor, nn

TILE, REACH = 4, 6  # outputs per side of a tile, and the inputs they depend on
_B_T = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_G_24 = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))  # 24 G
_A_T = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
# Below this the transforms cost more than the products that they save.
_WORTHWHILE_CHANNELS = 128


def winograd_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[k] = Σ_c weight[k, c] ⋆ x[c] + bias[k] without padding, as ``torch.nn.functional.conv2d``.

    Args:
        x: shape (batch, channels, height, width), both sides 4 j + 2 for a whole j ≥ 1.
        weight: shape (outputs, channels, 3, 3).
        bias: shape (outputs,).

    Returns:
        Shape (batch, outputs, height − 2, width − 2), in the memory layout channels_last.

    Raises:
        ValueError: the shapes are not such.
    """
    if weight.shape[2:] != (3, 3) or not tiles_fit(x):
        shapes = tuple(weight.shape), tuple(x.shape)
        raise ValueError("expected 3×3 filters and sides 4 j + 2, got {} and {}".format(*shapes))
    y = _Winograd.apply(x, weight)
    return y if bias is None else y + bias.view(1, -1, 1, 1)


def tiles_fit(x: Tensor) -> bool:
    """Whether the outputs of a 3×3 convolution of x are whole tiles of 4×4."""
    return all(side >= REACH and (side - 2) % TILE == 0 for side in x.shape[2:])


class Conv3x3(nn.Conv2d):
    """A 3×3 convolution without padding that takes Winograd's way on a CPU where that is faster.

    GPUs choose such algorithms themselves, and in bfloat16 the transforms would lose too much: there, for
    few channels, and where 4×4 tiles do not fit, it is ``torch.nn.Conv2d``. Weights and names are the same.

    Args:
        channels: of the input.
        outputs: of the output.

    Attributes:
        winograd: set to False for the plain convolution everywhere.
    """

    winograd = True

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        if self.winograd and self._worthwhile(x):
            return winograd_conv2d(x, self.weight, self.bias)
        return super().forward(x)

    def _worthwhile(self, x: Tensor) -> bool:
        narrow = min(self.in_channels, self.out_channels) < _WORTHWHILE_CHANNELS
        return not (narrow or x.is_cuda or torch.is_autocast_enabled(x.device.type)) and tiles_fit(x)


@lru_cache
def _transforms(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Bᵀ ⊗ Bᵀ, G ⊗ G and Aᵀ ⊗ Aᵀ: the two-dimensional transforms of flattened tiles."""
    B_T, G, A_T = (torch.tensor(rows, dtype=torch.float64) for rows in (_B_T, _G_24, _A_T))
    return tuple(torch.kron(m, m).to(device, dtype) for m in (B_T, G / 24, A_T))


class _Winograd(torch.autograd.Function):
    """The convolution without bias. Its gradient is the transposed chain, in the same few products.

    Images are taken as (batch, height, width, channels), so that a pixel's channels lie together and tiles
    are copied in long runs. V, U and M are inputs, filters and products in Winograd's basis:
    (36, tiles, channels), (36, outputs, channels) and (36, tiles, outputs).
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        B_T, G, A_T = _transforms(x.dtype, x.device)
        n, channels = x.shape[:2]
        outputs = len(weight)
        rows, columns = ((side - 2) // TILE for side in x.shape[2:])
        tiles = x.permute(0, 2, 3, 1).unfold(1, REACH, TILE).unfold(2, REACH, TILE)
        V = (B_T @ tiles.permute(4, 5, 0, 1, 2, 3).reshape(36, -1)).view(36, -1, channels)
        U = (G @ weight.reshape(-1, 9).t()).view(36, outputs, channels)
        Y = A_T @ torch.bmm(V, U.transpose(1, 2)).view(36, -1)
        Y = Y.view(TILE, TILE, n, rows, columns, outputs).permute(2, 3, 0, 4, 1, 5)
        ctx.save_for_backward(V, U)
        ctx.grid = n, rows, columns
        return Y.reshape(n, TILE * rows, TILE * columns, outputs).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        V, U = ctx.saved_tensors
        n, rows, columns = ctx.grid
        _, outputs, channels = U.shape
        B_T, G, A_T = _transforms(grad.dtype, grad.device)
        tiles = grad.permute(0, 2, 3, 1).reshape(n, rows, TILE, columns, TILE, outputs)
        dM = (A_T.T @ tiles.permute(2, 4, 0, 1, 3, 5).reshape(16, -1)).view(36, -1, outputs)
        dx = dweight = None
        if ctx.needs_input_grad[0]:
            dtiles = B_T.T @ torch.bmm(dM, U).view(36, -1)
            dx = _overlap_add(dtiles.view(REACH, REACH, n, rows, columns, channels))
        if ctx.needs_input_grad[1]:
            dU = torch.bmm(dM.transpose(1, 2), V)
            dweight = (G.T @ dU.view(36, -1)).t().reshape(outputs, channels, 3, 3)
        return dx, dweight


def _overlap_add(tiles: Tensor) -> Tensor:
    """The image whose 6×6 tiles, 4 apart, these are, overlaps summed: the transpose of cutting it up."""
    n, rows, columns, channels = tiles.shape[2:]
    tiles = tiles.permute(2, 3, 0, 4, 1, 5)  # (n, rows, 6, columns, 6, channels)
    image = tiles.new_zeros(n, rows + 1, TILE, columns + 1, TILE, channels)
    image[:, :-1, :, :-1] = tiles[:, :, :TILE, :, :TILE]
    image[:, 1:, :2, :-1] += tiles[:, :, TILE:, :, :TILE]
    image[:, :-1, :, 1:, :2] += tiles[:, :, :TILE, :, TILE:]
    image[:, 1:, :2, 1:, :2] += tiles[:, :, TILE:, :, TILE:]
    whole = image.view(n, TILE * (rows + 1), TILE * (columns + 1), channels)
    return whole[:, : TILE * rows + 2, : TILE * columns + 2].permute(0, 3, 1, 2)
