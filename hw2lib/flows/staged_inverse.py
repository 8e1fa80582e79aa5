r"""The inverse of a MADE block: D passes, or one stage per distinct hidden degree.

x_i = u_i · exp(α_i(x_{<i})) + μ_i(x_{<i}) needs x_1…x_{i−1}. The naive inverse runs the network once
per dimension. But the network sees x through hidden units, and a layer of H units has at most H
distinct degrees: all outputs between two neighbouring degrees depend on the same hidden units, so
they can be filled in together. A stage of degree m

1. computes the hidden units of degree m, once: everything they see is known by then;
2. fills in the outputs above m up to the next degree.

That is exact and takes at most H + 1 stages whatever D, and each weight is used once, as in a
single forward pass. Book: eq-staged-inverse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from .made import MADE

# Stages whose mutual dependence is solved one by one, after everything older has been added in
# one product. 32 is the width of the staircase's own steps at 512 units.
_STAGES_PER_GROUP = 32


@dataclass(frozen=True)
class Stage:
    """What one stage computes, as half-open ranges of indices.

    Attributes:
        degree: inputs 1…degree are known when the stage begins.
        units: per hidden layer, the units (lo, hi) of this degree.
        outputs: the outputs (lo, hi) filled in at the end of the stage.
    """

    degree: int
    units: tuple[tuple[int, int], ...]
    outputs: tuple[int, int]


def inverse_stages(degrees: Sequence[Tensor], features: int) -> list[Stage]:
    """The stages of the inverse, at most one more than there are distinct degrees.

    Args:
        degrees: sorted degrees of the hidden layers.
        features: D.

    Example:
        >>> for stage in inverse_stages([torch.tensor([1, 1, 3])], 4):
        ...     print(stage.degree, stage.units, stage.outputs)
        0 ((0, 0),) (0, 1)
        1 ((0, 2),) (1, 3)
        3 ((2, 3),) (3, 4)
    """
    values = torch.cat(list(degrees)).unique()
    if int(values[0]) > 0:  # the first outputs see no hidden unit
        values = torch.cat([values.new_zeros(1), values])
    edges = [torch.searchsorted(d, values, right=False).tolist() + [len(d)] for d in degrees]
    bounds = [*values.tolist(), features]
    return [
        Stage(bounds[s], tuple((e[s], e[s + 1]) for e in edges), (bounds[s], bounds[s + 1]))
        for s in range(len(values))
    ]


@torch.no_grad()
def naive_inverse(made: "MADE", u: Tensor) -> Tensor:
    """x with made's u_i = (x_i − μ_i)·exp(−α_i), by D passes of the whole network; (batch, D)."""
    x = torch.zeros_like(u)
    for i in range(made.features):
        mean, log_scale = made(x)
        x[:, i] = u[:, i] * torch.exp(log_scale[:, i]) + mean[:, i]
    return x


@torch.no_grad()
def staged_inverse(made: "MADE", u: Tensor) -> Tensor:
    """x with made's u_i = (x_i − μ_i)·exp(−α_i), by stages; u and x of shape (batch, D)."""
    if u.device.type != "cpu":
        return staged_inverse_plain(made, u)
    return _staged_inverse_grouped(made, u)


@torch.no_grad()
def staged_inverse_plain(made: "MADE", u: Tensor) -> Tensor:
    """The staged inverse as it is explained: stage after stage, on any device."""
    u = u.t()
    x = torch.empty_like(u, memory_format=torch.contiguous_format)
    hidden = [u.new_empty(len(d), u.shape[1]) for d in made.degrees]
    for stage in inverse_stages(made.degrees, made.features):
        below, seen = x, stage.degree
        for layer, h, (lo, hi) in zip(made.hidden, hidden, stage.units, strict=True):
            if lo < hi:
                h[lo:hi] = torch.relu(_affine(layer, lo, hi, 0, seen, below))
            below, seen = h, hi
        lo, hi = stage.outputs
        mean = _affine(made.mean, lo, hi, 0, seen, below)
        x[lo:hi] = (
            u[lo:hi] * torch.exp(_bounded(made, _affine(made.log_scale, lo, hi, 0, seen, below))) + mean
        )
    return x.t()


