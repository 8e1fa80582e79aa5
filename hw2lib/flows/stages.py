"""The stages in which a MADE block is solved: one per distinct hidden degree."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


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
