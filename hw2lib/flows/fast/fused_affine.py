"""The affine step of a MAF block, in pieces that stay in the processor's cache.

At full size every tensor of the step takes 12.6 MB, and each of its ten operations, forward and
backward, would read and write them from memory once more. The fused form takes a few thousand
dimensions at a time through all operations, keeps only what the backward pass cannot do without, and
writes the result in the order that the next block wants.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

# Numbers per piece: half a megabyte of float32, so that a piece of each operand fits in the cache.
_PIECE = 2**17


def affine_fused(
    x: Tensor, mean: Tensor, log_scale: Tensor, bound: float, reverse: bool
) -> tuple[Tensor, Tensor]:
    """u = (x − μ)·exp(−α), α being ``log_scale`` clamped to ±bound, and Σ_i α_i of shape (batch,).

    As :func:`~hw2lib.flows.autoregressive.affine_plain`, with the dimensions of u reversed on demand.

    Gradients are those of the plain form; they cannot be differentiated again.
    """
    u, total = _Affine.apply(x.t(), mean.t(), log_scale.t(), bound, reverse)
    return u.t(), total


class _Affine(torch.autograd.Function):
    """Features first: x, mean, log_scale (D, batch) → u (D, batch), total (batch,)."""

    @staticmethod
    def forward(ctx, x: Tensor, mean: Tensor, log_scale: Tensor, bound: float, reverse: bool):
        u, total = x.new_empty(x.shape), x.new_zeros(x.shape[1])
        for here, there in _pieces(x.shape, reverse):
            alpha = log_scale[here].clamp(-bound, bound)
            total += alpha.sum(0)
            piece = (x[here] - mean[here]).mul_(alpha.neg_().exp_())
            u[there] = piece.flip(0) if reverse else piece
        ctx.save_for_backward(u, log_scale)
        ctx.bound, ctx.reverse = bound, reverse
        return u, total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_u: Tensor, grad_total: Tensor):
        u, log_scale = ctx.saved_tensors
        bound, reverse = ctx.bound, ctx.reverse
        grad_x, grad_mean, grad_log_scale = (u.new_empty(u.shape) for _ in range(3))
        for here, there in _pieces(u.shape, reverse):
            grad, value, alpha = grad_u[there], u[there], log_scale[here]
            if reverse:
                grad, value = grad.flip(0), value.flip(0)
            # ∂u/∂α = −u; outside the bound the clamp lets no gradient through.
            torch.addcmul(grad_total, grad, value, value=-1, out=grad_log_scale[here])
            grad_log_scale[here].masked_fill_(alpha.abs() > bound, 0.0)
            scale = alpha.clamp(-bound, bound).neg_().exp_()
            torch.mul(grad, scale, out=grad_x[here])
            torch.neg(grad_x[here], out=grad_mean[here])
        return grad_x, grad_mean, grad_log_scale, None, None


def _pieces(shape: torch.Size, reverse: bool) -> Iterator[tuple[slice, slice]]:
    """Ranges of dimensions, and where these lie in the result."""
    features, batch = shape
    rows = max(1, _PIECE // max(1, batch))
    for lo in range(0, features, rows):
        hi = min(lo + rows, features)
        yield slice(lo, hi), slice(features - hi, features - lo) if reverse else slice(lo, hi)
