"""The staircase layout: store and multiply only the blocks under the stairs.

With sorted degrees, row k of a MADE mask is open on its first n_k columns and n is
non-decreasing. The rows are cut into a few groups; a group is stored as one rectangle as wide as
its last row. Only the rectangle's right end, where the stairs run through it, holds entries that
the mask closes: they start at zero and their gradient is set to zero, so they stay there.

Half of a dense mask is air, and multiplying the weight by it costs three more passes over memory
in every step; sixteen groups waste one part in thirty-two.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Rectangle:
    """One rectangle: rows lo…hi−1, columns 0…width−1, fully open up to column ``open``."""

    lo: int
    hi: int
    open: int
    width: int
    offset: int

    @property
    def size(self) -> int:
        return (self.hi - self.lo) * self.width


def cut_rows(prefix: Tensor, cuts: list[int]) -> list[Rectangle]:
    """Cut the rows of a staircase at the given indices.

    Args:
        prefix: n, shape (rows,), non-decreasing: row k is open on columns 0…n_k−1.
        cuts: increasing row indices strictly inside 0…rows.
    """
    edges = [0, *cuts, len(prefix)]
    rectangles, offset = [], 0
    for lo, hi in zip(edges, edges[1:], strict=False):
        rectangle = Rectangle(lo, hi, int(prefix[lo]), int(prefix[hi - 1]), offset)
        rectangles.append(rectangle)
        offset += rectangle.size
    return rectangles


def _view(weight: Tensor, rectangle: Rectangle) -> Tensor:
    end = rectangle.offset + rectangle.size
    return weight[rectangle.offset : end].view(rectangle.hi - rectangle.lo, rectangle.width)


class _Product(torch.autograd.Function):
    """y = (W ⊙ M) x + b with features first: x (in, batch) → y (out, batch).

    Features first makes every rectangle's input and output a contiguous piece of memory.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, layer: "StaircaseLinear") -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.layer = layer
        y = x.new_empty(layer.out_features, x.shape[1])
        for rectangle in layer.rectangles:
            b = bias[rectangle.lo : rectangle.hi, None]
            below, above = x[: rectangle.width], y[rectangle.lo : rectangle.hi]
            torch.addmm(b, _view(weight, rectangle), below, out=above)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.zeros(x.shape, dtype=x.dtype, device=x.device)
            for rectangle in ctx.layer.rectangles:
                above = grad[rectangle.lo : rectangle.hi]
                grad_x[: rectangle.width].addmm_(_view(weight, rectangle).t(), above)
        if ctx.needs_input_grad[1]:
            grad_weight = torch.empty_like(weight)
            for k, rectangle in enumerate(ctx.layer.rectangles):
                block = _view(grad_weight, rectangle)
                torch.mm(grad[rectangle.lo : rectangle.hi], x[: rectangle.width].t(), out=block)
                block[:, rectangle.open :].masked_fill_(ctx.layer.closed(k), 0.0)
        if ctx.needs_input_grad[2]:
            grad_bias = grad.sum(1)
        return grad_x, grad_weight, grad_bias, None


