"""The toy worlds of chapter 9: many trainings in one network, domains, counts, and what must be exact."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hw2lib.cyclegan import Objective, cycle_loss
from hw2lib.experiments.toy import (
    Blob,
    Ring,
    Scenes,
    StackedMLP,
    energy_distance,
    fit_pairs,
    input_correlation,
    merging_price,
    modes_covered,
    movement,
    nearest_mode,
    partners,
    realistic_share,
    rotation,
    sky_tint,
    train,
    wrong_pairs,
)

RING = Ring(radius=2.0, sigma=0.1)


def seeded(members, first=0):
    return [torch.Generator().manual_seed(first + k) for k in range(members)]


def sample(domain, n=400, members=3, seed=0):
    return domain.sample(n, members, torch.Generator().manual_seed(seed))


def test_each_member_is_the_network_that_torch_would_build():
    stack, x = StackedMLP([3, 8, 8, 2], seeded(4)), torch.randn(10, 4, 3)
    out = stack(x)
    for k in range(4):
        layers = []
        for weight, bias in zip(stack.weights, stack.biases, strict=True):
            linear = nn.Linear(*weight.shape[1:])
            linear.weight.data, linear.bias.data = weight[k].T, bias[k, 0]
            layers += [linear, nn.ReLU()]
        torch.testing.assert_close(out[:, k], nn.Sequential(*layers[:-1])(x[:, k]))


def test_a_member_does_not_feel_the_others():
    stack, x = StackedMLP([2, 8, 2], seeded(3)), torch.randn(10, 3, 2)
    gradients = []
    for others in (1.0, 5.0):
        moved = x * torch.tensor([1.0, others, others])[:, None]
        stack.zero_grad()
        stack(moved).square().mean().backward()
        gradients.append([p.grad[0].clone() for p in stack.parameters()])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two)


def test_a_member_starts_alike_in_any_company():
    few, many = StackedMLP([2, 8, 2], seeded(2)), StackedMLP([2, 8, 2], seeded(5))
    x = torch.randn(6, 5, 2)
    torch.testing.assert_close(few(x[:, :2]), many(x)[:, :2])


def test_start_and_skip_are_each_members_own():
    x = torch.randn(200, 3, 2)
    stack = StackedMLP([2, 16, 2], seeded(3), start=[1.0, 0.01, 1.0], skip=[0, 0, 1])
    out = stack(x).detach()
    assert float(out[:, 1].std(0).max()) < 0.01 < 0.05 < float(out[:, 0].std(0).max())
    assert float(input_correlation(out, x)[2]) > 0.99
    assert float(movement(out, x)[2]) < 0.3 < float(movement(out, x)[:2].min())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": [1.0, 2.0]}, "start: 2 values for 3 members"),
        ({"skip": [1.0] * 4}, "skip: 4 values for 3 members"),
        ({"sizes": [2, 8, 1], "skip": 1.0}, "as many outputs as inputs"),
    ],
)
def test_wrong_shapes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        StackedMLP(**({"sizes": [2, 8, 2], "generators": seeded(3)} | options))


def test_ring_has_its_modes_where_it_says():
    points = sample(RING, 4000)
    assert RING.centres().norm(dim=1).allclose(torch.tensor(2.0))
    mode = nearest_mode(points, RING.centres())
    assert (
        torch.bincount(mode.flatten(), minlength=8).float().div(points.shape[0] * 3).sub(1 / 8).abs().max()
        < 0.02
    )
    offset = points - RING.centres()[mode]
    assert abs(float(offset.std()) - RING.sigma) < 0.01
    assert modes_covered(points, RING.centres(), 0.4).tolist() == [8, 8, 8]
    assert float(realistic_share(points, RING.centres(), 0.4).min()) > 0.99


def test_blobs_lie_where_each_member_has_them():
    points = sample(Blob([(0.0, 0.0), (4.0, -1.0)], 0.5), 4000, 2)
    torch.testing.assert_close(points.mean(0), torch.tensor([[0.0, 0.0], [4.0, -1.0]]), atol=0.05, rtol=0)
    torch.testing.assert_close(points.std(0), torch.full((2, 2), 0.5), atol=0.05, rtol=0)


def test_turning_all_skies_leaves_each_season_as_it_is():
    for winter in (False, True):
        tint = sky_tint(sample(Scenes(winter), 4000))
        assert float(tint.abs().min()) > 0.2, "a sky is warm or cold"
        assert float(energy_distance(tint[..., None], -tint[..., None]).abs().max()) < 0.01
    summer, winter = sky_tint(sample(Scenes(False), 4000)), sky_tint(sample(Scenes(True), 4000, seed=1))
    assert float(energy_distance(summer[..., None], winter[..., None]).abs().max()) < 0.01


def test_tint_sees_the_sky_only():
    image = torch.zeros(1, 1, 3, 4, 4)
    image[..., 2:, :] = torch.randn(3, 2, 4)
    assert float(sky_tint(image.flatten(2))) == 0
    image[:, :, 0, :2], image[:, :, 2, :2] = 0.7, -0.1
    assert float(sky_tint(image.flatten(2))) == pytest.approx(0.4)


def test_the_ground_tells_the_seasons_apart():
    red = [sample(Scenes(w)).unflatten(-1, (3, 4, 4))[:, :, 0, 2:].mean() for w in (False, True)]
    assert float(red[0]) < -0.3 < 0.5 < float(red[1])


@given(
    modes=st.integers(1, 8),
    members=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_counted_modes_are_those_that_were_put_there(modes, members, seed):
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(8, generator=generator)[:modes]
    points = RING.centres()[chosen].repeat(20, 1)[:, None].expand(-1, members, -1)
    assert modes_covered(points, RING.centres(), 0.4).tolist() == [modes] * members
    assert realistic_share(points + 5, RING.centres(), 0.4).tolist() == [0] * members


def test_a_mode_with_too_few_points_is_not_covered():
    points = RING.centres()[[0] * 99 + [1]][:, None]
    assert modes_covered(points, RING.centres(), 0.4).tolist() == [1]
    assert modes_covered(points, RING.centres(), 0.4, least=0.01).tolist() == [2]


def test_partners_of_a_turned_ring():
    points = sample(RING)
    step = 2 * math.pi / 8
    turn = torch.tensor([[math.cos(step), math.sin(step)], [-math.sin(step), math.cos(step)]])
    found = partners(points @ turn, points, RING.centres(), RING.centres())
    assert found.tolist() == [[1, 2, 3, 4, 5, 6, 7, 0]] * 3


@given(seed=st.integers(0, 1000), groups=st.integers(1, 6), d=st.integers(1, 3))
@settings(max_examples=40)
def test_no_way_back_is_cheaper_than_the_price_of_merging(seed, groups, d):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(60, d, generator=generator, dtype=torch.float64)
    group = torch.randint(groups, (60,), generator=generator)
    price = merging_price(points, group)
    back = torch.randn(groups, d, generator=generator, dtype=torch.float64)
    medians = torch.stack(
        [points[group == k].median(0).values if bool((group == k).any()) else back[k] for k in range(groups)]
    )
    assert float(cycle_loss(medians[group], points)) == pytest.approx(price)
    assert float(cycle_loss(back[group], points)) >= price
    assert float(cycle_loss((medians + 0.1 * back)[group], points)) >= price - 1e-12
    assert merging_price(points, torch.arange(60)) == 0


def test_energy_distance():
    p, q = sample(RING, 1500), sample(RING, 1500, seed=1)
    assert float(energy_distance(p, q).abs().max()) < 0.01
    assert float(energy_distance(p, q + 1).min()) > 0.3
    a, b = torch.tensor([0.0, 1.0])[:, None, None], torch.tensor([0.0, 3.0])[:, None, None]
    # 2 (0 + 3 + 1 + 2)/4 − 1 − 3
    assert energy_distance(a, b).tolist() == [pytest.approx(-1.0)]


def test_movement_and_correlation():
    x = torch.randn(100, 2, 3)
    torch.testing.assert_close(movement(x + 2, x), torch.full((2,), 2 * math.sqrt(3)))
    torch.testing.assert_close(input_correlation(3 * x + 1, x), torch.ones(2))
    torch.testing.assert_close(input_correlation(-x, x), -torch.ones(2))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_wrong_pairs_exchange_the_stated_share(share):
    partner = torch.randn(1000, 2, 2)
    spoilt = wrong_pairs(partner, torch.tensor([share, 0.0]), torch.Generator().manual_seed(0))
    assert int((spoilt != partner).any(-1)[:, 0].sum()) == round(1000 * share)
    assert torch.equal(spoilt[:, 1], partner[:, 1])
    torch.testing.assert_close(spoilt[:, 0].sort(0).values, partner[:, 0].sort(0).values)


def test_regression_finds_mean_and_median():
    x = torch.zeros(400, 1, 1)
    y = torch.tensor([0.0, 0.0, 0.0, 4.0]).repeat(100)[:, None, None]
    mean, median = (float(fit_pairs(x, y, loss, steps=150)(x).mean()) for loss in ("l2", "l1"))
    assert abs(mean - 1) < 0.25
    assert abs(median) < 0.25


def test_training_moves_points_onto_the_target_and_back():
    a, b = Blob([(0.0, 0.0)] * 2, 0.5), Blob([(2.0, 1.0)] * 2, 0.5)
    x, y = sample(a, members=2), sample(b, members=2, seed=1)
    net = train(a, b, Objective(1, 0), steps=150, members=2, learning_rates=(5e-3, 5e-3))
    assert not any(p.requires_grad for p in net.parameters())
    before = energy_distance(x, y)
    assert float((energy_distance(net.G_A(x), y) / before).max()) < 0.3
    assert float(cycle_loss(net.G_B(net.G_A(x)), x)) < 0.3


def test_training_repeats_itself_and_follows_its_seed():
    a, b = Ring(), RING
    x = sample(a, 50, 2)
    first, again, other = (
        train(a, b, Objective(), steps=3, members=2, seed=seed).G_A(x) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_one_generator_serves_both_directions():
    net = train(Ring(), RING, Objective(), steps=2, members=2, one_generator=True)
    assert net.G_A is net.G_B


def test_domains_of_different_dimension_are_refused():
    with pytest.raises(ValueError, match="dimension 2 and 48"):
        train(Ring(), Scenes(True), Objective(), steps=1)


def test_a_rotation_turns_one_ring_into_the_other():
    turned = Ring(radius=2.0, turn=math.pi / 8).centres()
    torch.testing.assert_close(RING.centres() @ rotation(math.pi / 8), turned)
