"""The fixed-point inverse is the naive one and the staged one; flows that only shift keep volumes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd.functional import jacobian

from hw2lib.flows import (
    IAF,
    MADE,
    MAF,
    dependency_depth,
    inverse_stages,
    jacobi_inverse,
    made_masks,
    naive_inverse,
    passes_per_block,
    staged_inverse,
)

SETTINGS = settings(max_examples=30)


@st.composite
def blocks(draw, conditioner="affine"):
    """A block of float64 with weights of the size that a trained one has, and what it is asked to invert."""
    features = draw(st.integers(1, 30))
    hidden = tuple(draw(st.lists(st.integers(1, 40), min_size=1, max_size=3)))
    degrees = draw(st.sampled_from(["spread", "random"]))
    layout, seed = draw(st.sampled_from(["staircase", "dense"])), draw(st.integers(0, 999))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = MADE(features, hidden, layout, degrees, seed, conditioner=conditioner).double()
        for layer in made.layers():
            layer.load_dense(3 * layer.dense_weight().detach(), layer.bias.detach())
        return made, torch.randn(draw(st.integers(1, 3)), features, dtype=torch.float64)


def longest_path(made: MADE) -> int:
    """By the definition: over all paths of the dependency graph, from the masks."""
    reach = torch.eye(made.features, dtype=torch.bool)
    for mask in made_masks(made.degrees, made.features):
        reach = (mask.double() @ reach.double()) > 0
    depth = [0] * made.features
    for i in range(made.features):
        depth[i] = max((depth[j] + 1 for j in range(made.features) if reach[i, j]), default=0)
    return max(depth)


@SETTINGS
@given(blocks(), st.booleans())
def test_the_fixed_point_is_the_inverse(block, normalizing):
    made, u = block
    y, passes = jacobi_inverse(made, u, normalizing)
    for other in (naive_inverse, staged_inverse):
        torch.testing.assert_close(y, other(made, u, normalizing), rtol=1e-10, atol=1e-10)
    depth = dependency_depth(made.degrees, made.features)
    assert depth == longest_path(made) <= len(inverse_stages(made.degrees, made.features)) - 1
    assert 1 <= passes <= depth + 1


def test_as_many_passes_as_the_graph_is_deep_where_each_value_hangs_on_the_one_before():
    made = MADE(6, (5,), "dense", [torch.arange(1, 6)]).double()
    for layer in made.layers():
        layer.load_dense(torch.zeros_like(layer.dense_weight()), torch.zeros_like(layer.bias))
    made.hidden[0].load_dense(torch.eye(5, 6).double(), torch.zeros(5).double())
    made.mean.load_dense(torch.eye(6, 5).roll(1, 0).double(), torch.zeros(6).double())
    y, passes = jacobi_inverse(made, torch.ones(1, 6).double())
    assert y.tolist() == [[1, 2, 3, 4, 5, 6]] and passes == 6


def test_weak_dependence_ends_early_and_none_at_once():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made, u = MADE(400, (200,)).double(), torch.randn(1, 400, dtype=torch.float64)
    assert dependency_depth(made.degrees, 400) == 200
    assert jacobi_inverse(made, u)[1] < 60
    blind = MADE(4, (3,), degrees=[torch.zeros(3, dtype=torch.long)]).double()
    assert jacobi_inverse(blind, u[:, :4])[1] == 1


def test_an_overflow_on_the_way_does_not_stay():
    """float32 ends at 3e38; the first guesses lie beyond, the solution does not."""
    made = MADE(3, (2,), "dense", [torch.tensor([1, 2])])
    for layer in made.layers():
        layer.load_dense(torch.zeros_like(layer.dense_weight()), torch.zeros_like(layer.bias))
    made.hidden[0].load_dense(torch.tensor([[-1e20, 0.0, 0.0], [0.0, 1.0, 0.0]]), torch.tensor([1e20, 0.0]))
    made.mean.load_dense(torch.tensor([[0.0, 0.0], [1e20, 0.0], [0.0, 1.0]]), torch.zeros(3))
    u = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.equal(jacobi_inverse(made, u)[0], naive_inverse(made, u))
    assert torch.equal(naive_inverse(made, u), torch.tensor([[1.0, 2.0, 5.0]]))


@SETTINGS
@given(blocks("additive"))
def test_an_additive_block_shifts_and_its_inverses_agree(block):
    made, u = block
    mean, log_scale = made(u)
    assert bool((log_scale == 0).all())
    x = staged_inverse(made, u)
    torch.testing.assert_close(x, u + made(x)[0], rtol=1e-12, atol=1e-12)
    for other in (naive_inverse(made, u), jacobi_inverse(made, u)[0]):
        torch.testing.assert_close(x, other, rtol=1e-10, atol=1e-10)


@SETTINGS
@given(st.integers(1, 12), st.integers(1, 4), st.sampled_from(["staircase", "dense"]), st.integers(0, 99))
def test_an_additive_flow_keeps_volumes(features, transforms, layout, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        flow = MAF(features, (16, 16), transforms, layout, conditioner="additive").double()
        for made in flow.blocks:
            for layer in made.layers():
                layer.load_dense(3 * layer.dense_weight().detach(), layer.bias.detach())
        x = torch.randn(3, features, dtype=torch.float64)
    u, log_det = flow(x)
    assert bool((log_det == 0).all())
    j = jacobian(lambda v: flow(v[None])[0][0], x[0])
    assert float(torch.linalg.det(j)) == pytest.approx(1, abs=1e-9)
    if transforms == 1:
        assert bool((j.triu(1) == 0).all()) and bool((j.diagonal() == 1).all())
    for method in ("staged", "naive", "jacobi"):
        torch.testing.assert_close(flow.inverse(u, method), x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(flow.to_layout("dense")(x)[0], u, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layout", ["staircase", "dense"])
def test_training_an_additive_flow_moves_its_shifts_and_no_scale(layout):
    flow = MAF(5, (8,), 2, layout, conditioner="additive")
    before = [[p.clone() for p in made.log_scale.parameters()] for made in flow.blocks]
    optimizer = torch.optim.Adam(flow.parameters(), lr=0.1)
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(0)) + 3
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        losses.append(-flow.log_prob(x).mean())
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 10
    for made, old in zip(flow.blocks, before, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(made.log_scale.parameters(), old, strict=True))
    u, log_det = flow(x)
    assert bool((log_det == 0).all())


def test_an_iaf_can_be_additive_and_other_conditioners_are_refused():
    flow = IAF(4, (8,), 2, conditioner="additive")
    assert bool((flow(torch.randn(3, 4))[1] == 0).all())
    with pytest.raises(ValueError, match="conditioner='spline': expected one of"):
        MADE(4, (8,), conditioner="spline")
    with pytest.raises(ValueError, match="method='newton': expected one of 'staged', 'naive', 'jacobi'"):
        MAF(4, (8,), 2).inverse(torch.zeros(1, 4), method="newton")


def test_full_passes_of_each_block_are_counted():
    """One per dimension for the naive inverse, none for the staged one; and no hook is left behind."""
    torch.manual_seed(0)
    flow = MAF(12, (8, 8), transforms=3).double()
    u = torch.randn(2, 12, dtype=torch.float64)
    assert passes_per_block(flow, u, "naive") == [12, 12, 12]
    assert passes_per_block(flow, u, "staged") == [0, 0, 0]
    depth = dependency_depth(flow.blocks[0].degrees, 12)
    assert all(1 < passes <= depth + 1 for passes in passes_per_block(flow, u, "jacobi"))
    assert not any(block.hidden[0]._forward_hooks for block in flow.blocks)
