"""The three Gaussians of a VAE: the posterior, the prior, and the noise of a pixel."""

import math

import torch
from torch import Tensor


def reparameterize(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    r"""A draw from N(m, diag s²) as a differentiable function of its parameters: z = m + s ⊙ ε.

    The randomness is in ε alone, so ∂z/∂m = 1 and ∂z/∂(log s²) = s ⊙ ε / 2 carry gradients through it.

    Args:
        mean: m, shape (batch, k).
        log_variance: log s², of the same shape.
        noise: ε ~ N(0, I), of a shape that broadcasts with it.

    Source: Kingma and Welling 2014, section 2.4; book: eq-reparameterization.

    Example:
        >>> reparameterize(torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor([-0.5]))
        tensor([0.5000])
    """
    return mean + (0.5 * log_variance).exp() * noise


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""KL(N(m, diag s²) ‖ N(0, I)) = ½ Σ_j (m_j² + s_j² − 1 − log s_j²), in nats.

    Args:
        mean: m, shape (batch, k).
        log_variance: log s², of the same shape.

    Returns:
        Shape (batch,), never negative; zero where the posterior is the prior.

    Source: Kingma and Welling 2014, appendix B; book: eq-kl.

    Example:
        >>> kl_to_standard_normal(torch.zeros(1, 3), torch.zeros(1, 3))
        tensor([0.])
    """
    # Near the prior s² − 1 − log s² is the small difference of large numbers; expm1 keeps its digits.
    return 0.5 * (mean.square() + (torch.expm1(log_variance) - log_variance)).sum(-1)


def gaussian_log_density(x: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    r"""log N(x; μ, σ² I) = −‖x − μ‖² / (2σ²) − D (log σ + ½ log 2π), in nats.

    Args:
        x: shape (batch, D).
        mean: μ, of the same shape.
        log_sigma: log σ, one number for all dimensions.

    Returns:
        Shape (batch,).
    """
    squares = (x - mean).square().sum(-1)
    return -0.5 * squares * torch.exp(-2 * log_sigma) - x.shape[-1] * (
        log_sigma + 0.5 * math.log(2 * math.pi)
    )
