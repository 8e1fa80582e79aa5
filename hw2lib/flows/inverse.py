r"""Solve a MADE block for its own input: D passes, or one stage per distinct hidden degree.

A block is asked for the y that belongs to a given g where y_i needs y_1…y_{i−1}:

    y_i = g_i · exp(α_i(y_{<i})) + μ_i(y_{<i})        sampling from a MAF,
    y_i = (g_i − μ_i(y_{<i})) · exp(−α_i(y_{<i}))     the density of an IAF (``standardize``).

The naive way runs the network once per dimension. But the network sees y through hidden units, and a
layer of H units has at most H distinct degrees: all outputs between two neighbouring degrees depend on
the same hidden units, so they can be filled in together. A stage of degree m

1. computes the hidden units of degree m, once: everything they see is known by then;
2. fills in the outputs above m up to the next degree.

That is exact and takes at most H + 1 stages whatever D, and each weight is used once, as in a
single forward pass. Book: eq-staged-inverse, eq-iaf-inverse.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .fast.compiled import compiled_inverse
from .fast.grouped import grouped_inverse
from .made import MADE
from .stages import inverse_stages


def naive_passes(
    made: MADE, given: Tensor, standardize: bool = False, context: Tensor | None = None
) -> Tensor:
    """The solution y by D passes of the whole network, which autograd follows; (batch, D)."""
    _check(made, given)
    y = torch.zeros_like(given)
    for i in range(made.features):
        mean, log_scale = (part[:, i] for part in made(y, context))
        y = y.clone()  # the network has seen the old one, and its gradient needs that
        y[:, i] = _step(given[:, i], mean, log_scale, standardize)
    return y


@torch.no_grad()
def naive_inverse(
    made: MADE, given: Tensor, standardize: bool = False, context: Tensor | None = None
) -> Tensor:
    """The solution y by D passes of the whole network, without a gradient; (batch, D)."""
    return naive_passes(made, given, standardize, context)


@torch.no_grad()
def staged_inverse(
    made: MADE, given: Tensor, standardize: bool = False, context: Tensor | None = None
) -> Tensor:
    """The solution y by stages; ``given`` and y of shape (batch, D).

    Args:
        made: the block.
        given: g, the noise of a MAF or the data of an IAF.
        standardize: solve y_i = (g_i − μ_i)·exp(−α_i) instead of y_i = g_i·exp(α_i) + μ_i.
        context: (batch, C) of a conditional block.

    Raises:
        ValueError: ``given`` or the context has another shape, dtype or device than the block asks for.
    """
    _check(made, given)
    if given.device.type == "cpu" and given.dtype in (torch.float32, torch.float64):
        solve = compiled_inverse if len(given) == 1 else grouped_inverse
        return solve(made, given, standardize, context)
    return staged_inverse_plain(made, given, standardize, context)


def inverse_method(name: str) -> Callable[..., Tensor]:
    """The function that solves a block: ``"staged"`` or ``"naive"``."""
    solve = {"staged": staged_inverse, "naive": naive_inverse}.get(name)
    if solve is None:
        raise ValueError(f"method={name!r}: expected 'staged' or 'naive'")
    return solve


@torch.no_grad()
def staged_inverse_plain(
    made: MADE, given: Tensor, standardize: bool = False, context: Tensor | None = None
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
        y[lo:hi] = _step(given[lo:hi], mean, log_scale, standardize)
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


def _step(given: Tensor, mean: Tensor, log_scale: Tensor, standardize: bool) -> Tensor:
    if standardize:
        return (given - mean) * torch.exp(-log_scale)
    return given * torch.exp(log_scale) + mean


def _affine(layer, lo: int, hi: int, first: int, last: int, below: Tensor) -> Tensor:
    """Rows lo…hi−1 of W x + b, counting the inputs first…last−1 only."""
    bias = layer.bias[lo:hi, None]
    if first == last:
        return bias.expand(-1, below.shape[1])
    return torch.addmm(bias, layer.block(slice(lo, hi), slice(first, last)), below[first:last])
