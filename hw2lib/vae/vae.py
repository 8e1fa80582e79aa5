"""The variational autoencoder and its bound on the likelihood."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .gaussian import gaussian_log_density, kl_to_standard_normal, reparameterize

# σ starts at about the spread of the pixels, so that the first steps are not all about the noise.
INITIAL_LOG_SIGMA = -1.0


@dataclass(frozen=True)
class Bound:
    """The two terms of the evidence lower bound, each of shape (batch,), in nats."""

    log_likelihood: Tensor
    kl: Tensor

    @property
    def elbo(self) -> Tensor:
        """Their difference, at most log p(x) on average over the noise."""
        return self.log_likelihood - self.kl


class VAE(nn.Module):
    r"""Variational autoencoder with Gaussian posterior, prior and pixels.

    The decoder g and a learned σ define p(x | z) = N(g(z), σ² I) with the prior p(z) = N(0, I), and the
    encoder the posterior q(z | x) = N(m(x), diag s²(x)). For every q

        log p(x) ≥ E_q[log p(x | z)] − KL(q(z | x) ‖ p(z)),

    with equality where q is the true posterior. The bound is on the density of x itself, so that it
    stands beside the log-likelihood of a flow which reads the same x.

    Args:
        encoder: maps x of shape (batch, D) to (batch, 2k): m, then log s².
        decoder: maps z of shape (batch, k) to (batch, D).
        latent: k, the width of the bottleneck.

    Source: Kingma and Welling 2014, equation 3; the learned σ is that of Rybkin et al. 2021; book:
    eq-elbo.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> vae = VAE(nn.Linear(6, 4), nn.Linear(2, 6), latent=2)
        >>> vae.bound(torch.zeros(5, 6), torch.zeros(5, 2)).elbo.shape
        torch.Size([5])
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, latent: int) -> None:
        super().__init__()
        self.encoder, self.decoder, self.latent = encoder, decoder, latent
        self.log_sigma = nn.Parameter(torch.tensor(INITIAL_LOG_SIGMA))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), each of shape (batch, k)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        return mean, log_variance

    def bound(self, x: Tensor, noise: Tensor) -> Bound:
        """One-sample estimate of the evidence lower bound.

        Args:
            x: shape (batch, D).
            noise: ε ~ N(0, I), shape (batch, k).
        """
        mean, log_variance = self.encode(x)
        decoded = self.decoder(reparameterize(mean, log_variance, noise))
        return Bound(
            gaussian_log_density(x, decoded, self.log_sigma), kl_to_standard_normal(mean, log_variance)
        )

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """−ELBO of each image in nats, the loss; shape (batch,)."""
        return -self.bound(x, noise).elbo

    def reconstruct(self, x: Tensor) -> Tensor:
        """g(m(x)), the image that the middle of the posterior stands for; shape (batch, D)."""
        return self.decoder(self.encode(x)[0])

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """Means g(z) of n draws z ~ N(0, temperature² I) from the prior, without the pixels' noise σ."""
        like = self.log_sigma
        z = torch.randn(n, self.latent, generator=generator, device=like.device, dtype=like.dtype)
        return self.decoder(temperature * z)
