"""The local detector: features, densities, calibration, mask, and what holds for images of any kind."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from hw2lib.anomaly.local import (
    KINDS,
    Calibration,
    ConditionalFlow,
    LineFeatures,
    LocalConfig,
    LocalDetector,
    Neighbours,
    PlaceGaussian,
    image_p_values,
    line_filters,
    object_mask,
    synthetic_defects,
    top_mean,
)
from hw2lib.anomaly.local.densities import place_encoding, silent
from hw2lib.data import synthetic_capsules
from hw2lib.errors import UserError
from hw2lib.statistics import auroc
from hw2lib.training.settings import override

SMALL = LocalConfig(size=64, hidden_features=(16,), transforms=2, steps=30, batch_cells=256)


@pytest.fixture(scope="module")
def capsules():
    return synthetic_capsules(64, train=30, good=8, per_defect=4)


def texture(n, height, width, seed=0):
    """Noise without a border, a little smoothed."""
    rng = np.random.default_rng(seed)
    values = rng.normal(120, 25, (n, 1, height, width)) + rng.normal(0, 4, (n, 3, 1, 1))
    return torch.from_numpy(np.clip(values, 0, 255).astype(np.uint8)).expand(-1, 3, -1, -1).contiguous()


# Features


def test_filters_have_no_mean_and_unit_weight():
    filters = line_filters(LocalConfig()).double()
    assert torch.allclose(filters.sum((1, 2)), torch.zeros(1).double(), atol=1e-6)
    assert torch.allclose(filters.abs().sum((1, 2)), torch.ones(1).double(), atol=1e-6)


def test_features_are_pooled_convolutions():
    """Against a direct convolution in double precision, at a cell in the middle and one in the corner."""
    config, images = LocalConfig(size=32), texture(2, 32, 48)
    found = LineFeatures(config, (32, 48))(images)
    assert found.shape == (2, 8, 12, 35)
    lightness = images.double().mean(1) / 255
    filters = line_filters(config).double()
    reach = filters.shape[-1] // 2
    padded = torch.nn.functional.pad(lightness[:, None], [reach] * 4, mode="reflect")
    direct = torch.nn.functional.conv2d(padded, filters.flip(1, 2)[:, None])
    for row, column in ((0, 0), (4, 6), (7, 11)):
        cell = direct[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        expected = cell.abs().mean((2, 3)).sqrt()
        assert torch.allclose(found[:, row, column, :32].double(), expected, atol=1e-4)
        colour = lightness[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].mean((1, 2))
        assert torch.allclose(found[:, row, column, 32].double(), colour, atol=1e-5)


def test_a_box_gives_the_same_features_as_the_whole():
    config, images = LocalConfig(size=64), texture(2, 64, 64)
    whole = LineFeatures(config, (64, 64))(images)
    box = (slice(2, 9), slice(5, 16))
    part = LineFeatures(config, (64, 64), box)(images)
    assert torch.allclose(part, whole[:, *box], atol=1e-4)


def test_energy_keeps_a_line_whose_values_cancel():
    image = torch.full((1, 3, 64, 64), 100, dtype=torch.uint8)
    image[:, :, :, 30] = 120
    blank = torch.full_like(image, 100)
    seen = {}
    for pooling in ("energy", "value"):
        features = LineFeatures(LocalConfig(size=64, pooling=pooling), (64, 64))
        seen[pooling] = float((features(image) - features(blank))[..., :32].abs().max())
    assert seen["energy"] > 10 * seen["value"]


def test_elongated_filters_answer_to_their_own_direction_alone():
    image = torch.full((1, 3, 64, 64), 100, dtype=torch.uint8)
    image[:, :, 30, :] = 140  # a horizontal line: direction 0
    answers = LineFeatures(LocalConfig(size=64), (64, 64))(image)[0, 7, 7, 0:16:2]
    assert int(answers.argmax()) == 0
    assert float(answers[4]) < 0.2 * float(answers[0])


def test_images_smaller_than_the_filters_are_refused():
    with pytest.raises(UserError, match="the filters need more than 20"):
        LineFeatures(LocalConfig(), (12, 40))


# Densities


def features(n, rows=4, columns=5, d=3, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, rows, columns, d))).float()


def test_neighbours_are_those_of_scikit_learn():
    """The nearest cell of each of the k nearest images, all images at once and leaving one out."""
    normal, test = features(12), features(3, seed=1)
    inside = torch.ones(4, 5, dtype=torch.bool)
    density = Neighbours(LocalConfig(whitening=0.0, neighbours=2, radius=1), inside)
    held = density.fit(normal, silent)
    scores, bank = density(test), (normal @ density.whiten).half().float()

    def expected(query, row, column, used):
        distances = []
        for image in used:
            near = image[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].reshape(-1, 3)
            found = NearestNeighbors(n_neighbors=1).fit(near.numpy()).kneighbors(query[None].numpy())[0]
            distances.append(float(found[0, 0]))
        return np.mean(sorted(distances)[:2])

    for row, column in ((0, 0), (2, 3), (3, 4)):
        for k in range(3):
            query = (test @ density.whiten)[k, row, column]
            assert float(scores[k, row, column]) == pytest.approx(
                expected(query, row, column, bank), rel=1e-3
            )
        others = [image for n, image in enumerate(bank) if n != 5]
        alone = expected(bank[5, row, column], row, column, others)
        assert float(held.scores[5, row, column]) == pytest.approx(alone, rel=1e-3)
    assert held.images.tolist() == list(range(12))


def test_full_whitening_is_the_mahalanobis_distance():
    normal = features(40) @ torch.tensor([[3.0, 0, 0], [1, 1, 0], [0, 0.5, 0.2]])
    cells = normal.reshape(-1, 3).double()
    inverse = torch.linalg.inv(torch.cov(cells.T, correction=0))
    density = Neighbours(LocalConfig(whitening=1.0), torch.ones(4, 5, dtype=torch.bool))
    density.fit(normal, silent)
    difference = (cells[0] - cells[7]).float()
    expected = math.sqrt(float(difference.double() @ inverse @ difference.double()))
    assert float((difference @ density.whiten).norm()) == pytest.approx(expected, rel=1e-4)


def test_the_gaussian_is_scipys():
    normal, test = features(30), features(4, seed=2)
    density = PlaceGaussian(LocalConfig(shrinkage=0.3), torch.ones(4, 5, dtype=torch.bool))
    held = density.fit(normal, silent)
    cell = normal[:, 1, 2].double()
    covariance = torch.cov(cell.T)
    mixed = 0.7 * covariance + 0.3 * torch.diag(covariance.diagonal())
    model = stats.multivariate_normal(cell.mean(0).numpy(), mixed.numpy())
    expected = -model.logpdf(test[:, 1, 2].double().numpy()) - 1.5 * math.log(2 * math.pi)
    np.testing.assert_allclose(density(test)[:, 1, 2].numpy(), expected, rtol=2e-3)
    # What is held out is judged more strictly than what was learnt.
    assert float(held.scores.mean()) > float(density(normal).mean())


def test_cells_that_are_not_looked_at_score_nothing_and_teach_nothing():
    normal, inside = features(20), torch.zeros(4, 5, dtype=torch.bool)
    inside[1:3, 1:4] = True
    spoiled = normal.clone()
    spoiled[:, 0, 0] = 1e4
    for kind in (PlaceGaussian, ConditionalFlow):
        config = SMALL.model_copy(update={"steps": 3})
        first, second = kind(config, inside), kind(config, inside)
        held = first.fit(normal, silent)
        assert torch.equal(held.scores, second.fit(spoiled, silent).scores)
        assert bool((held.scores[:, ~inside] == 0).all())


def test_the_flow_learns_what_is_usual_where():
    """Two halves of the image with opposite means: only a density that knows the place tells them apart."""
    normal = features(60, 6, 6, 2) * 0.3
    normal[:, :, :3, 0] += 2
    normal[:, :, 3:, 0] -= 2
    config = LocalConfig(hidden_features=(32,), transforms=2, steps=400, batch_cells=256, frequencies=2)
    density = ConditionalFlow(config, torch.ones(6, 6, dtype=torch.bool))
    held = density.fit(normal, silent)
    assert len(held.images) == 12
    usual, swapped = density(normal), density(normal.flip(2))
    assert float(swapped.mean() - usual.mean()) > 5
    again = ConditionalFlow(config, torch.ones(6, 6, dtype=torch.bool))
    assert torch.equal(again.fit(normal, silent).scores, held.scores)  # all follows from the seed


def test_places_have_encodings_of_their_own():
    codes = place_encoding((8, 8), 4)
    assert codes.shape == (64, 16)
    assert float((torch.cdist(codes, codes) + 9 * torch.eye(64)).min()) > 0.3


# Calibration


def test_calibrated_cells_exceed_as_often_as_they_say():
    """Scores whose spread and tail differ from place to place: the probabilities hold at every place."""
    rng = np.random.default_rng(0)
    spread, index = np.exp(np.linspace(-2, 2, 12)), np.linspace(2, 6, 9)[:, None]
    normal, fresh = (torch.from_numpy(spread * rng.pareto(index, (n, 9, 12))).float() for n in (400, 4000))
    config = LocalConfig(window=1, tail=0.9)
    calibration = Calibration(config, torch.ones(9, 12, dtype=torch.bool)).fit(normal)
    maps = calibration(fresh)
    for minus_log in (1.0, 2.0):
        share = (maps > minus_log).float().mean(0) * 10**minus_log
        assert 0.8 < float(share.mean()) < 1.25
        assert float(share.min()) > 0.1 and float(share.max()) < 5  # uncalibrated: from 0 to 50
    order = fresh[:, 0, 0].argsort()
    assert bool((maps[order, 0, 0].diff() >= 0).all())


def test_calibration_pools_the_cells_that_are_looked_at_alone():
    rng = np.random.default_rng(1)
    normal = torch.from_numpy(rng.gamma(3.0, 1.0, (40, 6, 6))).float()
    inside = torch.zeros(6, 6, dtype=torch.bool)
    inside[2:4, 1:5] = True
    spoiled = torch.where(inside, normal, torch.tensor(1e6))
    first, second = (Calibration(LocalConfig(window=5), inside).fit(x)(x) for x in (normal, spoiled))
    assert torch.equal(first, second)
    logs = (normal - normal[:, inside].min()).clamp(min=0)
    offset = 0.2 * logs[:, inside].flatten().median() + 1e-3
    pooled = (logs[:, 2:4, 1:4] + offset).log().flatten().double().numpy()  # around (2, 1)
    level = np.quantile(pooled, 0.95)
    beta = np.mean(pooled[pooled > level] - level)
    values = (logs[:, 2, 1] + offset).log().double().numpy()
    excess = (values - level) / beta / math.log(10)
    start = math.log10(20)
    expected = np.where(excess > 0, start + excess, start * np.exp(np.minimum(excess, 0) / start))
    assert (excess > 0).any()
    np.testing.assert_allclose(first[:, 2, 1].numpy(), expected, atol=1e-3)


def test_image_p_values_are_conformal_and_go_on_beyond_the_largest():
    rng = np.random.default_rng(0)
    normal, fresh = rng.exponential(size=99), rng.exponential(size=20000)
    p = image_p_values(fresh, normal)
    within = fresh <= normal.max()
    counted = (1 + (normal[None] >= fresh[within][:200, None]).sum(1)) / 100
    np.testing.assert_allclose(p[within][:200], counted)
    for level in (0.5, 0.2, 0.05):
        assert np.mean(p <= level) < 1.5 * level
    far = image_p_values(np.array([20.0, 30.0]), normal)
    assert far[1] < far[0] < 1e-5  # of an exponential 2e-9 and 1e-13
    assert np.all(np.diff(image_p_values(np.linspace(0, 12, 200), normal)) <= 0)


# Objects


def test_the_object_is_found_and_a_texture_has_none(capsules):
    mask = object_mask(capsules.train, SMALL)
    assert 0.15 < mask.mean() < 0.6
    assert mask[32, 32] and not mask[2, 2]
    assert object_mask(texture(20, 64, 64), SMALL) is None
    striped = texture(20, 64, 64)
    striped[..., ::16] = 255
    assert object_mask(striped, SMALL) is None


def test_defects_lie_on_the_object_by_and_large(capsules):
    mask = object_mask(capsules.train, SMALL)
    defective = capsules.masks.numpy()
    assert (defective & mask).sum() > 0.9 * defective.sum()  # a squeeze is bare table


# Synthetic defects


def test_synthetic_defects_are_where_their_masks_say(capsules):
    normal = capsules.train[:3]
    mask = object_mask(capsules.train, SMALL)
    made = synthetic_defects(normal, mask)
    assert len(KINDS) >= 5 and len(made.images) == 3 * len(KINDS)
    for image, where, source in zip(made.images, made.masks, made.sources, strict=True):
        change = (image.int() - normal[source].int()).abs().amax(0).numpy()
        assert where.any() and change[where].min() >= 0.03 * 255 - 1
        assert change[~where].max() <= 0.03 * 255 + 1
    again = synthetic_defects(normal, mask)
    assert torch.equal(made.images, again.images)
    assert not torch.equal(made.images, synthetic_defects(normal, mask, seed=1).images)


def test_blank_images_cannot_hold_every_defect():
    with pytest.raises(UserError, match="no visible defect of kind patch"):
        synthetic_defects(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(UserError, match="no place for a defect"):
        synthetic_defects(texture(1, 32, 32), np.zeros((32, 32), bool))


# The whole


@pytest.mark.parametrize("densities", [("neighbours",), ("gaussian",), ("neighbours", "maf")])
def test_a_detector_finds_generated_defects(capsules, densities):
    config = SMALL.model_copy(update={"densities": densities, "steps": 150})
    detector = LocalDetector(config, (64, 64)).fit(capsules.train)
    maps = detector.maps(capsules.test)
    assert maps.shape == (28, 16, 16)
    scores = detector.scores(maps)
    assert auroc(capsules.anomalous, scores) > 0.8
    p = detector.p_values(scores)
    assert np.median(p[capsules.anomalous]) < np.median(p[~capsules.anomalous])
    if "maf" not in densities:  # which holds out six images, and has p-values of sevenths
        assert np.median(p[capsules.anomalous]) < 0.05
    assert (maps[:, ~detector.inside.numpy()] == 0).all()


@pytest.mark.parametrize("shape", [(48, 64), (64, 40)])
def test_textures_that_are_not_square(shape):
    normal, test = texture(30, *shape), texture(10, *shape, seed=1)
    test[5:, :, 20:26, 20:26] = 255
    detector = LocalDetector(SMALL, shape).fit(normal)
    assert bool(detector.inside.all())
    scores = detector.scores(detector.maps(test))
    assert auroc(np.repeat([False, True], 5), scores) == 1


def test_held_out_scores_are_like_those_of_fresh_normal_images(capsules):
    """p-values of normal images that were never seen are about uniform."""
    more = synthetic_capsules(64, train=60, good=1, per_defect=1, seed=9).train
    detector = LocalDetector(SMALL, (64, 64)).fit(more[:30])
    p = detector.p_values(detector.scores(detector.maps(more[30:])))
    assert 0.3 < p.mean() < 0.7
    assert np.mean(p < 0.1) < 0.35


def test_the_five_largest_cells():
    maps = np.zeros((1, 3, 3))
    maps[0, 0], maps[0, 1, 1] = [5, 4, 3], 2
    assert top_mean(maps, 5)[0] == pytest.approx(14 / 5)
    assert top_mean(maps, 100)[0] == pytest.approx(14 / 9)


def test_too_few_images_are_counted():
    with pytest.raises(UserError, match="9 normal images: a detector needs 10"):
        LocalDetector(SMALL, (64, 64)).fit(texture(9, 64, 64))


# Settings


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("window=4", "window=4: expected an odd number"),
        ("widths=[1.0]", "expected one for each of widths"),
        ('densities=["maf", "maf"]', "each may occur once"),
        ("tail=0.4", "tail=0.4"),
        ("pooling=mean", "pooling='mean'"),
    ],
)
def test_settings_that_do_not_fit_are_named(assignment, message):
    with pytest.raises(UserError, match=message):
        override(LocalConfig(), [assignment])


def test_every_setting_has_a_reason():
    for name, field in LocalConfig.model_fields.items():
        assert field.description and len(field.description) > 20, name
