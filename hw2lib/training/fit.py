"""Maximum likelihood on vectors in memory: what the small experiments of the book train with."""

from functools import partial

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from hw2lib.flows import AutoregressiveFlow
from hw2lib.minimise import minimise
from hw2lib.vae import VAE


def fit_flow(
    flow: AutoregressiveFlow,
    data: Tensor,
    steps: int,
    batch_size: int = 128,
    learning_rate: float = 1e-2,
    seed: int = 0,
    clip_norm: float = 5.0,
) -> list[float]:
    """Adam with a cosine learning-rate decay on the mean of −log p(x); book: eq-maf-objective.

    Args:
        flow: trained in place.
        data: shape (n, D), of the flow's type.
        steps: number of steps; each takes a batch drawn with replacement.
        batch_size: vectors per step.
        learning_rate: of the first step.
        seed: of the batches.
        clip_norm: gradients whose norm is larger are scaled down to it.

    Returns:
        The loss of every step in nats.
    """
    generator = torch.Generator().manual_seed(seed)

    def loss() -> Tensor:
        batch = data[torch.randint(len(data), (batch_size,), generator=generator)]
        return -flow.log_prob(batch).mean()

    cosine = partial(CosineAnnealingLR, T_max=steps)
    return minimise(loss, flow.parameters(), steps, learning_rate, schedule=cosine, clip_norm=clip_norm)


def fit_vae(
    vae: VAE,
    data: Tensor,
    steps: int,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    sigma_learning_rate: float = 2e-2,
    seed: int = 0,
) -> list[float]:
    """Adam with a cosine learning-rate decay on the mean of −ELBO(x); book: eq-elbo.

    Args:
        vae: trained in place.
        data: shape (n, D), of the VAE's type.
        steps: number of steps; each takes a batch drawn with replacement.
        batch_size: vectors per step.
        learning_rate: of the first step.
        sigma_learning_rate: the same for log σ.
        seed: of the batches and of the draws of ε.

    Returns:
        The loss of every step in nats.
    """
    generator = torch.Generator().manual_seed(seed)

    def loss() -> Tensor:
        batch = data[torch.randint(len(data), (batch_size,), generator=generator)]
        noise = torch.randn(batch_size, vae.latent, generator=generator, dtype=data.dtype)
        return vae(batch, noise).mean()

    groups = vae_parameter_groups(vae, learning_rate, sigma_learning_rate)
    return minimise(loss, groups, steps, schedule=partial(CosineAnnealingLR, T_max=steps))


def vae_parameter_groups(vae: VAE, learning_rate: float, sigma_learning_rate: float) -> list[dict]:
    """All weights, then log σ, each with its learning rate."""
    weights = [p for name, p in vae.named_parameters() if name != "log_sigma"]
    return [{"params": weights, "lr": learning_rate}, {"params": [vae.log_sigma], "lr": sigma_learning_rate}]
