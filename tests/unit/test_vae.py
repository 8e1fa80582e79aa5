"""The VAE: its closed forms, its bound on a likelihood that is known, its gradients, shapes and scores."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from hw2lib.anomaly import flow_reconstruction_errors, vae_error_maps, vae_scores
from hw2lib.errors import UserError
from hw2lib.flows import MAF, DequantizedPixels
from hw2lib.training.fit import fit_vae
from hw2lib.vae import (
    VAE,
    ConvDecoder,
    ConvEncoder,
    conv_vae,
    gaussian_log_density,
    kl_to_standard_normal,
    reparameterize,
)

D, K = 6, 3


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def images(n, size=16, seed=0):
    return torch.randint(0, 256, (n, 3, size, size), generator=generator(seed), dtype=torch.uint8)


# Closed forms


@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 10_000))
@settings(max_examples=50)
def test_kl_is_that_of_torch_distributions(k, batch, seed):
    mean, log_variance = 3 * normal(batch, k, seed=seed), 2 * normal(batch, k, seed=seed + 1)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    prior = Normal(torch.zeros(k, dtype=torch.float64), torch.ones(k, dtype=torch.float64))
    found = kl_to_standard_normal(mean, log_variance)
    torch.testing.assert_close(found, kl_divergence(posterior, prior).sum(-1), rtol=1e-12, atol=1e-12)
    assert (found >= 0).all()


def test_kl_is_zero_only_at_the_prior():
    zero = torch.zeros(1, K, dtype=torch.float64)
    assert kl_to_standard_normal(zero, zero).item() == 0
    near = torch.linspace(-1e-3, 1e-3, 2001)[:, None]  # where s² − 1 − log s² cancels
    found, exact = (kl_to_standard_normal(torch.zeros_like(v), v) for v in (near, near.double()))
    assert (found >= 0).all() and torch.allclose(found.double(), exact, rtol=1e-3, atol=1e-10)
    for mean, log_variance in ((zero + 0.1, zero), (zero, zero + 0.1), (zero, zero - 0.1)):
        assert kl_to_standard_normal(mean, log_variance).item() > 0


def test_kl_agrees_with_an_average_over_draws():
    mean, log_variance = normal(1, K, seed=1), normal(1, K, seed=2)
    z = reparameterize(mean, log_variance, normal(200_000, K, seed=3))
    posterior = Normal(mean, (0.5 * log_variance).exp())
    average = (posterior.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1).mean()
    torch.testing.assert_close(average, kl_to_standard_normal(mean, log_variance)[0], rtol=0.02, atol=0.02)


@given(st.integers(1, 8), st.floats(-3, 2), st.integers(0, 10_000))
@settings(max_examples=50)
def test_density_of_the_pixels_is_that_of_torch_distributions(features, log_sigma, seed):
    x, mean = normal(4, features, seed=seed), normal(4, features, seed=seed + 1)
    scale = torch.tensor(log_sigma, dtype=torch.float64)
    expected = Normal(mean, scale.exp()).log_prob(x).sum(-1)
    torch.testing.assert_close(gaussian_log_density(x, mean, scale), expected, rtol=1e-10, atol=1e-10)


# Gradients through the draw


def test_gradients_through_the_draw_are_those_of_its_formula():
    mean = normal(2, K, seed=1).requires_grad_()
    log_variance = normal(2, K, seed=2).requires_grad_()
    noise = normal(2, K, seed=3)
    reparameterize(mean, log_variance, noise).sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones_like(mean))
    torch.testing.assert_close(log_variance.grad, ((0.5 * log_variance).exp() * noise / 2).detach())
    assert torch.autograd.gradcheck(reparameterize, (mean, log_variance, noise))


def test_gradient_of_an_expectation():
    """d/dm E[z²] = 2m and d/d(log s²) E[z²] = s², from draws alone."""
    mean = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    log_variance = torch.tensor([-0.4], dtype=torch.float64, requires_grad=True)
    reparameterize(mean, log_variance, normal(400_000, 1)).square().mean().backward()
    assert mean.grad.item() == pytest.approx(1.4, abs=0.01)
    assert log_variance.grad.item() == pytest.approx(math.exp(-0.4), abs=0.01)


def test_gradients_of_the_loss_are_those_of_finite_differences():
    torch.manual_seed(0)
    vae = VAE(nn.Linear(D, 2 * K), nn.Sequential(nn.SiLU(), nn.Linear(K, D)), K).double()
    x, noise = normal(4, D), normal(4, K, seed=1)
    names = [name for name, _ in vae.named_parameters()]

    def loss(*values):
        return torch.func.functional_call(vae, dict(zip(names, values, strict=True)), (x, noise))

    assert torch.autograd.gradcheck(loss, tuple(vae.parameters()))


# The bound, where the likelihood is known


class Linear:
    """x = W z + b + σ ε with orthogonal columns of W, so that the true posterior is diagonal.

    Its marginal is N(b, W Wᵀ + σ² I), and the posterior of x is N(S Wᵀ (x − b) / σ², S) with
    S = (I + Wᵀ W / σ²)⁻¹.
    """

    def __init__(self, log_sigma=-0.5):
        basis = torch.linalg.qr(normal(D, K)).Q
        self.weight = basis * torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
        self.bias, self.log_sigma = normal(D, seed=1), log_sigma
        self.variance = math.exp(2 * log_sigma)
        covariance = self.weight @ self.weight.T + self.variance * torch.eye(D, dtype=torch.float64)
        self.marginal = MultivariateNormal(self.bias, covariance)
        self.posterior = torch.linalg.inv(
            torch.eye(K, dtype=torch.float64) + self.weight.T @ self.weight / self.variance
        )

    def vae(self):
        """The VAE whose decoder is this model and whose encoder is its true posterior."""
        encoder, decoder = nn.Linear(D, 2 * K).double(), nn.Linear(K, D).double()
        vae = VAE(encoder, decoder, K).double()
        with torch.no_grad():
            vae.log_sigma.fill_(self.log_sigma)
            decoder.weight.copy_(self.weight)
            decoder.bias.copy_(self.bias)
            to_mean = self.posterior @ self.weight.T / self.variance
            encoder.weight.copy_(torch.cat([to_mean, torch.zeros_like(to_mean)]))
            log_variance = self.posterior.diagonal().log()
            encoder.bias.copy_(torch.cat([-to_mean @ self.bias, log_variance]))
        return vae.requires_grad_(False)


def average_elbo(vae, x, draws=4000):
    """The bound of each x, averaged over draws of the noise."""
    noise = normal(draws, 1, K, seed=5).expand(-1, len(x), -1).reshape(-1, K)
    return vae.bound(x.repeat(draws, 1), noise).elbo.reshape(draws, -1).mean(0)


def test_the_true_posterior_reaches_the_likelihood():
    model = Linear()
    x = model.marginal.sample((5,))
    # With the true posterior the integrand is log p(x) in expectation; its spread is that of the draws.
    torch.testing.assert_close(average_elbo(model.vae(), x), model.marginal.log_prob(x), rtol=0.0, atol=0.15)


def exact_elbo(vae, x):
    """The bound of a VAE with a linear decoder, its expectation taken by the formula of second moments."""
    mean, log_variance = vae.encode(x)
    expected = (vae.decoder.weight.square().sum(0) * log_variance.exp()).sum(-1)
    inside = gaussian_log_density(x, vae.decoder(mean), vae.log_sigma)
    inside = inside - 0.5 * expected * torch.exp(-2 * vae.log_sigma)
    return inside - kl_to_standard_normal(mean, log_variance)


@given(st.integers(0, 10_000), st.floats(0.01, 1.0), st.floats(-1.0, 0.5))
@settings(max_examples=50)
def test_the_bound_is_never_above_the_likelihood(seed, strength, log_sigma):
    """Equality with the true posterior, and below it with any other encoder."""
    model = Linear(log_sigma)
    x = model.bias + 3 * normal(8, D, seed=seed)
    likelihood, vae = model.marginal.log_prob(x), model.vae()
    torch.testing.assert_close(exact_elbo(vae, x), likelihood, rtol=1e-9, atol=1e-9)
    vae.encoder.weight += strength * normal(2 * K, D, seed=seed + 1)
    vae.encoder.bias += strength * normal(2 * K, seed=seed + 2)
    assert (exact_elbo(vae, x) < likelihood).all()


def test_the_drawn_bound_has_the_mean_of_the_exact_one():
    model = Linear()
    vae, x = model.vae(), model.bias + normal(6, D, seed=7)
    vae.encoder.weight += 0.1 * normal(2 * K, D, seed=8)
    torch.testing.assert_close(average_elbo(vae, x, 20_000), exact_elbo(vae, x), rtol=0.02, atol=0.1)


def test_training_finds_the_likelihood():
    """Maximising the bound of a linear VAE takes the marginal to that of the data."""
    model = Linear()
    torch.manual_seed(0)
    x = model.marginal.sample((2000,))
    vae = VAE(nn.Linear(D, 2 * K), nn.Linear(K, D), K).double()
    optimizer = torch.optim.Adam(vae.parameters(), lr=0.02)
    for step in range(600):
        optimizer.zero_grad()
        vae(x, normal(len(x), K, seed=step)).mean().backward()
        optimizer.step()
    best = model.marginal.log_prob(x).mean()
    reached = exact_elbo(vae.requires_grad_(False), x).mean()
    assert best - 0.1 < reached < best + 0.05


# Shapes and bad input


@pytest.mark.parametrize("size, channels, latent", [(16, (4, 8), 3), (32, (4,), 2), (24, (4, 4, 4), 5)])
def test_shapes(size, channels, latent):
    vae = conv_vae(size, channels, latent)
    x = torch.rand(2, 3 * size**2)
    mean, log_variance = vae.encode(x)
    assert mean.shape == log_variance.shape == (2, latent)
    assert vae.reconstruct(x).shape == x.shape
    bound = vae.bound(x, torch.randn(2, latent))
    assert bound.elbo.shape == bound.kl.shape == bound.log_likelihood.shape == (2,)
    torch.testing.assert_close(bound.elbo, bound.log_likelihood - bound.kl)
    assert vae.sample(4, generator(1)).shape == (4, 3 * size**2)


def test_the_bottleneck_is_all_that_reaches_the_decoder():
    """The reconstruction has no more degrees of freedom than the latent code."""
    vae = conv_vae(16, (4, 8), latent=3).double()
    with torch.no_grad():
        x = normal(1, 768)
        jacobian = torch.autograd.functional.jacobian(vae.reconstruct, x).reshape(768, 768)
    assert torch.linalg.matrix_rank(jacobian) == 3


def test_samples_follow_seed_and_temperature():
    vae = conv_vae(16, (4, 8), latent=3)
    first = vae.sample(2, generator(1))
    torch.testing.assert_close(first, vae.sample(2, generator(1)), rtol=0, atol=0)
    assert not torch.allclose(first, vae.sample(2, generator(2)))
    cold = vae.sample(2, generator(1), temperature=0.0)
    torch.testing.assert_close(cold[0], cold[1])


@pytest.mark.parametrize("size, channels", [(18, (4, 8)), (16, ()), (100, (4, 4, 4))])
@pytest.mark.parametrize("build", [conv_vae, ConvEncoder, ConvDecoder])
def test_sizes_that_cannot_be_halved_are_named(build, size, channels):
    with pytest.raises(UserError, match=f"size={size}: expected a multiple of {2 ** len(channels)}"):
        build(size, channels, 2)


# Scores


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return conv_vae(16, (4, 8), latent=3).double().requires_grad_(False)


def test_scores_are_what_they_say(vae):
    pictures = images(5)
    scores = vae_scores(vae, pictures, draws=3, batch=2)
    x = DequantizedPixels().encode(pictures.flatten(1), noise=False, dtype=torch.float64)
    np.testing.assert_allclose(scores.error, (x - vae.reconstruct(x)).square().mean(1), rtol=1e-12)
    draws = torch.randn(3, 3, generator=generator(0), dtype=torch.float64)
    expected = torch.stack([vae(x, draw.expand(5, -1)) for draw in draws]).mean(0)
    np.testing.assert_allclose(scores.nelbo, expected, rtol=1e-12)
    np.testing.assert_allclose(scores.kl, kl_to_standard_normal(*vae.encode(x)), rtol=1e-12)
    np.testing.assert_allclose(vae_error_maps(vae, pictures).mean((1, 2)) / 3, scores.error, rtol=1e-12)


def test_a_score_depends_on_its_image_alone(vae):
    pictures = images(5)
    together = vae_scores(vae, pictures)
    alone = [vae_scores(vae, picture[None]) for picture in pictures]
    for name in ("error", "nelbo", "kl"):
        np.testing.assert_allclose(
            getattr(together, name), [getattr(score, name)[0] for score in alone], rtol=1e-10
        )


def test_a_flow_reconstructs_anything_and_its_error_is_its_precision():
    torch.manual_seed(0)
    flow = MAF(3 * 64, (16, 16), transforms=3).requires_grad_(False)
    pictures = images(6, size=8)
    single = flow_reconstruction_errors(flow, pictures, batch=4)
    double = flow_reconstruction_errors(flow.double(), pictures)
    assert single.shape == double.shape == (6,)
    assert 1e-16 < single.max() < 1e-10
    assert 0 < double.max() < 1e-28


def test_fitting_lowers_the_loss_and_follows_its_seed():
    model = Linear()
    torch.manual_seed(0)
    x = model.marginal.sample((200,))

    def fitted(seed):
        torch.manual_seed(1)
        vae = VAE(nn.Linear(D, 2 * K), nn.Linear(K, D), K).double()
        return fit_vae(vae, x, steps=100, learning_rate=2e-2, seed=seed)

    losses = fitted(0)
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 1
    assert losses == fitted(0) and losses != fitted(1)
