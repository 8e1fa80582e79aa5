"""The IAF's density is the one its Jacobian gives, and its implicit gradients are the naive ones."""

import dataclasses

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_flow_layouts import close, dense_gradient, noise, redraw, shapes
from torch.autograd.functional import jacobian

from hw2lib.flows import IAF, naive_inverse, staged_inverse_plain
from hw2lib.flows.inverse import staged_inverse

TOLERANCE = 1e-8
SETTINGS = settings(max_examples=25)


@st.composite
def small_shapes(draw):
    """Shapes that D passes with a gradient can afford, with at most three hidden layers."""
    shape = draw(shapes())
    features = min(shape.features, draw(st.integers(1, 24)))
    degrees = shape.degrees
    if not isinstance(degrees, str):
        degrees = [d.clamp(max=features - 1) for d in degrees]
    return dataclasses.replace(shape, features=features, degrees=degrees)


def flows(shape) -> tuple[IAF, IAF]:
    """The dense reference and its conversion to the staircase, in float64."""
    dense = IAF(
        shape.features, shape.hidden, shape.transforms, "dense", shape.degrees, shape.seed, shape.rectangles
    )
    redraw(dense.double(), shape.seed)
    return dense, dense.to_layout("staircase")


def normal(u: torch.Tensor) -> torch.Tensor:
    return torch.distributions.Normal(0.0, 1.0).log_prob(u).sum(-1)


@given(small_shapes())
@SETTINGS
def test_log_density_is_that_of_the_full_jacobian(shape):
    """By the Jacobian of x → u, taken through the stages, and by that of u → x, one plain pass."""
    for flow in flows(shape):
        u = noise(shape)
        x = flow.inverse(u).detach()
        for row, noise_row, log_prob in zip(x, u, flow.log_prob(x).detach(), strict=True):
            density_map = jacobian(lambda v, flow=flow: flow(v[None])[0][0], row)
            sampling_map = jacobian(lambda v, flow=flow: flow.inverse(v[None])[0], noise_row)
            down, up = torch.linalg.slogdet(density_map), torch.linalg.slogdet(sampling_map)
            assert down.sign == up.sign == 1
            scale = 1 + float(log_prob.abs())
            assert abs(float(normal(noise_row) + down.logabsdet - log_prob)) < TOLERANCE * scale
            assert abs(float(normal(noise_row) - up.logabsdet - log_prob)) < TOLERANCE * scale


@given(small_shapes())
@SETTINGS
def test_staged_gradients_are_the_naive_ones(shape):
    results = []
    for flow, method in ((flows(shape)[0], "naive"), *((flow, "staged") for flow in flows(shape))):
        x = noise(shape).requires_grad_()
        u, log_det = flow(x, method)
        # Weights of both signs, different for every entry: no gradient cancels by symmetry.
        weights = torch.linspace(-1, 2, u.numel(), dtype=torch.float64).reshape(u.shape)
        ((weights * u).sum() + (log_det * torch.arange(1, len(u) + 1)).sum()).backward()
        gradients = [
            g for b in flow.blocks for layer in b.layers() for g in (dense_gradient(layer), layer.bias.grad)
        ]
        results.append([u.detach(), log_det.detach(), x.grad, *gradients])
    reference, *others = results
    for other in others:
        assert len(other) == len(reference) == 3 + 2 * shape.transforms * (len(shape.hidden) + 2)
        for a, b in zip(reference, other, strict=True):
            scale = float(a.abs().max().clamp_min(1)) if a.numel() else 1.0
            assert close(a / scale, b / scale, TOLERANCE)


@given(shapes())
@SETTINGS
def test_the_three_inverses_agree_in_the_direction_of_the_density(shape):
    for flow in flows(shape):
        for made in flow.blocks:
            x = noise(shape)
            reference = naive_inverse(made, x, normalizing=True)
            mean, log_scale = (part.detach() for part in made(reference))
            assert close((x - mean) * torch.exp(-log_scale), reference)
            scale = float(reference.abs().max().clamp_min(1))
            for solve in (staged_inverse, staged_inverse_plain):
                assert close(solve(made, x, normalizing=True) / scale, reference / scale)


@given(shapes())
@SETTINGS
def test_noise_comes_back_and_the_two_log_determinants_cancel(shape):
    for flow in flows(shape):
        u = noise(shape)
        with torch.no_grad():
            x, log_det = flow.inverse_and_log_det(u)
            back, minus = flow(x)
        assert close(back, u, 1e-7)
        assert close(minus, -log_det, 1e-7)
