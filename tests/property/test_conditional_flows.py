"""A context is seen by every conditional, and changes nothing of what a flow is. All in float64."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_flow_layouts import Shape, close, noise, redraw
from torch.autograd.functional import jacobian

from hw2lib.flows import IAF, MADE, MAF, naive_inverse, staged_inverse_plain
from hw2lib.flows.inverse import staged_inverse

SETTINGS = settings(max_examples=25)
CONTEXTS = torch.tensor([[-1.5, 0.3], [0.0, 0.0], [2.0, -1.0]], dtype=torch.float64)


@dataclasses.dataclass(frozen=True)
class Conditional(Shape):
    context: int = 1


@st.composite
def shapes(draw) -> Conditional:
    features = draw(st.integers(1, 12))
    hidden = tuple(draw(st.lists(st.integers(1, 40), min_size=1, max_size=3)))
    degrees = draw(st.sampled_from(["spread", "random"]))
    numbers = (
        st.integers(1, 3),
        st.one_of(st.none(), st.integers(1, 5)),
        st.integers(0, 999),
        st.integers(1, 4),
    )
    return Conditional(features, hidden, degrees, *map(draw, numbers), context=draw(st.integers(1, 5)))


def flows(kind, shape) -> tuple:
    """The dense reference and its conversion to the staircase."""
    dense = kind(
        shape.features, shape.hidden, shape.transforms, "dense", shape.degrees, shape.seed, shape.rectangles,
        context=shape.context,
    ).double()  # fmt: skip
    redraw(dense, shape.seed)
    draw_context(dense, shape.seed)
    return dense, dense.to_layout("staircase")


def draw_context(flow, seed: int) -> None:
    """Weights of the context that matter as much as the others."""
    generator = torch.Generator().manual_seed(seed + 3)
    for block in flow.blocks:
        with torch.no_grad():
            weight = block.context_layer.weight
            weight.copy_(torch.randn(weight.shape, generator=generator, dtype=weight.dtype))


def context_of(shape) -> torch.Tensor:
    generator = torch.Generator().manual_seed(shape.seed + 2)
    return torch.randn(shape.batch, shape.context, generator=generator, dtype=torch.float64)


@given(shapes())
@SETTINGS
def test_every_output_sees_all_of_the_context(shape):
    """Weights are positive, so that nothing that is connected cancels or is cut off by a ReLU."""
    for layout in ("dense", "staircase"):
        made = MADE(shape.features, shape.hidden, layout, shape.degrees, shape.seed, context=shape.context)
        made.double()
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.abs_().add_(1e-3)
            for layer in made.layers():  # behind the masks there is nothing
                layer.load_dense(layer.dense_weight().detach(), layer.bias.detach())
        x, y = torch.zeros(1, shape.features).double(), torch.zeros(1, shape.context).double()
        for head in (0, 1):
            seen = jacobian(lambda c, made=made, head=head, x=x: made.unbounded(x, c)[head][0], y)[:, 0]
            assert seen.shape == (shape.features, shape.context)
            assert bool((seen > 0).all())


@pytest.mark.parametrize("kind", [MAF, IAF])
@given(shape=shapes())
@SETTINGS
def test_the_jacobian_in_x_is_triangular_and_gives_the_log_determinant(kind, shape):
    for flow in flows(kind, dataclasses.replace(shape, transforms=1)):
        x, context = noise(shape), context_of(shape)
        u, log_det = flow(x, context=context)
        for k, (row, given_context) in enumerate(zip(x, context, strict=True)):
            matrix = jacobian(lambda v, c=given_context, f=flow: f(v[None], context=c[None])[0][0], row)
            assert close(matrix.tril(), matrix)
            assert close(torch.linalg.slogdet(matrix).logabsdet, log_det[k].detach())


@pytest.mark.parametrize("kind", [MAF, IAF])
@given(shape=shapes())
@SETTINGS
def test_log_prob_is_that_of_the_full_jacobian_through_all_blocks(kind, shape):
    for flow in flows(kind, shape):
        x, context = noise(shape), context_of(shape)
        u, _ = flow(x, context=context)
        log_prob = flow.log_prob(x, context).detach()
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(u).sum(1).detach()
        for k, (row, c) in enumerate(zip(x, context, strict=True)):
            matrix = jacobian(lambda v, c=c, f=flow: f(v[None], context=c[None])[0][0], row)
            sign, log_det = torch.linalg.slogdet(matrix)
            assert sign == 1
            scale = 1 + abs(float(log_prob[k]))
            assert close((normal[k] + log_det) / scale, log_prob[k] / scale, 1e-8)
        assert close(flow.log_prob_contributions(x, context).sum(1).detach(), log_prob)


@given(shapes(), st.booleans())
@SETTINGS
def test_the_staged_inverse_is_the_naive_one(shape, normalizing):
    for flow in flows(MAF, shape):
        u, context = noise(shape), context_of(shape)
        for made in flow.blocks:
            reference = naive_inverse(made, u, normalizing, context)
            scale = reference.abs().max().clamp_min(1)
            for solve in (staged_inverse, staged_inverse_plain):
                assert close(solve(made, u, normalizing, context) / scale, reference / scale)
                alone = solve(made, u[:1], normalizing, context[:1])  # the compiled loop, where there is one
                assert close(alone / scale, reference[:1] / scale)


@pytest.mark.parametrize("kind", [MAF, IAF])
@given(shape=shapes())
@SETTINGS
def test_the_forward_map_undoes_the_inverse(kind, shape):
    for flow in flows(kind, shape):
        u, context = noise(shape), context_of(shape)
        x = flow.inverse(u, context=context).detach()
        back = flow(x, context=context)[0].detach()
        assert close(back, u, 1e-6)


@given(shapes())
@SETTINGS
def test_the_layouts_agree_in_value_and_gradients(shape):
    for kind in (MAF, IAF):
        results = []
        for flow in flows(kind, shape):
            x, context = noise(shape).requires_grad_(), context_of(shape).requires_grad_()
            weights = torch.arange(1, len(x) + 1, dtype=torch.float64)
            (flow.log_prob(x, context) * weights).sum().backward()
            grads = [b.context_layer.weight.grad for b in flow.blocks]
            results.append([x.grad, context.grad, *grads])
        if kind is IAF:  # and the gradient of D passes
            flow = flows(kind, shape)[0]
            x, context = noise(shape).requires_grad_(), context_of(shape).requires_grad_()
            u, log_det = flow(x, "naive", context=context)
            ((log_det - 0.5 * u.square().sum(1)) * weights).sum().backward()
            results.append([x.grad, context.grad, *(b.context_layer.weight.grad for b in flow.blocks)])
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                scale = a.abs().max().clamp_min(1)
                assert close(a / scale, b / scale, 1e-8)


@pytest.mark.parametrize("kind", [MAF, IAF])
@pytest.mark.parametrize("features", [1, 2])
def test_the_density_integrates_to_one_for_three_contexts(kind, features):
    """On a grid that the density does not leave; three contexts, three different densities."""
    flow = kind(features, (16, 16), 2, "dense", context=2).double()
    redraw(flow, 3)
    draw_context(flow, 3)
    axis = torch.linspace(-14, 14, 2801 if features == 1 else 561, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(*[axis] * features, indexing="ij"), -1).reshape(-1, features)
    cell = float(axis[1] - axis[0]) ** features
    densities = []
    with torch.no_grad():
        for context in CONTEXTS:
            density = flow.log_prob(grid, context.expand(len(grid), -1)).exp()
            densities.append(density)
            assert float(density.sum() * cell) == pytest.approx(1, abs=2e-3)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert float((densities[a] - densities[b]).abs().sum() * cell) > 0.05


@pytest.mark.parametrize("kind", [MAF, IAF])
def test_a_context_is_asked_for_by_shape(kind):
    conditional, plain = kind(3, (8,), 2, context=2), kind(3, (8,), 2)
    x, right = torch.zeros(4, 3), torch.zeros(4, 2)
    for flow, wrong in ((conditional, None), (conditional, torch.zeros(4, 3)), (plain, right)):
        with pytest.raises(ValueError, match="expected a context of shape"):
            flow.log_prob(x, wrong)
        with pytest.raises(ValueError, match="expected a context of shape"):
            flow.sample(4, context=wrong)
    assert conditional.sample(4, context=right).shape == (4, 3)


def test_a_layer_that_hides_the_context_from_the_first_output_is_refused():
    with pytest.raises(ValueError, match="unit of degree 0"):
        MADE(3, (2, 2), degrees=[torch.tensor([0, 1]), torch.tensor([1, 2])], context=1)
