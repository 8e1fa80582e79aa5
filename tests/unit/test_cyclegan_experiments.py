"""The small experiments of chapter 10: fields, checkerboards, the pool's game, tasks on toy images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hw2lib.cyclegan import Objective, PatchDiscriminator, ResnetGenerator, UnetGenerator, receptive_field
from hw2lib.experiments import checkerboards as cb
from hw2lib.experiments import geometry, pool_game, receptive_fields
from hw2lib.translation import spectra

KINDS = ("transposed-3", "transposed-4", "resize")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(strides=st.lists(st.integers(1, 3), min_size=1, max_size=5), kernel=st.integers(1, 5))
def test_fields_from_the_input_are_those_from_the_output(strides, kernel):
    chain = receptive_fields.strided_chain(strides, kernel)
    assert receptive_fields.field_table(chain)[-1].field == receptive_field(chain)


@settings(max_examples=15)
@given(strides=st.lists(st.integers(1, 2), min_size=1, max_size=3), index=st.integers(0, 4))
def test_field_slice_is_what_moves_a_score(strides, index):
    chain = receptive_fields.strided_chain(strides).double()
    image = torch.ones(3, 48, 48, dtype=torch.float64)
    moved = receptive_fields.pixel_influence(chain, image, index, index).nonzero()
    part = receptive_fields.field_slice(chain, index, 48)
    assert (int(moved.min()), int(moved.max()) + 1) == (part.start, part.stop)


def test_instance_norm_reaches_beyond_the_field():
    discriminator = PatchDiscriminator(features=2, layers=1).double()
    image = torch.randn(3, 32, 32, dtype=torch.float64, generator=seeded())
    part = receptive_fields.field_slice(discriminator, 3, 32)
    for network, outside in ((receptive_fields.convolutions_alone(discriminator), 0), (discriminator, 1)):
        influence = receptive_fields.pixel_influence(network, image, 3, 3)
        influence[part, part] = 0
        assert bool(influence.count_nonzero()) == bool(outside)
    assert not any(
        isinstance(m, type(discriminator.layers[3])) for m in receptive_fields.without_norms(discriminator)
    )


def test_patch_shares_follow_the_region():
    discriminator = PatchDiscriminator(features=2)
    mask = torch.zeros(128, 128, dtype=torch.bool)
    assert receptive_fields.patch_shares(discriminator, mask).shape == (14, 14)
    assert not receptive_fields.patch_shares(discriminator, mask).any()
    assert (receptive_fields.patch_shares(discriminator, ~mask) == 1).all()
    mask[:, 64:] = True
    shares = receptive_fields.patch_shares(discriminator, mask)
    assert (shares.diff(dim=1) >= 0).all() and shares[0, 0] == 0 and shares[0, -1] == 1
    # Score 7 sees columns 33 to 102, of which 64 to 102 lie in the region.
    assert float(shares[5, 7]) == pytest.approx(39 / 70)


def test_shape_table_lists_every_layer_with_weights():
    network = ResnetGenerator(blocks=2, features=4)
    table = receptive_fields.shape_table(network, 16)
    assert sum(stage.count * stage.parameters for stage in table) == sum(
        p.numel() for p in network.parameters()
    )
    assert [stage.shape for stage in table[:3]] == [(4, 16, 16), (8, 8, 8), (16, 4, 4)]
    assert table[-1].shape == (3, 16, 16)
    assert [stage.count for stage in table] == [1, 1, 1, 4, 1, 1, 1]
    # However it is computed, a convolution goes by torch's name.
    assert [stage.name for stage in table] == [*["Conv2d"] * 4, *["ConvTranspose2d"] * 2, "Conv2d"]
    assert not any(layer._forward_hooks for layer in network.modules())


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=20), st.floats(0, 1))
def test_score_moments_add_up_to_the_loss(values, target):
    scores = torch.tensor(values, dtype=torch.float64)
    _, bias, variance = receptive_fields.score_moments(scores, target)
    assert float(bias + variance) == pytest.approx(float((scores - target).square().mean()), abs=1e-9)


def test_textures_differ_in_grain_only():
    images = receptive_fields.noise_texture(2, 32, seeded())
    blurred = receptive_fields.without_grain(images)
    assert images.shape == blurred.shape and images.abs().max() <= 1
    torch.testing.assert_close(images.mean((2, 3)), blurred.mean((2, 3)), atol=0.05, rtol=0)
    assert blurred.diff(dim=3).square().mean() < 0.1 * images.diff(dim=3).square().mean()


def test_a_discriminator_without_norms_says_where():
    discriminator = receptive_fields.grain_discriminator(normed=False, steps=40, size=32, layers=1)
    image, mask = receptive_fields.half_generated(7, size=32)
    with torch.no_grad():
        scores = discriminator(image[None])[0, 0]
    assert receptive_fields.contrast(scores, receptive_fields.patch_shares(discriminator, mask)) > 0.4


def test_contrast():
    shares = torch.tensor([0.0, 0.5, 1.0])
    assert receptive_fields.contrast(torch.tensor([1.0, 9.0, 0.0]), shares) == 1
    assert receptive_fields.contrast(torch.ones(3), shares) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_overlap_counts(kind):
    counts = cb.overlap_counts(kind)[2:-2, 2:-2]
    if kind == "resize":
        expected = [9]
    else:
        per_row = cb.overlaps_by_formula(int(kind[-1]), 2)
        expected = sorted({a * b for a in per_row for b in per_row})
    assert counts.unique().tolist() == expected
    assert torch.equal(counts, counts.roll((2, 2), (0, 1)))


def test_unknown_layers_are_refused():
    with pytest.raises(ValueError, match="kind='bilinear'"):
        cb.upsampling_layer("bilinear")


@given(seed=st.integers(0, 99), half=st.integers(1, 6))
def test_nyquist_energy_is_the_variance_of_the_phase_means(seed, half):
    images = torch.randn(3, 2 * half, 2 * half + 4, dtype=torch.float64, generator=seeded(seed))
    phases = [images[:, i::2, j::2].mean((1, 2)) for i in (0, 1) for j in (0, 1)]
    variance = torch.stack(phases, 1).var(1, correction=0)
    torch.testing.assert_close(spectra.nyquist_energy(images), variance)


def test_only_a_grid_of_its_period_stands_out():
    noise = torch.randn(16, 3, 64, 64, dtype=torch.float64, generator=seeded())
    column, window = torch.arange(64, dtype=torch.float64), torch.hann_window(64, periodic=False).double()
    # The energy of a wave of height 1 over that of the noise in one row and one column of the spectrum.
    whole = float(window.sum() ** 2 / (2 * window.square().sum()))
    for period, other, expected in ((2, 4, 1 + whole), (4, 2, 1 + whole / 4)):
        assert spectra.grid_excess(noise, period) == pytest.approx(1, abs=0.15)
        grid = noise + torch.cos(2 * torch.pi * column / period)
        found = spectra.grid_excess(grid, period)
        assert found == pytest.approx(expected, rel=0.15)
        assert spectra.grid_excess(grid, other) == pytest.approx(1, abs=0.15)
        assert spectra.grid_excess(3 * grid.transpose(2, 3) + 1, period) == pytest.approx(found)
    with pytest.raises(ValueError, match="period=5"):
        spectra.grid_excess(noise, 5)


def test_fine_share_tells_a_checkerboard_from_a_sky():
    sky = cb.skies(4, 32, seeded()).double()
    assert sky.abs().max() < 1
    assert spectra.fine_share(sky) < 1e-6
    board = (-1.0) ** (torch.arange(32)[:, None] + torch.arange(32)).double()
    assert spectra.fine_share(board.expand(1, 3, 32, 32)) > 0.9


def test_only_resize_convolution_keeps_a_flat_image_flat():
    responses = {kind: cb.flat_response(kind, 500, seeded()) for kind in KINDS}
    assert responses["resize"] < 1e-20
    assert min(responses["transposed-3"], responses["transposed-4"]) > 0.6


def test_sky_generators_learn_and_leave_the_global_generator_alone():
    state = torch.get_rng_state()
    fresh, trained = (cb.sky_generator("transposed", steps, side=16, features=4) for steps in (0, 30))
    assert torch.equal(state, torch.get_rng_state())
    sky = cb.skies(8, 16, seeded(9))
    with torch.no_grad():
        assert spectra.fine_share(trained(sky)) < spectra.fine_share(fresh(sky))


def test_half_of_what_a_pool_gives_back_is_older():
    share, age = pool_game.older_share(10, 3000, seeded())
    assert abs(share - 0.5) < 4 * 0.5 / 3000**0.5
    # Each place is refilled with probability 1/20 a step, so an image waits 20 steps on average.
    assert 16 < age < 24


def test_games_are_independent_and_repeatable():
    one, two = (pool_game.play(5, seeds=3, steps=120, seed=4) for _ in range(2))
    assert torch.equal(one.path, two.path) and torch.equal(one.loss, two.loss)
    assert one.path.shape == (60, 3, 2) and one.loss.shape == (60, 3)
    assert one.wander().shape == one.forgetting().shape == one.loss_swing().shape == (3,)
    assert len(one.path[-1].unique(dim=0)) == 3
    with pytest.raises(ValueError, match="steps=40"):
        pool_game.play(5, steps=40)


def test_wander_is_the_spread_of_the_path():
    path = torch.tensor([[[1.0, 0.0]], [[-1.0, 0.0]]])
    game = pool_game.Game(path, torch.zeros(2, 1), torch.zeros(2, 1), torch.ones(2, 1))
    assert float(game.wander()) == 1.0 and float(game.forgetting()) == 1.0


@given(seed=st.integers(0, 99), size=st.sampled_from((12, 16, 32)), red=st.booleans())
@settings(max_examples=20)
def test_tasks_move_or_recolour_whole_shapes(seed, size, red):
    images = geometry.rectangles(4, seeded(seed), size, red)
    assert images.abs().max() < 1 and images.ne(0).flatten(1).any(1).all()
    for task, apply in geometry.TASKS.items():
        values = (-1 if task == "recolour" else 1) * apply(images)
        assert torch.equal(values.flatten(1).sort(1).values, images.flatten(1).sort(1).values)
    if size == 16:
        assert not images[..., -geometry.SHIFT :].any(), "shifting would cut the shape"
    columns = torch.arange(size).float()

    def centre(pictures):
        weight = pictures.abs().sum((1, 2))
        return (weight * columns).sum(1) / weight.sum(1)

    assert (centre(geometry.TASKS["mirror"](images)) > centre(images)).all()


def test_transplant_of_one_image_is_the_network_itself():
    unet = UnetGenerator(downs=3, features=4)
    a, b = geometry.rectangles(2, seeded(), size=16).split(1)
    with torch.no_grad():
        torch.testing.assert_close(geometry.transplant(unet, a, a), unet(a))
        assert not torch.equal(geometry.transplant(unet, a, b), geometry.transplant(unet, b, a))


def test_relative_error():
    target = torch.tensor([0.0, 1.0, -1.0])
    assert geometry.relative_error(target, target) == 0
    assert geometry.relative_error(torch.zeros(3), target) == 1


def test_fitting_a_task_lowers_its_error():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())
    images = geometry.rectangles(8, seeded(5), red=True)
    before = geometry.relative_error(network(images), geometry.TASKS["recolour"](images))
    geometry.fit_task(network, "recolour", steps=60, learning_rate=2e-2)
    assert geometry.relative_error(network(images), geometry.TASKS["recolour"](images)) < 0.5 * before


def test_translating_is_repeatable():
    one, two = (geometry.translate("mirror", 12, Objective(), seed=2, batch=1) for _ in range(2))
    assert torch.equal(one.outputs, two.outputs) and torch.equal(one.cycled, two.cycled)
    assert one.outputs.shape == one.answers.shape == one.inputs.shape
    assert torch.equal(one.answers, one.inputs.flip(3))


def test_agreement_ignores_what_all_outputs_share():
    answers = geometry.rectangles(8, seeded(), red=True)
    assert geometry.agreement(answers + 0.3, answers) == pytest.approx(1, abs=1e-5)
    assert geometry.agreement(-answers, answers) == pytest.approx(-1, abs=1e-5)
