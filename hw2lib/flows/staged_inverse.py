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
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .grouped_inverse import grouped_inverse

if TYPE_CHECKING:
    from .made import MADE


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
    if u.device.type == "cpu" and u.dtype in (torch.float32, torch.float64):
        return grouped_inverse(made, u)
    return staged_inverse_plain(made, u)


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
