"""One loop of Adam for all that is trained in memory: small flows, VAEs, classifiers, toy networks."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def minimise(
    loss: Callable[[], Tensor],
    parameters: Iterable[Tensor] | Iterable[dict],
    steps: int,
    learning_rate: float = 1e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    schedule: Callable[[Optimizer], LRScheduler] | None = None,
    clip_norm: float = math.inf,
    fused: bool | None = None,
) -> list[float]:
    """Take ``steps`` steps of Adam down a loss.

    Args:
        loss: the loss of the next batch, drawn as it is called; a scalar.
        parameters: tensors, or groups of them with learning rates of their own; changed in place.
        steps: number of steps.
        learning_rate: of the first step.
        betas: decay of the means of the gradient and of its square.
        schedule: makes the schedule of the learning rate, which stays as it is without one.
        clip_norm: gradients whose norm is larger are scaled down to it.
        fused: torch's fused Adam, faster on a CPU where the parameters are many small tensors.

    Returns:
        The loss of every step.

    Source: Kingma and Ba 2015.

    Example:
        >>> x = torch.zeros(1, requires_grad=True)
        >>> losses = minimise(lambda: (x - 1).square().sum(), [x], steps=100, learning_rate=0.1)
        >>> losses[0], losses[-1] < 1e-3
        (1.0, True)
    """
    optimizer = torch.optim.Adam(parameters, learning_rate, betas, fused=fused)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    decay, losses = schedule and schedule(optimizer), []
    for _ in range(steps):
        value = loss()
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        if clip_norm < math.inf:
            torch.nn.utils.clip_grad_norm_(weights, clip_norm)
        optimizer.step()
        if decay:
            decay.step()
        losses.append(value.detach())
    return torch.stack(losses).tolist() if losses else []
