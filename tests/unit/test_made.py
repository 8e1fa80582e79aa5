"""Degrees and masks of MADE: what they are by definition, and that they let every earlier input through."""

import math

import pytest
import torch
from torch.autograd.functional import jacobian

from hw2lib.flows import MADE, MAF, made_masks, prefix_lengths, random_degrees, spread_degrees
from hw2lib.flows.inverse import naive_inverse, staged_inverse

LAYOUTS = ("staircase", "dense")


@pytest.mark.parametrize("seed", range(5))
def test_masks_follow_the_definition(seed):
    degrees = [random_degrees(7, 5, seed), random_degrees(7, 9, seed + 50)]
    first, second, output = (m.tolist() for m in made_masks(degrees, 7))
    m1, m2 = (d.tolist() for d in degrees)
    assert first == [[m1[k] >= d for d in range(1, 8)] for k in range(5)]
    assert second == [[m2[k] >= m1[d] for d in range(5)] for k in range(9)]
    assert output == [[k > m2[d] for d in range(9)] for k in range(1, 8)]


def test_prefix_lengths_count_the_open_columns_of_the_masks():
    degrees = [random_degrees(12, 8, 3), random_degrees(12, 20, 4)]
    inputs = torch.arange(1, 13)
    layers = [inputs, *degrees]
    lengths = [prefix_lengths(a, b, strict=False) for a, b in zip(layers, layers[1:], strict=False)]
    lengths.append(prefix_lengths(layers[-1], inputs, strict=True))
    for mask, prefix in zip(made_masks(degrees, 12), lengths, strict=True):
        assert torch.equal(mask, torch.arange(mask.shape[1])[None] < prefix[:, None])


@pytest.mark.parametrize("features, units", [(2, 1), (2, 9), (9, 4), (9, 8), (9, 100), (49_152, 512)])
def test_spread_degrees_are_sorted_even_and_reach_both_ends(features, units):
    degrees = spread_degrees(features, units)
    assert len(degrees) == units
    gaps = degrees.diff()
    assert int(degrees[0]) == 1 and (units == 1 or int(degrees[-1]) == features - 1)
    if units > 1:
        assert int(gaps.min()) >= 0 and int(gaps.max() - gaps.min()) <= 1


def test_random_degrees_depend_on_the_seed_only():
    a, b, c = (random_degrees(50, 200, seed) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert int(a.diff().min()) >= 0 and int(a.min()) >= 1 and int(a.max()) <= 49
    flow = MAF(50, (200,), transforms=2, degrees="random")
    assert not torch.equal(flow.blocks[0].degrees[0], flow.blocks[1].degrees[0])


def check_coverage(made: MADE) -> None:
    """Fail unless every output is moved by every earlier input that evenly spread degrees let through.

    With positive weights, biases and inputs no ReLU is shut, so a zero in the Jacobian is a missing
    path and not an accident. H units spread over 1…D−1 leave gaps of at most ⌈(D−2)/(H−1)⌉ degrees:
    an output may miss only inputs inside the gap just before it, and with H ≥ D−1 none.
    """
    d, units = made.features, min(made.hidden_features)
    for layer in made.layers():
        layer.load_dense(torch.ones_like(layer.dense_weight()) / 10, torch.ones_like(layer.bias))
    j = jacobian(lambda x: made(x)[0][0], torch.ones(1, d, dtype=layer.bias.dtype))[:, 0]
    earlier = torch.ones(d, d, dtype=torch.bool).tril(-1)
    moved = j != 0
    assert not bool((moved & ~earlier).any()), "an output is moved by an input that does not come earlier"
    allowed_gap = 0 if units >= d - 1 else math.ceil((d - 2) / (units - 1)) - 1
    missing = (earlier & ~moved).sum(1)
    assert int(missing.max()) <= allowed_gap, f"output {int(missing.argmax())} misses {int(missing.max())}"
    assert int(missing[-1]) == 0, "the last output does not see all inputs before it"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "features, hidden", [(2, (2,)), (9, (8,)), (9, (30, 16)), (20, (8,)), (20, (8, 8)), (60, (13, 13, 13))]
)
def test_every_earlier_input_can_move_every_output(features, hidden, layout):
    check_coverage(MADE(features, hidden, layout).double())


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("features, hidden", [(20, (8,)), (20, (8, 8)), (60, (13, 13, 13))])
def test_cyclic_degrees_fail_the_coverage_check(features, hidden, shift):
    degrees = [torch.arange(units) % (features - 1) + shift for units in hidden]
    with pytest.raises(AssertionError):
        check_coverage(MADE(features, hidden, degrees=degrees).double())


def test_cyclic_degrees_pass_the_coverage_check_where_units_suffice():
    check_coverage(MADE(9, (16,), degrees=[torch.arange(16) % 8 + 1]).double())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_are_not_loaded_into_other_degrees(layout):
    flows = [MAF(6, (8, 8), transforms=1, layout=layout, degrees="random", seed=s) for s in (1, 4, 1)]
    weights = flows[0].state_dict()
    with pytest.raises(RuntimeError, match="saved with other degrees"):
        flows[1].load_state_dict(weights)
    flows[2].load_state_dict(weights)
    x = torch.randn(5, 6)
    assert torch.equal(flows[0].log_prob(x), flows[2].log_prob(x))


def test_loaded_weights_stay_under_the_stairs():
    made = MADE(6, (8, 8), layout="staircase")
    weights = {
        name: torch.ones_like(value) if name.endswith("weight") else value
        for name, value in made.state_dict().items()
    }
    made.load_state_dict(weights)
    rows = jacobian(lambda x: made(x)[0].sum(0), torch.randn(1, 6))[:, 0]
    assert torch.equal(rows.triu(), torch.zeros(6, 6))


def test_another_layout_is_the_same_function():
    made = MADE(5, (8,), layout="staircase").requires_grad_(False)
    made.bound = 0.01
    torch.nn.init.constant_(made.log_scale.bias, 3.0)
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    other = made.to_layout("dense")
    assert torch.equal(torch.rand(2), expected)  # the caller's random numbers go on untouched
    assert not any(p.requires_grad for p in other.parameters())
    x = torch.randn(3, 5)
    torch.testing.assert_close(other(x), made(x))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "given",
    [torch.ones(1, 10), torch.ones(1, 3), torch.ones(4), torch.ones(1, 4).double(), torch.ones(1, 4).int()],
    ids=["wide", "narrow", "flat", "double", "int"],
)
def test_a_block_is_solved_for_numbers_of_its_own_kind_only(layout, given):
    made = MADE(4, (8,), layout=layout)
    for solve in (staged_inverse, naive_inverse):
        with pytest.raises(ValueError, match=r"expected shape \(batch, 4\), torch.float32 on cpu; got"):
            solve(made, given)
    if layout == "staircase" and given.shape != (1, 4):
        with pytest.raises(ValueError, match=r"expected shape \(batch, 4\)"):
            made(given)
