"""The inverse autoregressive flow: densities, one pass to sample, stages to score, training, refusals."""

import math

import pytest
import torch
from test_flows import LAYOUTS, diagonal, enliven
from torch.autograd.functional import jacobian
from torch.distributions import Normal

from hw2lib.experiments.shared_conditioning import best_nll
from hw2lib.flows import IAF, MADE, MAF, inverse_stages, shared_degrees
from hw2lib.flows.made import LOG_SCALE_CLAMP
from hw2lib.training.fit import fit_flow


def draws(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# What depends on what


def test_one_block_is_the_formula():
    """x_i = u_i·exp(α_i(u)) + μ_i(u), and nothing else."""
    flow = enliven(IAF(6, (20, 20), 1).double(), scale=1.0)
    u = draws(5, 6, seed=1)
    mean, log_scale = flow.blocks[0](u)
    x, log_det = flow.inverse_and_log_det(u)
    torch.testing.assert_close(x, u * log_scale.exp() + mean, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(log_det, log_scale.sum(1), rtol=1e-13, atol=1e-13)


def test_a_block_reads_earlier_noise_and_two_blocks_read_all():
    u = draws(8, seed=2)

    def of(transforms):
        flow = enliven(IAF(8, (99, 99), transforms).double(), seed=3, scale=1.5)
        return jacobian(lambda v: flow.inverse(v[None])[0], u)

    one, two = of(1), of(2)
    assert bool((one.triu(1) == 0).all()) and int((one != 0).sum()) == 36
    assert int((two != 0).sum()) == 64


def test_an_iaf_is_not_a_maf_with_the_same_weights():
    """The two read different variables; they meet only where nothing is read."""
    iaf = enliven(IAF(5, (16,), 1, "dense").double(), scale=1.0)
    maf = MAF(5, (16,), 1, "dense").double()
    maf.load_state_dict(iaf.state_dict())
    x = draws(4, 5, seed=4)
    assert float((iaf.log_prob(x) - maf.log_prob(x)).detach().abs().max()) > 0.01
    diagonal(iaf)
    maf.load_state_dict(iaf.state_dict())
    torch.testing.assert_close(iaf.log_prob(x), maf.log_prob(x), rtol=1e-12, atol=1e-12)


# Densities


@pytest.mark.parametrize("transforms", [1, 2, 3, 4])
def test_outputs_and_contributions_are_in_the_order_of_the_input(transforms):
    flow = IAF(5, (8,), transforms).double()
    constants = diagonal(flow)
    x = draws(3, 5, seed=7)
    u, log_scale = x, torch.zeros(5, dtype=torch.float64)
    for mean, alpha in constants:
        u, log_scale = (u - mean) * torch.exp(-alpha), log_scale + alpha
    torch.testing.assert_close(flow(x)[0], u, rtol=1e-12, atol=1e-12)
    expected = Normal(0, 1).log_prob(u) - log_scale
    torch.testing.assert_close(flow.log_prob_contributions(x), expected, rtol=1e-12, atol=1e-12)


# Passes and stages


@pytest.fixture
def passes(monkeypatch) -> list[int]:
    """Counts how often a whole network is run."""
    counted, original = [0], MADE.activations

    def counting(made, *arguments):
        counted[0] += 1
        return original(made, *arguments)

    monkeypatch.setattr(MADE, "activations", counting)
    return counted


def test_sampling_takes_one_pass_and_the_naive_density_takes_d(passes):
    flow = IAF(30, (8,), 2)
    x = flow.sample(3)
    assert passes[0] == 2  # one per block
    with torch.no_grad():
        flow(x)
    assert passes[0] == 4  # the stages are no passes; one more gives the log scales
    with torch.no_grad():
        flow(x, "naive")
    assert passes[0] == 4 + 2 * (30 + 1)


# Gradients


def test_gradients_pass_gradcheck():
    flow = enliven(IAF(6, (9, 7), 2).double(), scale=1.0)
    x = draws(3, 6, seed=11).requires_grad_()
    assert torch.autograd.gradcheck(flow.log_prob, (x,))

    def of_bias(bias):
        state = {"blocks.1.hidden.0.bias": bias}
        return torch.func.functional_call(flow, state, (x.detach(),))

    bias = flow.blocks[1].hidden[0].bias.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(of_bias, (bias,))


def test_the_clamp_lets_no_gradient_through():
    flow = enliven(IAF(4, (6,), 1).double(), scale=1.0)
    with torch.no_grad():
        flow.blocks[0].log_scale.bias.copy_(torch.tensor([0.1, 100.0, -100.0, 0.2]))
    gradients = []
    for method in ("staged", "naive"):
        flow.zero_grad()
        x = draws(3, 4, seed=12).requires_grad_()
        u, log_det = flow(x, method)
        ((u * torch.arange(1, 5)).sum() + log_det.sum()).backward()
        assert flow.blocks[0].log_scale.bias.grad[1:3].tolist() == [0.0, 0.0]
        assert -float(log_det.detach().min()) < 4 * LOG_SCALE_CLAMP
        gradients.append([x.grad, *(p.grad.clone() for p in flow.parameters())])
    for staged, naive in zip(*gradients, strict=True):
        scale = float(naive.abs().max().clamp_min(1))
        torch.testing.assert_close(staged / scale, naive / scale, rtol=1e-10, atol=1e-10)


def test_gradients_reach_only_what_asks_for_them():
    flow = enliven(IAF(5, (8,), 2).double())
    x = draws(2, 5, seed=13)
    assert flow(x.clone())[0].grad_fn is not None
    flow.requires_grad_(False)
    assert flow(x)[0].grad_fn is None
    (gradient,) = torch.autograd.grad(flow.log_prob(x.requires_grad_()).sum(), x)
    assert bool((gradient != 0).all())


def test_second_derivatives_are_refused():
    flow = enliven(IAF(5, (8,), 1).double())
    x = draws(2, 5, seed=14).requires_grad_()
    (gradient,) = torch.autograd.grad(flow.log_prob(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


def test_samples_carry_gradients_for_variational_inference():
    flow = enliven(IAF(5, (8,), 2).double())
    u = draws(6, 5, seed=15)
    x, log_det = flow.inverse_and_log_det(u)
    (x.square().sum(1) - log_det).mean().backward()
    assert all(p.grad is not None for p in flow.parameters())
    assert any(bool(p.grad.abs().sum() > 0) for p in flow.blocks[1].parameters())


# Training


def banana(n: int) -> torch.Tensor:
    """A normal, and its square with a little noise."""
    first, second = draws(n, seed=16), draws(n, seed=160)
    return torch.stack([first, 0.5 * (first.square() - 1) + 0.2 * second], 1)


def walk(n: int, features: int) -> torch.Tensor:
    """An autoregressive process of order one, correlation 0.9 between neighbours, variance 1."""
    noise = draws(n, features, seed=17)
    steps = [noise[:, 0]]
    for i in range(1, features):
        steps.append(0.9 * steps[-1] + math.sqrt(1 - 0.81) * noise[:, i])
    return torch.stack(steps, 1)


@pytest.mark.parametrize(
    "data, hidden, steps, gain",
    [(banana(1500), (16, 16), 80, 0.5), (walk(1500, 64), (64,), 60, 15.0)],
    ids=["2-D", "64-D"],
)
def test_maximum_likelihood_lowers_the_loss(data, hidden, steps, gain):
    torch.manual_seed(18)
    train, test = data[:1000], data[1000:]
    flow = IAF(data.shape[1], hidden, 2).double()
    with torch.no_grad():
        before = -float(flow.log_prob(test).mean())
    losses = fit_flow(flow, train, steps=steps, batch_size=64, learning_rate=1e-2)
    with torch.no_grad():
        after = -float(flow.log_prob(test).mean())
    assert sum(losses[-10:]) < sum(losses[:10])
    assert after < before - gain


# Layouts, types, arguments


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-4), (torch.float64, 1e-11)])
def test_round_trip_and_gradient_on_each_type_and_device(device, dtype, tolerance, layout):
    flow = enliven(IAF(50, (40, 40), 3, layout), scale=0.5).to(device, dtype)
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(19)).to(device, dtype)
    for method in ("staged", "naive"):
        u, log_det = flow(x, method)
        assert u.dtype == log_det.dtype == dtype and log_det.shape == (4,)
        assert float((flow.inverse(u) - x).detach().abs().max()) < tolerance
    flow.log_prob(x).sum().backward()
    for parameter in flow.parameters():
        assert parameter.grad.dtype == dtype and parameter.grad.device.type == device
    assert flow.sample(2).dtype == dtype


