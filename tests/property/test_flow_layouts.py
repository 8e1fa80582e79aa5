"""The two layouts are one function, and the three inverses are one inverse, for flows of any shape."""

import copy
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hw2lib.flows import MADE, MAF, inverse_stages, naive_inverse, staged_inverse_plain
from hw2lib.flows.fast.compiled import compiled_inverse, stage_table
from hw2lib.flows.fast.grouped import grouped_inverse
from hw2lib.flows.inverse import staged_inverse
from hw2lib.flows.masked_linear import MaskedLinear

TOLERANCE = 1e-10
SETTINGS = settings(max_examples=40)


@dataclass(frozen=True)
class Shape:
    features: int
    hidden: tuple[int, ...]
    degrees: object
    transforms: int
    rectangles: int | None
    seed: int
    batch: int


@st.composite
def shapes(draw) -> Shape:
    features = draw(st.integers(1, 60))
    hidden = tuple(draw(st.lists(st.integers(1, 70), min_size=1, max_size=3)))
    degree = st.integers(0, features - 1)
    degrees = draw(
        st.one_of(
            st.sampled_from(["spread", "random"]),
            st.tuples(*(st.lists(degree, min_size=n, max_size=n) for n in hidden)),
        )
    )
    if not isinstance(degrees, str):
        degrees = [torch.tensor(d) for d in degrees]
    rectangles = draw(st.one_of(st.none(), st.integers(1, 9)))
    return Shape(
        features,
        hidden,
        degrees,
        draw(st.integers(1, 4)),
        rectangles,
        draw(st.integers(0, 999)),
        draw(st.integers(1, 4)),
    )


def redraw(module: torch.nn.Module, seed: int) -> None:
    """Weights large enough for every connection to matter; those behind a mask are drawn too."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, MaskedLinear):
            with torch.no_grad():
                spread = 0.5 / max(1, layer.weight.shape[1]) ** 0.5
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * spread)
                layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) * 0.3)


def flows(shape: Shape) -> tuple[MAF, MAF]:
    """The dense reference and its conversion to the staircase, in float64."""
    dense = MAF(
        shape.features, shape.hidden, shape.transforms, "dense", shape.degrees, shape.seed, shape.rectangles
    )
    redraw(dense.double(), shape.seed)
    return dense, dense.to_layout("staircase")


def noise(shape: Shape) -> torch.Tensor:
    generator = torch.Generator().manual_seed(shape.seed + 1)
    return torch.randn(shape.batch, shape.features, generator=generator, dtype=torch.float64)


def dense_gradient(layer) -> torch.Tensor:
    """The gradient of a layer's weight as a matrix, whatever the layout."""
    if isinstance(layer, MaskedLinear):
        return layer.weight.grad
    holder = copy.deepcopy(layer)
    holder.weight.data = layer.weight.grad
    return holder.dense_weight().detach()


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = TOLERANCE) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=tolerance, atol=tolerance)


@given(shapes())
@SETTINGS
def test_staircase_equals_dense_masks(shape):
    dense, staircase = flows(shape)
    results = []
    for flow in (dense, staircase):
        x = noise(shape).requires_grad_()
        u, log_det = flow(x)
        # Weights of both signs, different for every entry: no gradient cancels by symmetry.
        weights = torch.linspace(-1, 2, u.numel(), dtype=torch.float64).reshape(u.shape)
        ((weights * u).sum() + (log_det * torch.arange(1, len(u) + 1)).sum()).backward()
        gradients = [
            g for b in flow.blocks for layer in b.layers() for g in (dense_gradient(layer), layer.bias.grad)
        ]
        results.append([u.detach(), log_det.detach(), x.grad, *gradients])
    assert len(results[0]) == 3 + 2 * shape.transforms * (len(shape.hidden) + 2)
    for reference, other in zip(*results, strict=True):
        assert close(reference, other)


