"""What is counted in the toy experiments: modes, copies, distances between distributions."""

import torch
from torch import Tensor

from hw2lib.cyclegan.losses import cycle_loss


def nearest_mode(points: Tensor, centres: Tensor) -> Tensor:
    """The number of the mode that is nearest to each point.

    Shapes:
        points: (n, members, d); centres: (modes, d) → (n, members).
    """
    return torch.cdist(points.transpose(0, 1), centres[None]).argmin(-1).T


def realistic_share(points: Tensor, centres: Tensor, radius: float) -> Tensor:
    """Share of the points within ``radius`` of some mode.

    Shapes:
        points: (n, members, d); centres: (modes, d) → (members,).
    """
    return (torch.cdist(points.transpose(0, 1), centres[None]).amin(-1) < radius).double().mean(1)


def modes_covered(points: Tensor, centres: Tensor, radius: float, least: float = 0.02) -> Tensor:
    """Number of modes within ``radius`` of which lies at least the share ``least`` of the points.

    Shapes:
        points: (n, members, d); centres: (modes, d) → (members,), whole numbers.
    """
    near = torch.cdist(points.transpose(0, 1), centres[None]) < radius
    return (near.double().mean(1) >= least).sum(-1)


def movement(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Mean of ‖G(x) − x‖₂; zero means that the generator copies.

    Shapes:
        both (n, members, d) → (members,).
    """
    return (outputs - inputs).norm(dim=-1).mean(0)


def input_correlation(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Correlation of output and input over all coordinates, each centred: 1 for a shifted, scaled copy.

    Shapes:
        both (n, members, d) → (members,).
    """
    a, b = outputs - outputs.mean(0), inputs - inputs.mean(0)
    return (a * b).sum((0, 2)) / (a.square().sum((0, 2)) * b.square().sum((0, 2))).sqrt()


def energy_distance(p: Tensor, q: Tensor) -> Tensor:
    """2 E‖P − Q‖ − E‖P − P′‖ − E‖Q − Q′‖, zero only for equal distributions.

    Pairs of a sample with itself leave P and P′ independent: they are left out.

    Shapes:
        p: (n, members, d); q: (m, members, d) → (members,).

    Source: Székely and Rizzo 2013; book: eq-energy-distance.
    """
    p, q = p.transpose(0, 1), q.transpose(0, 1)
    return 2 * torch.cdist(p, q).mean((1, 2)) - _within(p) - _within(q)


def merging_price(points: Tensor, group: Tensor) -> float:
    """The smallest cycle loss of a generator that gives one output per group of inputs.

    From one output F can return to one place only, and the best is the median of the group in each
    coordinate: E|x − median(group of x)|, as a mean over coordinates (book: eq-merging-price).

    Args:
        points: shape (n, d).
        group: the number of the group of each point, shape (n,).

    Example:
        >>> merging_price(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([0, 0, 0]))
        1.6666666269302368
    """
    back = torch.empty_like(points)
    for label in group.unique():
        inside = group == label
        back[inside] = points[inside].median(0).values
    return float(cycle_loss(back, points))


def partners(outputs: Tensor, inputs: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """To which target mode a generator sends most points of each source mode.

    Args:
        outputs: translations, shape (n, members, d).
        inputs: what was translated, same shape, with points of every source mode.
        target: centres of the target's modes, shape (k, d).
        source: centres of the source's modes, shape (m, d).

    Returns:
        Shape (members, m).
    """
    reached, left = nearest_mode(outputs, target), nearest_mode(inputs, source)
    rows = [
        [int(reached[left[:, k] == mode, k].mode().values) for mode in range(len(source))]
        for k in range(outputs.shape[1])
    ]
    return torch.tensor(rows)


def _within(p: Tensor) -> Tensor:
    n = p.shape[1]
    return torch.cdist(p, p).sum((1, 2)) / (n * (n - 1))
