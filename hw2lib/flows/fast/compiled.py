"""The staged inverse of a single sample on the CPU, compiled: five hundred stages in one loop.

For one sample a stage is a few short sums, and the calls that start them cost more than the sums. Here
Numba compiles stages, rows and sums together. The weights are read once, in the order in which they lie
in memory, and the speed of memory is what is left.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numba import njit
from torch import Tensor

from hw2lib.flows.made import MADE
from hw2lib.flows.stages import Stage, inverse_stages


def stage_table(stages: Sequence[Stage]) -> np.ndarray:
    """The stages as numbers, shape (stages, layers + 1, 3).

    Per stage and per layer, the outputs last, (seen, lo, hi): rows lo…hi−1 see the first ``seen`` values
    of the layer below.
    """
    rows = []
    for stage in stages:
        ends = [stage.degree, *(hi for _, hi in stage.units)]
        ranges = (*stage.units, stage.outputs)
        rows.append([(seen, lo, hi) for seen, (lo, hi) in zip(ends, ranges, strict=True)])
    return np.array(rows, dtype=np.int64)


_TABLES: WeakKeyDictionary[MADE, np.ndarray] = WeakKeyDictionary()


def _table_of(made: MADE) -> np.ndarray:
    """The table of a block's stages; it follows from its degrees, so that it is made once."""
    if made not in _TABLES:
        _TABLES[made] = stage_table(inverse_stages(made.degrees, made.features))
    return _TABLES[made]


def compiled_inverse(
    made: MADE, given: Tensor, normalizing: bool = False, context: Tensor | None = None
) -> Tensor:
    """The same y as ``staged_inverse`` gives for one sample in float32 or float64; (1, D)."""
    g = given.detach().reshape(-1).numpy()
    y = np.empty(made.features, g.dtype)
    values = y, *(np.empty(n, g.dtype) for n in made.hidden_features)
    hidden, heads = ([_memory(layer) for layer in layers] for layers in (made.hidden, made.heads))
    shift = made.context_shift(context, 1)
    if shift is not None:  # for one sample it is one more bias
        weight, rows, bias = hidden[0]
        hidden[0] = weight, rows, bias + shift.detach()[0].numpy()
    bound = g.dtype.type(made.bound)
    _solve(_table_of(made), tuple(hidden), tuple(heads), values, g, bound, normalizing)
    return torch.from_numpy(y)[None]


def _memory(layer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A layer's weights as they lie in memory, where each of its rows begins, and its bias."""
    weight, bias = (p.detach().numpy() for p in (layer.weight, layer.bias))
    return weight.reshape(-1), layer.row_starts.numpy(), bias


class _Cache:
    """Numba's cache of a function, without which it is compiled anew: what fails here fails no computation.

    The disk may be full when it is written, and what a crash has left of it may be no cache.
    """

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, *arguments: Any) -> Any:
        try:
            return self._cache.load_overload(*arguments)
        except Exception:  # of pickle, of LLVM, of the system
            return None

    def save_overload(self, *arguments: Any) -> None:
        with suppress(Exception):
            self._cache.save_overload(*arguments)


def _compiled(**options):
    """Numba's njit with a cache; without, where neither the package nor the home can be written."""

    def decorate(function):
        try:
            compiled = njit(function, cache=True, **options)
        except RuntimeError:  # Numba finds no place for a cache
            return njit(function, **options)
        compiled._cache = _Cache(compiled._cache)
        return compiled

    return decorate


# Sums may be taken in any order, as BLAS does too; NaN and infinity keep their meaning.
@_compiled(fastmath={"reassoc", "contract", "nsz"})
def _sum(start, weight, begin, values, seen):  # pragma: no cover
    """start + Σ_j weight[begin + j] · values[j] over the first ``seen`` values."""
    row, values = weight[begin : begin + seen], values[:seen]
    for j in range(len(row)):  # an index that is surely not negative lets the compiler use vectors
        start += row[j] * values[j]
    return start


@_compiled()
def _solve(stages, hidden, heads, values, given, bound, normalizing):  # pragma: no cover
    """Fill in ``values``: y, which is looked for, and the hidden layers."""
    layers = len(hidden)
    y, last = values[0], values[layers]
    (mean_weight, mean_rows, mean_bias), (scale_weight, scale_rows, scale_bias) = heads
    for s in range(len(stages)):
        for k in range(layers):
            seen, lo, hi = stages[s, k]
            weight, rows, bias = hidden[k]
            for row in range(lo, hi):
                z = _sum(bias[row], weight, rows[row], values[k], seen)
                values[k + 1][row] = 0 if z < 0 else z
        seen, lo, hi = stages[s, layers]
        for row in range(lo, hi):
            mean = _sum(mean_bias[row], mean_weight, mean_rows[row], last, seen)
            log_scale = _sum(scale_bias[row], scale_weight, scale_rows[row], last, seen)
            if log_scale > bound:
                log_scale = bound
            elif log_scale < -bound:
                log_scale = -bound
            if normalizing:
                y[row] = (given[row] - mean) * np.exp(-log_scale)
            else:
                y[row] = given[row] * np.exp(log_scale) + mean