def test_layouts_strides_and_batch_size_make_no_difference():
    flow = enliven(IAF(12, (9, 9), 2, "dense").double())
    x = draws(5, 12, seed=20)
    strided = torch.stack([x, x], dim=2).flatten(1)[:, ::2]
    assert not strided.is_contiguous()
    other = flow.to_layout("staircase")
    assert type(other) is IAF
    with torch.no_grad():
        reference = flow.log_prob(x)
        torch.testing.assert_close(other.log_prob(strided), reference, rtol=1e-12, atol=1e-12)
        alone = torch.cat([flow.log_prob(row[None]) for row in x])
        torch.testing.assert_close(alone, reference, rtol=1e-12, atol=1e-12)
        assert flow(x[:0])[0].shape == (0, 12) and flow.inverse(x[:0]).shape == (0, 12)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: IAF(4, transforms=0), "transforms=0"),
        (lambda: IAF(4, (8,), layout="sparse"), "layout='sparse'"),
        (lambda: IAF(4, (8,))(torch.zeros(1, 4), "fast"), "method='fast'"),
        (lambda: IAF(4, (8,))(torch.zeros(1, 3)), r"\(batch, 4\).*\(1, 3\)"),
        (lambda: IAF(4, (8,)).inverse(torch.zeros(4)), r"\(batch, 4\).*\(4,\)"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Shared conditioning sets


@pytest.mark.parametrize(
    "features, units, stages", [(8, 6, 4), (64, 128, 64), (64, 128, 1), (49, 20, 7), (5, 4, 5)]
)
def test_shared_degrees_give_the_stages_asked_for(features, units, stages):
    degrees = shared_degrees(features, units, stages)
    parts = inverse_stages([degrees, degrees], features)
    assert len(degrees) == units and len(parts) == stages
    widths = [hi - lo for lo, hi in (part.outputs for part in parts)]
    assert max(widths) - min(widths) <= 1
    if stages > 1:
        counts = degrees.unique(return_counts=True)[1]
        assert int(counts.max() - counts.min()) <= 1


def test_best_nll_is_reached_by_regression_on_what_is_seen():
    """Conditional variances by solving the normal equations, and both ends: no past and all of it."""
    root = torch.eye(7, dtype=torch.float64) + 0.4 * draws(7, 7, seed=21).tril(-1)
    covariance = root @ root.T
    seen = torch.tensor([0, 0, 2, 1, 4, 4, 6])
    expected = 0.0
    for i, n in enumerate(seen.tolist()):
        past, cross = covariance[:n, :n], covariance[:n, i]
        variance = covariance[i, i] - cross @ torch.linalg.solve(past, cross)
        expected += 0.5 * math.log(2 * math.pi * math.e * float(variance))
    assert best_nll(covariance, seen) == pytest.approx(expected, abs=1e-10)
    entropy = torch.distributions.MultivariateNormal(torch.zeros(7).double(), covariance).entropy()
    assert best_nll(covariance, torch.arange(7)) == pytest.approx(float(entropy), abs=1e-10)
    assert (
        best_nll(covariance, torch.zeros(7, dtype=torch.long)) > best_nll(covariance, seen) > float(entropy)
    )


@pytest.mark.parametrize("seen", [[0, 2], [-1, 0], [0, 1, 2]])
def test_best_nll_refuses_what_does_not_come_earlier(seen):
    with pytest.raises(ValueError, match="do not fit"):
        best_nll(torch.eye(2), torch.tensor(seen))


@pytest.mark.parametrize("stages", [0, 5, 9])
def test_impossible_numbers_of_stages_are_refused(stages):
    with pytest.raises(ValueError, match=f"stages={stages}"):
        shared_degrees(8, 3, stages)
