"""Degrees and masks: which unit of a MADE may see which input.

Inputs and outputs carry the degrees 1…D. A hidden unit of degree m may depend on the inputs
1…m; an output of degree i may depend on hidden units of degree strictly below i, so on the
inputs 1…i−1. Units of one layer are kept sorted by degree: the order of units within a layer
carries no meaning, and sorted degrees turn every mask into a staircase.

Source: Germain et al. 2015 (MADE), equations 12-14; book: eq-degrees-hidden, eq-degrees-output.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def spread_degrees(features: int, units: int, lowest: int = 1) -> Tensor:
    """Degrees of one hidden layer, sorted and spread evenly over 1…D−1.

    Assigning ``arange(units) % (D − 1)`` instead, as several libraries do, leaves every output
    blind to all inputs beyond the first ``units`` when D is larger than the layer.

    Args:
        features: D, the number of inputs; at least 1. With D = 1 there is nothing to see and all
            degrees are 0.
        units: number of hidden units; at least 1.
        lowest: 0 where a context is seen too: units of degree 0 see nothing else.

    Returns:
        int64 tensor of shape (units,), non-decreasing.

    Example:
        >>> spread_degrees(9, 4).tolist()
        [1, 3, 6, 8]
    """
    _check_sizes(features, units)
    return torch.linspace(min(lowest, features - 1), features - 1, units, dtype=torch.float64).round().long()


def random_degrees(features: int, units: int, seed: int, lowest: int = 1) -> Tensor:
    """Degrees of one hidden layer drawn uniformly from 1…D−1 and sorted.

    Args:
        features: D, the number of inputs.
        units: number of hidden units.
        seed: the same seed gives the same degrees.
        lowest: 0 where a context is seen too; one unit then has that degree for certain.

    Returns:
        int64 tensor of shape (units,), non-decreasing.
    """
    _check_sizes(features, units)
    if features == 1:
        return torch.zeros(units, dtype=torch.long)
    generator = torch.Generator().manual_seed(seed)
    degrees = torch.randint(lowest, features, (units,), generator=generator).sort().values
    if lowest == 0:
        degrees[0] = 0
    return degrees


def shared_degrees(features: int, units: int, stages: int) -> Tensor:
    """Degrees with which the staged inverse takes a given number of stages, of about equal width.

    The distinct degrees are the borders k·D/S, k = 1…S−1, each given to about the same number of units:
    all outputs between two borders share one conditioning set. With one stage all degrees are 0, and
    no output sees anything.

    Args:
        features: D.
        units: number of hidden units, at least S − 1.
        stages: S, from 1 to D.

    Returns:
        int64 tensor of shape (units,), non-decreasing.

    Raises:
        ValueError: S is not possible with that many dimensions or units.

    Example:
        >>> shared_degrees(8, 6, 4).tolist()
        [2, 2, 4, 4, 6, 6]
    """
    _check_sizes(features, units)
    if not 1 <= stages <= min(features, units + 1):
        raise ValueError(f"stages={stages}: expected 1…{min(features, units + 1)}")
    if stages == 1:
        return torch.zeros(units, dtype=torch.long)
    border = torch.arange(units) * (stages - 1) // units + 1
    return border * features // stages


def prefix_lengths(seen: Tensor, seeing: Tensor, strict: bool) -> Tensor:
    """How many of the sorted degrees ``seen`` each unit of degree ``seeing`` may see.

    A mask between sorted degrees is a staircase: row k is open on its first n_k columns. This
    returns n, which describes the mask completely.

    Args:
        seen: degrees of the layer below, shape (in,), non-decreasing.
        seeing: degrees of the layer above, shape (out,), non-decreasing.
        strict: False between hidden layers (m_k ≥ m_d), True for the output (m_k > m_d).

    Returns:
        int64 tensor of shape (out,), non-decreasing, values in 0…in.
    """
    return torch.searchsorted(seen.contiguous(), seeing.contiguous(), right=not strict)


def made_masks(degrees: Sequence[Tensor], features: int) -> list[Tensor]:
    """The masks of a MADE, one per weight matrix, from input to output.

    Hidden layer l: M[k, d] = 1 where m_k^l ≥ m_d^{l−1}; output: M[k, d] = 1 where k > m_d.

    Args:
        degrees: degrees of the hidden layers, each of shape (units,).
        features: D.

    Returns:
        Boolean tensors of shapes (units_1, D), (units_2, units_1), …, (D, units_last).
    """
    inputs = torch.arange(1, features + 1)
    layers = [inputs, *degrees]
    hidden = [above[:, None] >= below[None, :] for below, above in zip(layers, layers[1:], strict=False)]
    return [*hidden, inputs[:, None] > layers[-1][None, :]]


def visible_inputs(degrees: Sequence[Tensor], features: int) -> Tensor:
    """How many inputs each output can see; i − 1 for output i if no degree is missing.

    With degree m reachable in a layer, the inputs 1…m are; so only the largest reachable degree counts.

    Args:
        degrees: degrees of the hidden layers, in any order within a layer.
        features: D.

    Returns:
        int64 tensor of shape (D,).

    Example:
        >>> visible_inputs([torch.tensor([1, 3])], 5).tolist()
        [0, 1, 1, 3, 3]
    """
    reach = torch.arange(features)
    for layer in reversed(degrees):
        ladder = torch.cat([layer.new_zeros(1), layer.sort().values])
        reach = ladder[torch.searchsorted(ladder, reach, right=True) - 1]
    return reach


def resolve_degrees(
    features: int,
    hidden_features: Sequence[int],
    degrees: str | Sequence[Tensor],
    seed: int,
    context: bool = False,
) -> list[Tensor]:
    """Turn the ``degrees`` argument of MADE into one sorted tensor per hidden layer.

    With a context every layer has a unit of degree 0, through which the first output sees it.
    """
    lowest = 0 if context else 1
    if not hidden_features:
        raise ValueError("hidden_features is empty: a MADE needs at least one hidden layer")
    if degrees == "spread":
        return [spread_degrees(features, units, lowest) for units in hidden_features]
    if degrees == "random":
        return [random_degrees(features, units, seed + k, lowest) for k, units in enumerate(hidden_features)]
    if isinstance(degrees, str):
        raise ValueError(f"degrees={degrees!r}: expected 'spread', 'random' or one tensor per hidden layer")
    given = [torch.as_tensor(d).long().sort().values for d in degrees]
    if [len(d) for d in given] != list(hidden_features):
        raise ValueError(
            f"degrees of lengths {[len(d) for d in given]} do not fit hidden_features {hidden_features}"
        )
    if any(int(d[0]) < 0 or int(d[-1]) > features - 1 for d in given):
        raise ValueError(f"degrees must lie in 0…{features - 1} for {features} features")
    if context and any(int(d[0]) > 0 for d in given):
        raise ValueError("with a context every hidden layer needs a unit of degree 0")
    return given


def _check_sizes(features: int, units: int) -> None:
    if features < 1 or units < 1:
        raise ValueError(f"features={features} and units={units} must be at least 1")
