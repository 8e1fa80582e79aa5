"""Supervised translation: regression on pairs, right or wrong."""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import LinearLR

from hw2lib.minimise import minimise

from .networks import StackedMLP

PairLoss = Literal["l1", "l2"]


def wrong_pairs(partners: Tensor, shares: Tensor, generator: torch.Generator) -> Tensor:
    """Exchange partners among themselves, so that a share of the pairs has a partner drawn at random.

    Args:
        partners: the right partner of each input, shape (n, members, d).
        shares: share of the pairs to spoil, per member, in [0, 1].
        generator: of the choice and of the exchange.

    Returns:
        Partners of the same inputs, shape (n, members, d); the spoilt ones are a permutation of
        themselves.
    """
    spoilt = partners.clone()
    for member, share in enumerate(shares.tolist()):
        chosen = torch.randperm(len(partners), generator=generator)[: round(share * len(partners))]
        spoilt[chosen, member] = partners[chosen.roll(1), member]
    return spoilt


def fit_pairs(
    inputs: Tensor,
    partners: Tensor,
    loss: PairLoss = "l1",
    *,
    steps: int,
    batch_size: int = 64,
    learning_rate: float = 5e-3,
    hidden: int = 32,
    seed: int = 0,
) -> StackedMLP:
    """Minimise E‖G(x) − y‖ over pairs (x, y): ``l1`` as in pix2pix, ``l2`` for the squared distance.

    The best answer to L2 is the conditional mean E[y | x], to L1 the conditional median of each
    coordinate (book: eq-paired-loss). All members start alike.

    Args:
        inputs: shape (n, members, d).
        partners: shape (n, members, d).
        loss: ``"l1"`` or ``"l2"``.
        steps: of Adam, whose learning rate falls linearly to zero.
        batch_size: pairs per step, drawn with replacement.
        learning_rate: of the first step.
        hidden: units of each of two hidden layers.
        seed: of the start and the batches.

    Source: Isola et al. 2017, equation 3, without the adversarial term.
    """
    distance = {"l1": F.l1_loss, "l2": F.mse_loss}[loss]
    members, d = inputs.shape[1:]
    starts = [torch.Generator().manual_seed(seed) for _ in range(members)]
    network = StackedMLP([d, hidden, hidden, d], starts)
    linear = partial(LinearLR, start_factor=1.0, end_factor=0.0, total_iters=steps)
    generator = torch.Generator().manual_seed(seed)

    def batch_loss() -> Tensor:
        batch = torch.randint(len(inputs), (batch_size,), generator=generator)
        return distance(network(inputs[batch]), partners[batch])

    minimise(batch_loss, network.parameters(), steps, learning_rate, schedule=linear, fused=True)
    return network.requires_grad_(False)
