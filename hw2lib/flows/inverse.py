r"""Solve a MADE block for its own input: D passes, one stage per distinct hidden degree, or a fixed point.

A block is asked for the y that belongs to a given g where y_i needs y_1…y_{i−1}:

    y_i = g_i · exp(α_i(y_{<i})) + μ_i(y_{<i})        sampling from a MAF,
    y_i = (g_i − μ_i(y_{<i})) · exp(−α_i(y_{<i}))     the density of an IAF (``normalizing``).

The naive way runs the network once per dimension. But the network sees y through hidden units, and a
layer of H units has at most H distinct degrees: all outputs between two neighbouring degrees depend on
the same hidden units, so they can be filled in together. A stage of degree m

1. computes the hidden units of degree m, once: everything they see is known by then;
2. fills in the outputs above m up to the next degree.

That is exact and takes at most H + 1 stages whatever D, and each weight is used once, as in a
single forward pass. Book: eq-staged-inverse, eq-iaf-inverse.

The same equations can be iterated as a whole, from any y (Jacobi): after k passes all outputs are right
that no chain of more than k outputs leads to, so that the depth of the dependency graph bounds the passes,
and where the dependence is weak nothing changes any more long before.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .degrees import visible_inputs
from .fast.compiled import compiled_inverse
from .fast.grouped import grouped_inverse
from .made import MADE
from .stages import inverse_stages


def naive_passes(
    made: MADE, given: Tensor, normalizing: bool = False, context: Tensor | None = None
) -> Tensor:
    """The solution y by D passes of the whole network, which autograd follows; (batch, D)."""
    _check(made, given)
    y = torch.zeros_like(given)
    for i in range(made.features):
        mean, log_scale = (part[:, i] for part in made(y, context))
        y = y.clone()  # the network has seen the old one, and its gradient needs that
        y[:, i] = _transform(given[:, i], mean, log_scale, normalizing)
    return y


@torch.no_grad()
def naive_inverse(
    made: MADE, given: Tensor, normalizing: bool = False, context: Tensor | None = None
) -> Tensor:
    """The solution y by D passes of the whole network, without a gradient; (batch, D)."""
    return naive_passes(made, given, normalizing, context)


@torch.no_grad()
def staged_inverse(
    made: MADE, given: Tensor, normalizing: bool = False, context: Tensor | None = None
) -> Tensor:
    """The solution y by stages; ``given`` and y of shape (batch, D).

    Args:
        made: the block.
        given: g, the noise of a MAF or the data of an IAF.
        normalizing: solve y_i = (g_i − μ_i)·exp(−α_i) instead of y_i = g_i·exp(α_i) + μ_i.
        context: (batch, C) of a conditional block.

    Raises:
        ValueError: ``given`` or the context has another shape, dtype or device than the block asks for.
    """
    _check(made, given)
    if given.device.type == "cpu" and given.dtype in (torch.float32, torch.float64):
        solve = compiled_inverse if len(given) == 1 else grouped_inverse
        return solve(made, given, normalizing, context)
    return staged_inverse_plain(made, given, normalizing, context)


@torch.no_grad()
def jacobi_inverse(
    made: MADE, given: Tensor, normalizing: bool = False, context: Tensor | None = None
) -> tuple[Tensor, int]:
    r"""The solution y by fixed-point iteration, and how many passes of the network it took.

    y⁰ = 0, yᵏ⁺¹_i = g_i · exp(α_i(yᵏ)) + μ_i(yᵏ) for all i at once. It ends when a pass changes no bit of any
    sample, or after depth + 1 passes, when nothing can change any more (:func:`dependency_depth`).

    Args:
        made, given, normalizing, context: as for :func:`staged_inverse`.

    Returns:
        y of shape (batch, D), and the passes.

    Source: Song, Meng, Liao and Ermon 2021 (nonlinear Jacobi); for known graphs Wehenkel and Louppe 2021.
    """
    _check(made, given)
    y = torch.zeros_like(given)
    most, passes, before = dependency_depth(made.degrees, made.features) + 1, 0, None
    while passes < most and (before is None or not torch.equal(y, before)):
        mean, log_scale = made(y, context)
        before, y, passes = y, _transform(given, mean, log_scale, normalizing), passes + 1
        # What is not right yet may be anything; but a closed weight would hand on infinity as NaN.
        y = torch.where(y.isfinite(), y, 0.0)
    return y, passes


def passes_per_block(flow, u: Tensor, method: str) -> list[int]:
    """How often the network of each block of a flow runs in full while the flow is inverted at u."""
    counts = [0] * len(flow.blocks)

    def count(k: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            counts[k] += 1

        return hook

    hooks = [block.hidden[0].register_forward_hook(count(k)) for k, block in enumerate(flow.blocks)]
    try:
        flow.inverse(u, method=method)
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def dependency_depth(degrees: Sequence[Tensor], features: int) -> int:
    """Edges of the longest path from output to output of a block: one less than the stages that see anew.

    Output i depends on outputs 1…n_i, so that its depth is one more than that of n_i, and 0 where n_i = 0.

    Args:
        degrees: of the hidden layers.
        features: D.

    Example:
        >>> dependency_depth([torch.tensor([1, 3])], 5), dependency_depth([torch.tensor([0, 0])], 5)
        (2, 0)
    """
    seen, depth, i = visible_inputs(degrees, features).tolist(), 0, features
    while seen[i - 1]:
        depth, i = depth + 1, seen[i - 1]
    return depth


def inverse_method(name: str) -> Callable[..., Tensor]:
    """The function that solves a block: ``"staged"``, ``"naive"`` or ``"jacobi"``."""
    methods = {
        "staged": staged_inverse,
        "naive": naive_inverse,
        "jacobi": lambda *arguments, **options: jacobi_inverse(*arguments, **options)[0],
    }
    solve = methods.get(name)
    if solve is None:
        raise ValueError(f"method={name!r}: expected one of {', '.join(map(repr, methods))}")
    return solve


@torch.no_grad()
def staged_inverse_plain(
    made: MADE, given: Tensor, normalizing: bool = False, context: Tensor | None = None
) -> Tensor:
    """The staged inverse as it is explained: stage after stage, on any device."""
    shift, given = made.context_shift(context, len(given)), given.t()
    y = torch.empty_like(given, memory_format=torch.contiguous_format)
    hidden = [given.new_empty(len(d), given.shape[1]) for d in made.degrees]
    for stage in inverse_stages(made.degrees, made.features):
        below, seen = y, stage.degree
        for layer, h, (lo, hi) in zip(made.hidden, hidden, stage.units, strict=True):
            if lo < hi:
                z = _affine(layer, lo, hi, 0, seen, below)
                # All of the context is known from the start; the first layer sees it.
                h[lo:hi] = torch.relu(z if shift is None or below is not y else z + shift.t()[lo:hi])
            below, seen = h, hi
        lo, hi = stage.outputs
        mean = _affine(made.mean, lo, hi, 0, seen, below)
        log_scale = _affine(made.log_scale, lo, hi, 0, seen, below).clamp(-made.bound, made.bound)
        y[lo:hi] = _transform(given[lo:hi], mean, log_scale, normalizing)
    return y.t()


def _check(made: MADE, given: Tensor) -> None:
    """Numbers of another kind would be cast silently, and compiled code checks no bounds."""
    like = made.mean.bias
    fits = given.dim() == 2 and given.shape[1] == made.features
    if not fits or given.dtype != like.dtype or given.device != like.device:
        raise ValueError(
            f"expected shape (batch, {made.features}), {like.dtype} on {like.device}; "
            f"got {tuple(given.shape)}, {given.dtype} on {given.device}"
        )


def _transform(given: Tensor, mean: Tensor, log_scale: Tensor, normalizing: bool) -> Tensor:
    if normalizing:
        return (given - mean) * torch.exp(-log_scale)
    return given * torch.exp(log_scale) + mean


def _affine(layer, lo: int, hi: int, first: int, last: int, below: Tensor) -> Tensor:
    """Rows lo…hi−1 of W x + b, counting the inputs first…last−1 only."""
    bias = layer.bias[lo:hi, None]
    if first == last:
        return bias.expand(-1, below.shape[1])
    return torch.addmm(bias, layer.block(slice(lo, hi), slice(first, last)), below[first:last])