@given(shapes())
@SETTINGS
def test_conversion_both_ways_keeps_the_function(shape):
    dense, staircase = flows(shape)
    back = staircase.to_layout("dense")
    x = noise(shape)
    with torch.no_grad():
        assert torch.equal(back(x)[0], dense(x)[0])
    for before, after in zip(dense.blocks, back.blocks, strict=True):
        for a, b in zip(before.layers(), after.layers(), strict=True):
            assert torch.equal(a.dense_weight(), b.dense_weight())
            assert torch.equal(a.bias, b.bias)
    assert staircase.to_layout("staircase").blocks[0].stored_weights() == staircase.blocks[0].stored_weights()


@given(shapes())
@SETTINGS
def test_staged_inverse_equals_the_naive_inverse(shape):
    for flow in flows(shape):
        for made in flow.blocks:
            u = noise(shape)
            reference = naive_inverse(made, u)
            scale = float(reference.abs().max().clamp_min(1))
            assert close(staged_inverse(made, u) / scale, reference / scale)
            assert close(staged_inverse_plain(made, u) / scale, reference / scale)
        u = noise(shape)
        x = flow.inverse(u, method="naive")
        scale = float(x.abs().max().clamp_min(1))
        assert close(flow.inverse(u) / scale, x / scale, 1e-8)
        assert close(flow(flow.inverse(u))[0].detach(), u, 1e-7)


@given(shapes())
@SETTINGS
def test_stages_are_few_and_compute_everything_once(shape):
    made = MADE(shape.features, shape.hidden, "dense", shape.degrees, shape.seed)
    stages = inverse_stages(made.degrees, shape.features)
    assert len(stages) <= len(torch.cat(made.degrees).unique()) + 1
    outputs = [i for stage in stages for i in range(*stage.outputs)]
    assert outputs == list(range(shape.features))
    for k, units in enumerate(shape.hidden):
        assert [i for stage in stages for i in range(*stage.units[k])] == list(range(units))
        for stage in stages:
            assert all(int(made.degrees[k][i]) == stage.degree for i in range(*stage.units[k]))


@pytest.mark.parametrize("solve", [grouped_inverse, staged_inverse_plain])
@given(shape=shapes())
@SETTINGS
def test_each_weight_is_used_once(solve, shape):
    """What the inverse multiplies is the same as what one forward pass multiplies."""
    dense, _ = flows(shape)
    made = dense.blocks[0]
    used = {layer: torch.zeros(layer.weight.shape, dtype=torch.int64) for layer in made.layers()}
    original = MaskedLinear.block

    def counting(layer, rows, columns):
        used[layer][rows, columns] += 1
        return original(layer, rows, columns)

    MaskedLinear.block = counting
    try:
        solve(made, noise(shape))
    finally:
        MaskedLinear.block = original
    for layer, count in used.items():
        assert int(count.max()) <= 1
        assert bool((count[layer.mask] == 1).all())


@given(shapes())
@SETTINGS
def test_the_compiled_inverse_reads_each_open_weight_once_and_no_other(shape):
    dense, staircase = flows(shape)
    made = dense.blocks[0]
    table = stage_table(inverse_stages(made.degrees, made.features))
    read = [torch.zeros(layer.weight.shape, dtype=torch.int64) for layer in [*made.hidden, made.mean]]
    for stage in table.tolist():
        for count, (seen, lo, hi) in zip(read, stage, strict=True):
            count[lo:hi, :seen] += 1
    for layer, count in zip([*made.hidden, made.mean], read, strict=True):
        assert torch.equal(count, layer.mask.long())
    for layer in staircase.blocks[0].layers():  # where a row begins is where its first weight lies
        first = layer.dense_weight()[:, 0]
        seen = first.nonzero().flatten()
        assert torch.equal(layer.weight[layer.row_starts[seen]], first[seen])


@pytest.mark.parametrize("normalizing", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(shape=shapes())
@SETTINGS
def test_one_sample_alone_is_solved_as_in_a_batch(dtype, normalizing, shape):
    for flow in flows(shape):
        made, u = flow.blocks[0].to(dtype), noise(shape).to(dtype)
        together = grouped_inverse(made, u, normalizing)
        alone = torch.cat([compiled_inverse(made, row[None], normalizing) for row in u])
        scale = float(together.abs().max().clamp_min(1))
        assert close(alone / scale, together / scale, 1e-10 if dtype == torch.float64 else 1e-3)
