r"""Gradients through the density of an IAF block, by implicit differentiation.

A block finds u with u_i = (x_i − μ_i(u_{<i})) · exp(−α_i(u_{<i})). The solver's own steps need no
gradient: at the solution the equation holds as an identity, so for a loss ℓ(u, α)

    v_j = ∂ℓ/∂u_j + Σ_{i>j} (∂α_i/∂u_j · (∂ℓ/∂α_i − u_i v_i) − e^{−α_i} ∂μ_i/∂u_j · v_i)

gives the sensitivities v of the whole, and from v the gradients for x, μ and α follow as if the u
inside the network were constants. The sum runs over later dimensions only: the system is triangular
like the one that the solver solves, and the same stages, taken backwards, solve it. Each weight is
used once more. Book: eq-implicit-gradient.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from hw2lib.flows.autoregressive import affine_plain
from hw2lib.flows.inverse import staged_inverse
from hw2lib.flows.made import MADE, Linear

from .grouped import Group, Range, inverse_groups

Array = Any  # of NumPy or Torch: only what both know is used


def solve_block(made: MADE, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """u with u_i = (x_i − μ_i(u_{<i}))·exp(−α_i(u_{<i})), and α(u); differentiable once.

    Args:
        made: the block.
        x: (batch, D).
        context: (batch, C) of a conditional block.

    Returns:
        u and α, each (batch, D); log|det ∂u/∂x| is −Σ_i α_i.
    """
    solution = staged_inverse(made, x.detach(), normalizing=True, context=context)
    hidden = made.activations(solution, context)
    log_scale = made.log_scale(hidden[-1])
    u, alpha = affine_plain(x, made.mean(hidden[-1]), log_scale, made.bound)
    if not torch.is_grad_enabled():
        return u, alpha
    return _Implicit.apply(u, alpha, log_scale.detach(), made, [h.detach() for h in hidden])


class _Implicit(torch.autograd.Function):
    """The identity on (u, α), whose gradient also takes in that μ and α depend on u."""

    @staticmethod
    def forward(ctx, u: Tensor, alpha: Tensor, log_scale: Tensor, made: MADE, hidden: list[Tensor]):
        ctx.save_for_backward(u, alpha, log_scale, *hidden)
        ctx.made = made
        return u.view_as(u), alpha.view_as(alpha)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_u: Tensor, grad_alpha: Tensor):
        u, alpha, log_scale, *hidden = ctx.saved_tensors
        inside = log_scale.abs() <= ctx.made.bound  # beyond it the clamp passes no gradient
        sweep = _Sweep(ctx.made, hidden, u, torch.exp(-alpha), inside, grad_u, grad_alpha)
        return sweep.sensitivities(), grad_alpha, None, None, None


class _Sweep:
    """The stages of a block taken backwards; all values lie features first, (…, batch).

    ``sums[0]`` collects v, ``sums[k]`` the sensitivities of hidden layer k, and ``heads`` those of μ and α.
    On the CPU the steps run on NumPy's view of the same memory, whose calls cost a fraction of Torch's;
    only what both know is used.
    """

    def __init__(
        self,
        made: MADE,
        hidden: list[Tensor],
        u: Tensor,
        shrink: Tensor,
        inside: Tensor,
        grad_u: Tensor,
        grad_alpha: Tensor,
    ) -> None:
        self.made, self.result = made, grad_u.t().clone(memory_format=torch.contiguous_format)
        self.sums = [_array(self.result), *(_array(torch.zeros_like(h.t())) for h in hidden)]
        self.heads = [_array(torch.empty_like(self.result)) for _ in range(2)]
        self.active = [_array((h > 0).to(h.dtype).t()) for h in hidden]
        self.u, self.shrink, self.inside, self.grad_alpha = (
            _array(value.to(u.dtype).t()) for value in (u, shrink, inside, grad_alpha)
        )

    def sensitivities(self) -> Tensor:
        """v, shape (batch, D)."""
        for group in reversed(inverse_groups(self.made)):
            self._group(group)
        return self.result.t()

    def _group(self, group: Group) -> None:
        """Complete a group's outputs and units, last stage first, then hand on to all that is older."""
        pairs = list(pairwise(group.ranges))
        hidden = [_weights(layer, pair) for layer, pair in zip(self.made.hidden, pairs, strict=False)]
        heads = [_weights(layer, pairs[-1]) for layer in (self.made.mean, self.made.log_scale)]
        starts = [lo for lo, _ in group.ranges]
        for *units, (new, lo, hi) in reversed(group.stages):
            rows, first = slice(starts[-1] + lo, starts[-1] + hi), starts[-2]
            self._outputs(rows)
            for weight, head in zip(heads, self.heads, strict=True):
                self._hand_on(-1, first, weight[lo:hi, first : first + new], head[rows])
            for k in reversed(range(len(units))):
                new, lo, hi = units[k]
                if lo < hi:
                    values, first = self.sums[k + 1][starts[k + 1] + lo : starts[k + 1] + hi], starts[k]
                    values *= self.active[k][starts[k + 1] + lo : starts[k + 1] + hi]
                    self._hand_on(k, first, hidden[k][lo:hi, first : first + new], values)
        for weight, head in zip(heads, self.heads, strict=True):
            self._hand_on(-1, 0, weight[:, : starts[-2]], head[slice(*group.ranges[-1])])
        for k, weight in enumerate(hidden):
            self._hand_on(k, 0, weight[:, : starts[k]], self.sums[k + 1][slice(*group.ranges[k + 1])])

    def _outputs(self, rows: slice) -> None:
        """From v of some dimensions, the sensitivities of their μ and α."""
        v = self.sums[0][rows]
        self.heads[0][rows] = -v * self.shrink[rows]
        self.heads[1][rows] = (self.grad_alpha[rows] - v * self.u[rows]) * self.inside[rows]

    def _hand_on(self, below: int, first: int, weight: Array, values: Array) -> None:
        """Add Wᵀ·values to a layer below, from its row ``first`` on."""
        self.sums[below][first : first + weight.shape[1]] += weight.T @ values


def _weights(layer: Linear, ranges: Sequence[Range]) -> Array:
    """The rows of a group, on all columns that its last row sees."""
    (_, top), (lo, hi) = ranges
    if lo == hi:
        return _array(layer.weight.new_empty(0, top))
    return _array(layer.block(slice(lo, hi), slice(0, top)))


def _array(t: Tensor) -> Array:
    """The same memory as a NumPy array where NumPy can work on it."""
    t = t.detach()
    return t.numpy() if t.device.type == "cpu" and t.dtype in (torch.float32, torch.float64) else t
