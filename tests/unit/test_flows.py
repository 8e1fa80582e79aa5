"""MADE, MAF and what IAF shares with it: what may depend on what, densities, and refused arguments."""

import math

import pytest
import torch
from scipy import stats
from torch.autograd.functional import jacobian
from torch.distributions import Normal

from hw2lib.flows import (
    IAF,
    MADE,
    MAF,
    DequantizedPixels,
    MaskedLinear,
    StaircaseLinear,
    bits_per_dim,
    inverse_stages,
    made_masks,
    spread_degrees,
)
from hw2lib.flows.made import LOG_SCALE_CLAMP

LAYOUTS = ("staircase", "dense")
FLOWS = (MAF, IAF)


def enliven(module: torch.nn.Module, seed: int = 0, scale: float = 0.5) -> torch.nn.Module:
    """Give all layers weights of the size ``scale``/√in, so that the flow is far from the identity."""
    generator = torch.Generator().manual_seed(seed)
    for made in [module] if isinstance(module, MADE) else module.blocks:
        for layer in made.layers():
            shape = (len(layer.bias), layer.dense_weight().shape[1])
            weight = torch.randn(shape, generator=generator, dtype=torch.float64) * scale / shape[1] ** 0.5
            bias = torch.randn(shape[0], generator=generator, dtype=torch.float64) * 0.3
            layer.load_dense(weight.to(layer.bias), bias.to(layer.bias))
    return module


