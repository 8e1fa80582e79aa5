"""Trainings that differ in one loss or in one generator, and what is measured of their translations."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hw2lib.cyclegan.step import Objective

from .domains import Domain, Scenes, sky_tint
from .measures import energy_distance
from .training import train


@dataclass(frozen=True)
class WinterRuns:
    """What several runs make of the same kind of summer scenes; one value per run, shape (members,).

    Attributes:
        scenes: summer scenes, shape (n, members, 48).
        translated: their translations G(x), same shape.
        shift: mean |tint of the sky of G(x) − that of x|; a full turn is 1.2 on average.
        changed: mean |G(y) − y| of real winter scenes y, what the identity loss wants to be zero.
        cycle_error: mean |F(G(x)) − x|.
    """

    scenes: Tensor
    translated: Tensor
    shift: Tensor
    changed: Tensor
    cycle_error: Tensor


def to_winter(identity: float, random: int, copies: int) -> WinterRuns:
    """Train summer → winter with cycle loss of weight 3 (book: eq-identity-loss).

    Args:
        identity: weight of the identity loss.
        random: how many runs have a random start.
        copies: how many start as nearly a copy, after these.
    """
    summer, winter = Scenes(winter=False), Scenes(winter=True)
    members = random + copies
    net = train(
        summer,
        winter,
        Objective(cycle=3, identity=identity),
        steps=400,
        members=members,
        skip=[0.0] * random + [1.0] * copies,
        batch_size=32,
        learning_rates=(1e-3, 2e-3),
        hidden=(32, 32),
    )
    scenes = summer.sample(500, members, torch.Generator().manual_seed(1))
    snow = winter.sample(500, members, torch.Generator().manual_seed(2))
    out = net.G_A(scenes)
    return WinterRuns(
        scenes,
        out,
        shift=(sky_tint(out) - sky_tint(scenes)).abs().mean(0),
        changed=(net.G_A(snow) - snow).abs().mean((0, 2)),
        cycle_error=(net.G_B(out) - scenes).abs().mean((0, 2)),
    )


def both_directions(a: Domain, b: Domain, members: int, one_generator: bool) -> tuple[Tensor, Tensor]:
    """The energy distance that is left after translating A to B and B to A, by one generator or by two.

    Returns:
        Both relative to the distance of the two domains, shape (members,): 0 for a perfect
        translation, 1 for leaving the points where they are.
    """
    objective = Objective(cycle=1, identity=0)
    net = train(
        a,
        b,
        objective,
        steps=400,
        members=members,
        one_generator=one_generator,
        learning_rates=(2e-3, 4e-3),
    )
    generator = torch.Generator().manual_seed(3)
    from_a, from_b, to_a, to_b = (domain.sample(1000, members, generator) for domain in (a, b, a, b))
    apart = energy_distance(from_a, from_b)
    return energy_distance(net.G_A(from_a), to_b) / apart, energy_distance(net.G_B(from_b), to_a) / apart
