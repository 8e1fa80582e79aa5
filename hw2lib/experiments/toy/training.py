"""Training of many toy CycleGANs at once, by the step that trains the large one."""

from collections.abc import Sequence

import torch
from torch.optim.lr_scheduler import LambdaLR

from hw2lib.cyclegan.pool import ImagePool
from hw2lib.cyclegan.step import CycleGAN, Objective, TrainingStep

from .domains import Domain
from .networks import StackedMLP

BETAS = (0.5, 0.999)


def train(
    a: Domain,
    b: Domain,
    objective: Objective,
    *,
    steps: int,
    members: int = 8,
    start: float | Sequence[float] = 1.0,
    skip: float | Sequence[float] = 0.0,
    one_generator: bool = False,
    batch_size: int = 64,
    learning_rates: tuple[float, float] = (1e-3, 4e-3),
    hidden: tuple[int, int] = (32, 64),
    seed: int = 0,
) -> CycleGAN:
    """Train from ``members`` starts; the networks are :class:`StackedMLP` with two hidden layers.

    The step is :class:`hw2lib.cyclegan.TrainingStep`, with Adam, without image pools; the learning rates
    fall linearly to zero over the second half.

    Args:
        a: domain A.
        b: domain B, of the same dimension.
        objective: weights and kind of the losses (book: eq-cyclegan-loss).
        steps: number of steps.
        members: number of trainings.
        start: factor of the generators' starting weights, see :class:`StackedMLP`.
        skip: which generators add their input, see :class:`StackedMLP`.
        one_generator: whether G_A and G_B are one network.
        batch_size: points of each domain per step and member.
        learning_rates: of the generators and of the discriminators.
        hidden: units of a hidden layer of the generators and of the discriminators.
        seed: of starts and batches; member k starts alike whatever the number of members.

    Raises:
        ValueError: the domains differ in dimension.
    """
    if a.dim != b.dim:
        raise ValueError(f"domains of dimension {a.dim} and {b.dim}")
    starts = [torch.Generator().manual_seed(1000 * seed + k) for k in range(members)]
    shape = [a.dim, hidden[0], hidden[0], b.dim]
    discriminator = [a.dim, hidden[1], hidden[1], 1]
    forward = StackedMLP(shape, starts, start, skip)
    backward = forward if one_generator else StackedMLP(shape, starts, start, skip)
    net = CycleGAN(forward, backward, *(StackedMLP(discriminator, starts) for _ in range(2)))
    # A generator used in both directions has its weights in the list twice; an optimizer wants them once.
    parameters = list(dict.fromkeys(net.generator_parameters())), list(net.discriminator_parameters())
    optimizers = [
        torch.optim.Adam(group, lr=rate, betas=BETAS, fused=True)
        for group, rate in zip(parameters, learning_rates, strict=True)
    ]
    decays = [LambdaLR(optimizer, lambda k: min(1.0, 2 - 2 * k / steps)) for optimizer in optimizers]
    pools = {"D_A": ImagePool(0), "D_B": ImagePool(0)}
    step = TrainingStep(net, optimizers[0], optimizers[1], pools, objective)
    batches = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        step(a.sample(batch_size, members, batches), b.sample(batch_size, members, batches))
        for decay in decays:
            decay.step()
    return net.requires_grad_(False)