def _affine(layer, lo: int, hi: int, first: int, last: int, below: Tensor) -> Tensor:
    """Rows lo…hi−1 of W x + b, counting the inputs first…last−1 only."""
    bias = layer.bias[lo:hi, None]
    if first == last:
        return bias.expand(-1, below.shape[1])
    return torch.addmm(bias, layer.block(slice(lo, hi), slice(first, last)), below[first:last])


def _bounded(made: "MADE", log_scale: Tensor) -> Tensor:
    return log_scale.clamp(-made.bound, made.bound)


def _staged_inverse_grouped(made: "MADE", u: Tensor) -> Tensor:
    """The staged inverse with the old and the new kept apart, for the CPU.

    A product of one row with a long vector runs at the speed of memory only if many rows go
    together. So stages are taken in groups: what a group's units and outputs receive from
    everything before the group is one large product each; what they receive from within the group
    is a small triangle, solved stage by stage in NumPy, whose calls cost a fraction of Torch's.
    """
    stages = inverse_stages(made.degrees, made.features)
    u = u.t().contiguous()
    x = torch.empty_like(u)
    hidden = [u.new_empty(len(d), u.shape[1]) for d in made.degrees]
    first = 1 if not any(hi > lo for lo, hi in stages[0].units) else 0
    if first:
        lo, hi = stages[0].outputs
        log_scale = _bounded(made, made.log_scale.bias[lo:hi, None])
        x[lo:hi] = u[lo:hi] * torch.exp(log_scale) + made.mean.bias[lo:hi, None]
    starts = [*range(first, len(stages), _STAGES_PER_GROUP), len(stages)]
    for a, b in pairwise(starts):
        _solve_group(made, stages[a:b], u, x, hidden)
    return x.t()


def _solve_group(made: "MADE", stages: list[Stage], u: Tensor, x: Tensor, hidden: list[Tensor]) -> None:
    known = stages[0].degree
    out_lo, out_hi = stages[0].outputs[0], stages[-1].outputs[1]
    ranges = [(a[0], b[1]) for a, b in zip(stages[0].units, stages[-1].units, strict=True)]
    last_input = stages[-1].degree
    # From before the group: large products. Within it: the corner of the weights, in NumPy.
    old, corners, values = [], [], []
    below, seen, top = x, known, last_input
    for layer, h, (lo, hi) in zip(made.hidden, hidden, ranges, strict=True):
        old.append(_values(_affine(layer, lo, hi, 0, seen, below)))
        corners.append(_matrix(layer.block(slice(lo, hi), slice(seen, top))) if lo < hi else None)
        values.append(_values(below[seen:top]))
        below, seen, top = h, lo, hi
    heads = (made.mean, made.log_scale)
    # The copies below are the group's own outputs, added to in place.
    mean, log_scale = (_values(_affine(layer, out_lo, out_hi, 0, seen, below)) for layer in heads)
    mean_corner, log_scale_corner = (
        _matrix(layer.block(slice(out_lo, out_hi), slice(seen, top))) for layer in heads
    )
    values.append(_values(below[seen:top]))
    u_group, x_group = _values(u[out_lo:out_hi]), _values(x[out_lo:out_hi])
    depth = len(made.hidden)
    for stage in stages:
        new = stage.degree - known
        for k in range(depth):
            lo, hi = stage.units[k][0] - ranges[k][0], stage.units[k][1] - ranges[k][0]
            if lo < hi:
                z = old[k][lo:hi]
                if new:
                    z = z + corners[k][lo:hi, :new] @ values[k][:new]
                np.maximum(z, 0, out=values[k + 1][lo:hi])
            new = hi
        lo, hi = stage.outputs[0] - out_lo, stage.outputs[1] - out_lo
        m, s = mean[lo:hi], log_scale[lo:hi]
        if new:
            m = m + mean_corner[lo:hi, :new] @ values[depth][:new]
            s = s + log_scale_corner[lo:hi, :new] @ values[depth][:new]
        s = np.minimum(np.maximum(s, -made.bound), made.bound)
        np.multiply(u_group[lo:hi], np.exp(s), out=s)
        np.add(s, m, out=x_group[lo:hi])


def _matrix(weights: Tensor) -> np.ndarray:
    """The same memory as a NumPy array."""
    return weights.detach().numpy()


def _values(t: Tensor) -> np.ndarray:
    """The same memory as a NumPy array; one sample becomes a vector, which multiplies faster."""
    array = t.detach().numpy()
    return array[:, 0] if array.shape[1] == 1 else array