class StaircaseLinear(nn.Module):
    r"""y = (W ⊙ M) x + b for a staircase mask, with only the blocks under the stairs in memory.

    The same function and the same gradients as
    :class:`~hw2lib.flows.masked_linear.MaskedLinear`, in one flat parameter.

    Nothing is masked in the forward pass. Optimizers leave the closed entries at zero, since their gradient
    is; so do ``reset_parameters``, ``load_dense`` and ``load_state_dict``. Whoever writes into ``weight``
    by other means has to leave them at zero too.

    Args:
        prefix: n, shape (out_features,), non-decreasing: output k sees inputs 0…n_k−1.
        in_features: number of inputs.
        cuts: increasing row indices at which the rows are cut into rectangles.

    Shapes:
        x: (batch, in_features) → y: (batch, out_features), any strides. The result lies features
        first in memory, which the next layer takes without a copy.

    Raises:
        ValueError: the prefix is no staircase, or x has another shape.

    Source: book: sec-staircase.

    Example:
        >>> layer = StaircaseLinear(torch.tensor([0, 1, 1, 3]), 3, cuts=[2])
        >>> layer(torch.ones(5, 3)).shape
        torch.Size([5, 4])
        >>> layer.dense_weight().ne(0).sum(1).tolist()
        [0, 1, 1, 3]
    """

    def __init__(self, prefix: Tensor, in_features: int, cuts: list[int]) -> None:
        super().__init__()
        if bool((prefix[1:] < prefix[:-1]).any()) or int(prefix[0]) < 0 or int(prefix[-1]) > in_features:
            raise ValueError("prefix must be non-decreasing with values in 0…in_features")
        self.in_features, self.out_features = in_features, len(prefix)
        self.rectangles = cut_rows(prefix, cuts)
        last = self.rectangles[-1]
        self.weight = nn.Parameter(torch.empty(last.offset + last.size))
        self.bias = nn.Parameter(torch.empty(self.out_features))
        for k, rectangle in enumerate(self.rectangles):
            columns = torch.arange(rectangle.open, rectangle.width)
            self.register_buffer(
                f"closed_{k}", columns[None] >= prefix[rectangle.lo : rectangle.hi, None], persistent=False
            )
        self.reset_parameters()

    def closed(self, k: int) -> Tensor:
        """Entries of step k right of its open part that the mask closes, (rows, width − open)."""
        return getattr(self, f"closed_{k}")

    @torch.no_grad()
    def reset_parameters(self, scale: float = 1.0) -> None:
        """Draw open weights and biases from U(−s, s) with s = scale / √in_features."""
        bound = scale / math.sqrt(max(1, self.in_features))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
        self._close()

    @torch.no_grad()
    def _close(self) -> None:
        for k, rectangle in enumerate(self.rectangles):
            _view(self.weight, rectangle)[:, rectangle.open :].masked_fill_(self.closed(k), 0.0)

    def _load_from_state_dict(self, *arguments) -> None:
        super()._load_from_state_dict(*arguments)
        self._close()

    def dense_weight(self) -> Tensor:
        """W ⊙ M as a matrix of shape (out_features, in_features), differentiable."""
        pad = nn.functional.pad
        rows = [pad(_view(self.weight, s), (0, self.in_features - s.width)) for s in self.rectangles]
        return torch.cat(rows)

    def block(self, rows: slice, columns: slice) -> Tensor:
        """The part of W ⊙ M on the given rows and columns; a view where it lies in one rectangle.

        The columns must be open for the last of the rows: nothing is stored beyond them.
        """
        parts = [
            _view(self.weight, s)[max(rows.start - s.lo, 0) : rows.stop - s.lo, columns]
            for s in self.rectangles
            if s.lo < rows.stop and rows.start < s.hi
        ]
        if len(parts) == 1:
            return parts[0]
        width = columns.stop - columns.start
        return torch.cat([nn.functional.pad(p, (0, width - p.shape[1])) for p in parts])

    @cached_property
    def row_starts(self) -> Tensor:
        """Where each row begins in the flat weight, shape (out_features,)."""
        return torch.cat([s.offset + s.width * torch.arange(s.hi - s.lo) for s in self.rectangles])

    @torch.no_grad()
    def load_dense(self, weight: Tensor, bias: Tensor) -> None:
        """Take over weights of shape (out_features, in_features); masked entries are dropped."""
        for rectangle in self.rectangles:
            _view(self.weight, rectangle).copy_(weight[rectangle.lo : rectangle.hi, : rectangle.width])
        self.bias.copy_(bias)
        self._close()

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 2 or x.shape[1] != self.in_features:
            raise ValueError(f"expected shape (batch, {self.in_features}), got {tuple(x.shape)}")
        return _Product.apply(x.t(), self.weight, self.bias, self).t()