def diagonal(flow: MAF, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Make every conditional a constant; returns each block's (μ, α) in the order of x."""
    generator = torch.Generator().manual_seed(seed)
    constants = []
    for k, made in enumerate(flow.blocks):
        for layer in made.layers():
            layer.load_dense(torch.zeros_like(layer.dense_weight()), torch.zeros_like(layer.bias))
        mean, log_scale = torch.randn(2, flow.features, generator=generator, dtype=torch.float64) * 0.5
        with torch.no_grad():
            made.mean.bias.copy_(mean)
            made.log_scale.bias.copy_(log_scale)
        constants.append((mean.flip(0), log_scale.flip(0)) if k % 2 else (mean, log_scale))
    return constants


# Jacobians and densities


def test_one_feature_has_nothing_to_see():
    made = enliven(MADE(1, (4,)).double())
    mean, log_scale = made(torch.tensor([[-3.0], [5.0]], dtype=torch.float64))
    assert mean[0] == mean[1] and log_scale[0] == log_scale[1]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("hidden", [(10,), (30, 30), (9, 20, 15)])
def test_made_parameters_depend_on_strictly_earlier_inputs(hidden, layout):
    made = enliven(MADE(10, hidden, layout).double(), scale=1.5)
    x = torch.randn(1, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for part in (0, 1):
        j = jacobian(lambda v, part=part: made(v)[part][0], x)[:, 0]
        assert bool((j.triu() == 0).all()) and int((j != 0).sum()) > 20


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("transforms", [1, 2, 3, 4])
def test_log_determinant_equals_slogdet(transforms, layout):
    flow = enliven(MAF(11, (24, 24), transforms, layout).double(), scale=1.0)
    x = torch.randn(6, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    log_det = flow(x)[1].detach()
    for row, value in zip(x, log_det, strict=True):
        sign, reference = torch.linalg.slogdet(jacobian(lambda v: flow(v[None])[0][0], row))
        assert sign == 1
        assert abs(float(reference - value)) < 1e-10
    assert float(log_det.abs().max()) > 0.1


def test_one_block_is_triangular_and_two_see_everything():
    x = torch.randn(8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def of(transforms):
        flow = enliven(MAF(8, (99, 99), transforms).double(), seed=3, scale=1.5)
        return jacobian(lambda v: flow(v[None])[0][0], x)

    one, two = of(1), of(2)
    assert bool((one.triu(1) == 0).all()) and int((one != 0).sum()) == 36
    assert int((two != 0).sum()) == 64


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_block_is_a_product_of_normal_conditionals(layout):
    flow = enliven(MAF(6, (20, 20), 1, layout).double(), scale=1.0)
    x = torch.randn(9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    mean, log_scale = flow.blocks[0](x)
    conditionals = Normal(mean, log_scale.exp()).log_prob(x)
    torch.testing.assert_close(flow.log_prob_contributions(x), conditionals, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(flow.log_prob(x), conditionals.sum(1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("transforms", [1, 2, 3])
@pytest.mark.parametrize("flow_type", FLOWS)
def test_a_density_in_two_dimensions_integrates_to_one(transforms, flow_type):
    flow = enliven(flow_type(2, (16, 16), transforms).double(), seed=5, scale=1.0)
    axis = torch.linspace(-15, 15, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        density = flow.log_prob(grid).exp()
    total = float(density.sum()) * float(axis[1] - axis[0]) ** 2
    assert abs(total - 1) < 1e-4
    standard = torch.exp(-grid.square().sum(1) / 2) / (2 * math.pi)
    assert float((density - standard).abs().max()) > 0.02  # and it is not the base density


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("transforms", [1, 2, 3, 4])
@pytest.mark.parametrize("flow_type", FLOWS)
def test_contributions_sum_to_log_prob(transforms, layout, flow_type):
    flow = enliven(flow_type(7, (16,), transforms, layout).double(), scale=1.0)
    x = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    contributions = flow.log_prob_contributions(x)
    assert contributions.shape == (5, 7)
    torch.testing.assert_close(contributions.sum(1), flow.log_prob(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("transforms", [1, 2, 3, 4])
def test_outputs_and_contributions_are_in_the_order_of_the_input(transforms):
    flow = MAF(5, (8,), transforms).double()
    constants = diagonal(flow)
    x = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    u, log_scale = x, torch.zeros(5, dtype=torch.float64)
    for mean, alpha in constants:
        u, log_scale = (u - mean) * torch.exp(-alpha), log_scale + alpha
    expected = Normal(0, 1).log_prob(u) - log_scale
    torch.testing.assert_close(flow(x)[0], u, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(flow.log_prob_contributions(x), expected, rtol=1e-12, atol=1e-12)


# Sampling and inverse


@pytest.mark.parametrize("transforms", [1, 2, 3])
def test_moments_of_samples(transforms):
    flow = MAF(4, (8,), transforms).double()
    mean, deviation = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    for shift, log_scale in reversed(diagonal(flow)):
        mean, deviation = mean * log_scale.exp() + shift, deviation * log_scale.exp()
    n = 20_000
    x = flow.sample(n, generator=torch.Generator().manual_seed(8))
    assert x.shape == (n, 4) and x.dtype == torch.float64
    assert bool(((x.mean(0) - mean).abs() < 5 * deviation / n**0.5).all())
    assert bool(((x.std(0) / deviation - 1).abs() < 5 / (2 * n) ** 0.5).all())
    correlation = torch.corrcoef(x.t()) - torch.eye(4)
    assert float(correlation.abs().max()) < 5 / n**0.5


@pytest.mark.parametrize("flow_type", FLOWS)
def test_samples_have_the_density_of_the_flow(flow_type):
    """P(x₁ < 0, x₂ < 0) by counting samples and by summing the density on a grid."""
    flow = enliven(flow_type(2, (16, 16), 3).double(), seed=9, scale=1.0)
    n = 40_000
    x = flow.sample(n, generator=torch.Generator().manual_seed(9))
    assert not x.requires_grad
    counted = float((x < 0).all(1).double().mean())
    axis = (torch.arange(500, dtype=torch.float64) + 0.5) * -0.03
    with torch.no_grad():
        density = flow.log_prob(torch.cartesian_prod(axis, axis)).exp()
    expected = float(density.sum()) * 0.03**2
    assert 0.02 < expected < 0.98
    assert abs(counted - expected) < 5 * math.sqrt(expected * (1 - expected) / n)


@pytest.mark.parametrize("flow_type", FLOWS)
def test_samples_map_back_to_standard_normals(flow_type):
    flow = enliven(flow_type(6, (20, 20), 3).double(), seed=10, scale=1.0)
    u = flow(flow.sample(4000, generator=torch.Generator().manual_seed(10)))[0].detach()
    assert all(stats.kstest(column.numpy(), "norm").pvalue > 1e-4 for column in u.t())


def test_sampling_follows_its_generator_and_temperature():
    flow = enliven(MAF(5, (8,), 2))
    one, same, other = (flow.sample(3, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    cold = flow.sample(3, torch.Generator().manual_seed(1), temperature=0.0)
    assert torch.equal(cold[0], cold[1])
    torch.testing.assert_close(flow(cold)[0].detach(), torch.zeros(3, 5), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-4), (torch.float64, 1e-11)])
def test_round_trip_on_each_type_and_device(device, dtype, tolerance, layout):
    flow = enliven(MAF(50, (40, 40), 3, layout), scale=0.5).to(device, dtype)
    u = torch.randn(4, 50, generator=torch.Generator().manual_seed(11)).to(device, dtype)
    for method in ("staged", "naive"):
        x = flow.inverse(u, method=method)
        assert x.dtype == dtype and x.device.type == device and not x.requires_grad
        back, log_det = flow(x)
        assert back.dtype == log_det.dtype == dtype and log_det.shape == (4,)
        assert float((back - u).detach().abs().max()) < tolerance
    assert flow.sample(2).dtype == dtype
    assert flow.log_prob(x).shape == (4,)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_and_batch_size_make_no_difference(layout):
    flow = enliven(MAF(12, (9, 9), 2, layout).double())
    x = torch.randn(5, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(12))
    strided = torch.stack([x, x], dim=2).flatten(1)[:, ::2]
    assert not strided.is_contiguous()
    torch.testing.assert_close(flow(strided)[0], flow(x)[0], rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(flow.inverse(strided), flow.inverse(x), rtol=1e-12, atol=1e-12)
    alone = torch.cat([flow.inverse(row[None]) for row in x])
    torch.testing.assert_close(alone, flow.inverse(x), rtol=1e-12, atol=1e-12)
    assert flow(x[:0])[0].shape == (0, 12) and flow.inverse(x[:0]).shape == (0, 12)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("hidden", [(1, 100), (100, 2), (100, 1, 100), (40, 3, 90), (150, 150)])
def test_inverses_agree_where_a_layer_has_no_unit_for_many_stages(hidden, layout, batch):
    flow = enliven(MAF(200, hidden, 1, layout).double())
    u = torch.randn(batch, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(16))
    torch.testing.assert_close(flow.inverse(u), flow.inverse(u, "naive"), rtol=1e-10, atol=1e-10)


def test_log_scales_stop_at_the_bound():
    flow = MAF(3, (4,), 1).double()
    with torch.no_grad():
        flow.blocks[0].log_scale.bias.copy_(torch.tensor([100.0, -100.0, 0.0]))
        flow.blocks[0].log_scale.weight.zero_()
    x = torch.ones(1, 3, dtype=torch.float64)
    assert flow.blocks[0](x)[1].tolist() == [[LOG_SCALE_CLAMP, -LOG_SCALE_CLAMP, 0.0]]
    for method in ("staged", "naive"):
        torch.testing.assert_close(flow(flow.inverse(x, method))[0].detach(), x)


def test_full_size_needs_one_stage_per_distinct_degree():
    degrees = [spread_degrees(49_152, 512)] * 2
    stages = inverse_stages(degrees, 49_152)
    assert len(stages) == 513
    assert stages[0].outputs == (0, 1) and stages[-1].outputs[1] == 49_152


# Layers


def test_masked_linear_is_its_formula():
    mask = torch.tensor([[True, False, True], [False, False, False]])
    layer = MaskedLinear(mask)
    x = torch.tensor([[1.0, 10.0, 100.0]])
    w, b = layer.weight.detach(), layer.bias.detach()
    expected = [[w[0, 0] + 100 * w[0, 2] + b[0], b[1]]]
    torch.testing.assert_close(layer(x).detach(), torch.tensor(expected))


def test_staircase_gradients_pass_gradcheck():
    layer = StaircaseLinear(torch.tensor([0, 1, 1, 3, 4]), 4, cuts=[2, 4]).double()
    x = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(13))
    open_entries = layer.dense_weight().detach().ne(0)
    assert open_entries.sum(1).tolist() == [0, 1, 1, 3, 4]

    def product(x, bias):
        return torch.func.functional_call(layer, {"bias": bias}, (x,))

    assert torch.autograd.gradcheck(
        product, (x.requires_grad_(), layer.bias.detach().clone().requires_grad_())
    )


def test_closed_weights_stay_zero_through_training():
    torch.manual_seed(0)  # ten steps from some other weights fall by less
    flow = MAF(40, (50, 50), 2, rectangles=3)
    optimizer = torch.optim.Adam(flow.parameters(), lr=0.05, weight_decay=0.1)
    x = torch.randn(30, 40, generator=torch.Generator().manual_seed(14))
    before = -float(flow.log_prob(x).mean().detach())
    for _ in range(10):
        optimizer.zero_grad()
        loss = -flow.log_prob(x).mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < before - 1
    for made in flow.blocks:
        masks = made_masks(made.degrees, 40)
        for layer, mask in zip(made.layers(), [*masks, masks[-1]], strict=True):
            assert bool((layer.dense_weight()[~mask] == 0).all())


def test_the_staircase_stores_little_more_than_the_open_weights():
    dense, stairs = (MADE(768, (512, 512), layout) for layout in ("dense", "staircase"))
    masks = made_masks(dense.degrees, 768)
    opened = sum(int(m.sum()) for m in masks) + int(masks[-1].sum())
    assert dense.open_weights() == stairs.open_weights() == opened
    assert dense.stored_weights() == sum(m.numel() for m in masks) + masks[-1].numel()
    assert opened < stairs.stored_weights() < 1.08 * opened
    assert stairs.stored_weights() < 0.55 * dense.stored_weights()


# Pixels


def test_dequantised_pixels_come_back_with_any_noise():
    pixels = DequantizedPixels()
    v = torch.arange(256, dtype=torch.uint8).repeat(20, 1)
    x = pixels.encode(v, generator=torch.Generator().manual_seed(15))
    assert float(x.min()) >= -1 and float(x.max()) <= 1 and len(x[:, 100].unique()) == 20
    assert torch.equal(pixels.decode(x), v)
    assert pixels.decode(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]
    assert pixels.encode(v, dtype=torch.float64).dtype == torch.float64
    half = pixels.encode(v, noise=False, dtype=torch.float16)
    assert half.dtype == torch.float16 and torch.equal(pixels.decode(half), v)


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_uniform_pixels_cost_their_bits(bits):
    """A uniform density on [−1, 1]^D has NLL = D ln 2, which is b bits for every value of b bits."""
    d = 12
    pixels = DequantizedPixels(bits)
    assert bits_per_dim(d * math.log(2), d, pixels) == pytest.approx(bits, abs=1e-12)
    step = pixels.encode(torch.tensor([0, 1]), noise=False, dtype=torch.float64).diff()
    assert pixels.log_det == pytest.approx(math.log(float(step)))


# Arguments


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: MAF(4, transforms=0), "transforms=0"),
        (lambda: MAF(0), "features=0"),
        (lambda: MAF(4, ()), "hidden_features"),
        (lambda: MAF(4, (8, 0)), "units=0"),
        (lambda: MAF(4, (8,), layout="sparse"), "layout='sparse'"),
        (lambda: MAF(4, (8,), degrees="sorted"), "degrees='sorted'"),
        (lambda: MAF(4, (3,), degrees=[[1, 2]]), "lengths"),
        (lambda: MAF(4, (2, 2), degrees=[[1, 2]]), "lengths"),
        (lambda: MAF(4, (2,), degrees=[[1, 4]]), "0…3"),
        (lambda: MAF(4, (2,), degrees=[[-1, 2]]), "0…3"),
        (lambda: MAF(4, (8,)).inverse(torch.zeros(2, 4), method="fast"), "method='fast'"),
        (lambda: MAF(4, (8,))(torch.zeros(4)), r"\(batch, 4\)"),
        (lambda: MAF(4, (8,)).log_prob(torch.zeros(2, 5)), r"\(2, 5\)"),
        (lambda: MAF(4, (8,)).inverse(torch.zeros(2, 4, 1)), r"\(2, 4, 1\)"),
        (lambda: MADE(4, (8,)).to_layout("sparse"), "layout='sparse'"),
        (lambda: StaircaseLinear(torch.tensor([2, 1]), 3, []), "non-decreasing"),
        (lambda: StaircaseLinear(torch.tensor([1, 4]), 3, []), "non-decreasing"),
        (lambda: DequantizedPixels(0), "bits=0"),
        (lambda: DequantizedPixels(9), "bits=9"),
        (lambda: DequantizedPixels(5).encode(torch.tensor([32])), "pixels up to 32: expected at most 31"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
