"""The bound of dequantized likelihood, on densities whose probabilities are known."""

import math

import pytest
import torch
from torch.distributions import Normal

from hw2lib.flows import MAF, bits_per_dim, dequantization_bound

D = 6
# As wide as a pixel's interval, so that a density is far from constant within it.
NARROW, WIDE = Normal(0.0, 2 / 256), Normal(0.0, 0.5)


def images(n=8):
    return torch.randint(120, 137, (n, D), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def log_prob(density):
    return lambda x: density.log_prob(x).sum(1)


def exact_bits(density, v):
    """−log₂ P(v) / D with P the integral of the density over each pixel's interval."""
    edges = [2 * (v.double() + k) / 256 - 1 for k in (0, 1)]
    low, high = (Normal(density.loc.double(), density.scale.double()).cdf(e) for e in edges)
    return -torch.log2(high - low).mean(1)


def expected_bound(density, v):
    """−E_u log₂ p(v + u) / D of a normal density: E (x − μ)² = (middle − μ)² + width² / 12."""
    middle, sigma = 2 * (v.double() + 0.5) / 256 - 1, density.scale.double()
    nats = 0.5 * (middle**2 + (2 / 256) ** 2 / 12) / sigma**2 + sigma.log() + 0.5 * math.log(2 * math.pi)
    return bits_per_dim(nats.sum(1), D)


@pytest.mark.parametrize("density", [NARROW, WIDE])
def test_the_estimate_is_the_expectation_within_its_error(density):
    v = images()
    found = dequantization_bound(log_prob(density), v, draws=400, dtype=torch.float64)
    assert bool(((found.bound - expected_bound(density, v)).abs() <= 4.5 * found.error).all())
    assert float((found.bound - expected_bound(density, v)).mean().abs()) <= 4.5 * found.mean_error
    assert found.bound.shape == found.error.shape == found.middle.shape == (len(v),)


def test_by_jensen_the_bound_is_above_the_code_length_and_the_middle_need_not_be():
    v = images()
    found = dequantization_bound(log_prob(NARROW), v, draws=400, dtype=torch.float64)
    exact = exact_bits(NARROW, v)
    assert bool((expected_bound(NARROW, v) > exact).all())
    assert bool((found.bound + 4.5 * found.error > exact).all())
    # log p is concave here: its value at the mean of the noise is above its mean, and so the bits are fewer.
    assert bool((found.middle < expected_bound(NARROW, v)).all())
    # A spike at the middle of one pixel value promises fewer than no bits there; the bound does not.
    spike, central = Normal(1 / 256, 2e-4), torch.full((1, D), 128, dtype=torch.uint8)
    found = dequantization_bound(log_prob(spike), central, draws=50, dtype=torch.float64)
    assert float(found.middle) < -3 < 0 < float(found.bound)


def test_where_the_density_is_smooth_the_three_agree():
    v = images()
    found = dequantization_bound(log_prob(WIDE), v, draws=50, dtype=torch.float64)
    for value in (found.bound, found.middle):
        torch.testing.assert_close(value, exact_bits(WIDE, v), rtol=0, atol=2e-3)


def test_the_error_shrinks_with_the_root_of_the_draws():
    few, many = (dequantization_bound(log_prob(NARROW), images(), draws=k).error for k in (25, 2500))
    assert float((few / many).mean()) == pytest.approx(10, rel=0.3)


def test_batches_and_seeds():
    flow, v = MAF(12, (16,), 2).double(), torch.arange(60).reshape(5, 3, 2, 2).to(torch.uint8)
    once, parts = (dequantization_bound(flow.log_prob, v, 4, dtype=torch.float64, batch=b) for b in (5, 2))
    torch.testing.assert_close(once.middle, parts.middle)
    again = dequantization_bound(flow.log_prob, v, 4, dtype=torch.float64, batch=5)
    other = dequantization_bound(flow.log_prob, v, 4, seed=1, dtype=torch.float64)
    assert torch.equal(once.bound, again.bound) and not torch.equal(once.bound, other.bound)
    with pytest.raises(ValueError, match="draws=1"):
        dequantization_bound(flow.log_prob, v, draws=1)
