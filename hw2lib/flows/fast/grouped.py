"""The staged inverse of several samples on the CPU: the sums of staged_inverse in a better order.

A product of a few rows with a long vector runs at the speed of memory only if many rows go together.
So stages are taken in groups: what a group's units and outputs receive from everything before the
group is one large product each; what they receive from within the group is a small triangle, solved
stage by stage in NumPy, whose calls cost a fraction of Torch's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from hw2lib.flows.made import MADE, Linear
from hw2lib.flows.stages import Stage, inverse_stages

# At 512 units this is the width of the staircase's own steps: a group's weights lie in one rectangle.
_STAGES_PER_GROUP = 32

Range = tuple[int, int]


@dataclass(frozen=True)
class Group:
    """Consecutive stages.

    Attributes:
        ranges: the inputs that the group's first hidden layer sees beyond those known, the units that it
            adds to each hidden layer, and the outputs that it fills in, as half-open ranges.
        stages: per stage and per layer, (new, lo, hi): rows lo…hi−1 of the layer see the first ``new``
            values of the layer below, all counted from the beginning of the ranges.
    """

    ranges: tuple[Range, ...]
    stages: tuple[tuple[tuple[int, int, int], ...], ...]


_GROUPS: WeakKeyDictionary[MADE, list[Group]] = WeakKeyDictionary()


def inverse_groups(made: MADE) -> list[Group]:
    """The groups of a block's stages; they follow from its degrees, so that they are made once."""
    if made not in _GROUPS:
        _GROUPS[made] = group_stages(inverse_stages(made.degrees, made.features))
    return _GROUPS[made]


def group_stages(stages: Sequence[Stage]) -> list[Group]:
    """Cut the stages of an inverse into groups; depends on the degrees only, not on the weights."""
    # A first stage that has no units yet goes with the first group.
    first = 0 if any(hi > lo for lo, hi in stages[0].units) else 1
    edges = [0, *range(first + _STAGES_PER_GROUP, len(stages), _STAGES_PER_GROUP), len(stages)]
    return [_group(stages[a:b]) for a, b in pairwise(edges)]


def _group(stages: Sequence[Stage]) -> Group:
    first, last = stages[0], stages[-1]
    units = tuple((a[0], b[1]) for a, b in zip(first.units, last.units, strict=True))
    ranges = ((first.degree, last.degree), *units, (first.outputs[0], last.outputs[1]))
    stage_rows = []
    for stage in stages:
        new, rows = stage.degree - first.degree, []
        for (lo, hi), (start, _) in zip((*stage.units, stage.outputs), ranges[1:], strict=True):
            rows.append((new, lo - start, hi - start))
            new = hi - start
        stage_rows.append(tuple(rows))
    return Group(ranges, tuple(stage_rows))


def grouped_inverse(
    made: MADE, given: Tensor, normalizing: bool = False, context: Tensor | None = None
) -> Tensor:
    """The same y as ``staged_inverse`` gives, for float32 and float64 on the CPU; (batch, D)."""
    added = made.context_shift(context, len(given))
    shift = None if added is None else added.detach().t().numpy()
    rows = given.detach().t().contiguous().numpy()
    values = [np.empty((n, rows.shape[1]), rows.dtype) for n in (made.features, *made.hidden_features)]
    for group in inverse_groups(made):
        _solve(group, made, rows, values, shift, _normalize if normalizing else _scale_and_shift)
    return torch.from_numpy(values[0]).t()


def _solve(
    group: Group,
    made: MADE,
    given: np.ndarray,
    values: list[np.ndarray],
    shift: np.ndarray | None,
    transform: Callable[..., None],
) -> None:
    """Fill in the group's hidden units and outputs; ``values`` are y and the hidden layers.

    ``shift`` is what a context adds to the first hidden layer.
    """
    added = [v[lo:hi] for v, (lo, hi) in zip(values, group.ranges, strict=False)]
    hidden = []
    for k, layer in enumerate(made.hidden):
        corner, old = _parts(layer, group.ranges[k : k + 2], values[k])
        if shift is not None and k == 0 and len(old):
            old += shift[slice(*group.ranges[1])]
        hidden.append((corner, old, added[k], added[k + 1]))
    heads = [_parts(layer, group.ranges[-2:], values[-1]) for layer in (made.mean, made.log_scale)]
    corner, old = (np.stack(parts) for parts in zip(*heads, strict=True))
    lo, hi = group.ranges[-1]
    last, given, y, bound = added[-1], given[lo:hi], values[0][lo:hi], made.bound
    for *units, (new, lo, hi) in group.stages:
        for (weights, received, below, above), (n, a, b) in zip(hidden, units, strict=True):
            for row in range(a, b):
                above[row] = np.maximum(weights[row, :n].dot(below[:n]) + received[row], 0)
        mean, log_scale = np.matmul(corner[:, lo:hi, :new], last[:new]) + old[:, lo:hi]
        np.minimum(log_scale, bound, out=log_scale)
        np.maximum(log_scale, -bound, out=log_scale)
        transform(given[lo:hi], mean, log_scale, y[lo:hi])


def _scale_and_shift(given: np.ndarray, mean: np.ndarray, log_scale: np.ndarray, out: np.ndarray) -> None:
    np.exp(log_scale, out=log_scale)
    np.multiply(log_scale, given, out=log_scale)
    np.add(log_scale, mean, out=out)


def _normalize(given: np.ndarray, mean: np.ndarray, log_scale: np.ndarray, out: np.ndarray) -> None:
    np.negative(log_scale, out=log_scale)
    np.exp(log_scale, out=log_scale)
    np.subtract(given, mean, out=mean)
    np.multiply(log_scale, mean, out=out)


def _parts(layer: Linear, ranges: Sequence[Range], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corner of a layer's weights within the group, and W v + b of what is older than the group."""
    (known, top), (lo, hi) = ranges
    if lo == hi:  # no unit of this layer has a degree of this group
        return values[:0], values[:0]
    weight = layer.block(slice(lo, hi), slice(0, top)).detach().numpy()
    bias = layer.bias.detach().numpy()[lo:hi]
    return weight[:, known:], weight[:, :known] @ values[:known] + bias[:, None]
