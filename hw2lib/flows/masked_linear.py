"""A linear layer whose weights pass through a mask: the readable reference."""

import math
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MaskedLinear(nn.Module):
    r"""y = (W ⊙ M) x + b.

    The mask decides which connections exist; ⊙ is the elementwise product. This is the reference
    against which the staircase layout is held.

    Args:
        mask: M, boolean, shape (out_features, in_features).

    Shapes:
        x: (batch, in_features) → y: (batch, out_features).

    Source: Germain et al. 2015, equation 8; book: eq-masked-linear.

    Example:
        >>> layer = MaskedLinear(torch.tensor([[True, False], [True, True]]))
        >>> y = layer(torch.zeros(3, 2))
        >>> y.shape
        torch.Size([3, 2])
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        out_features, in_features = mask.shape
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.register_buffer("mask", mask, persistent=False)
        self.reset_parameters()

    def reset_parameters(self, scale: float = 1.0) -> None:
        """Draw weights and biases from U(−s, s) with s = scale / √in_features."""
        bound = scale / math.sqrt(max(1, self.weight.shape[1]))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def dense_weight(self) -> Tensor:
        """W ⊙ M, shape (out_features, in_features)."""
        return self.weight * self.mask

    def block(self, rows: slice, columns: slice) -> Tensor:
        """The part of W ⊙ M on the given rows and columns."""
        return self.weight[rows, columns] * self.mask[rows, columns]

    @cached_property
    def row_starts(self) -> Tensor:
        """Where each row begins in the flattened weight, shape (out_features,)."""
        out_features, in_features = self.weight.shape
        return torch.arange(out_features) * in_features

    @torch.no_grad()
    def load_dense(self, weight: Tensor, bias: Tensor) -> None:
        """Take over weights of shape (out_features, in_features); masked entries are dropped."""
        self.weight.copy_(weight * self.mask)
        self.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)
