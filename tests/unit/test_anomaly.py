"""Scores, AUROC and its intervals, held against counting and against theory."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from hw2lib.anomaly import image_bits_per_dim, nll_maps, nll_scores, pixel_auroc, pixel_auroc_report, smooth
from hw2lib.errors import UserError
from hw2lib.figures import anomaly as figures
from hw2lib.flows import MAF, DequantizedPixels
from hw2lib.statistics import (
    Estimate,
    auroc,
    auroc_interval,
    auroc_per_defect,
    found_by_all,
    hanley_mcneil_error,
    intervals_per_defect,
    roc_points,
)


def counted(labels, scores) -> float:
    """The share of pairs (anomalous, normal) in the right order, ties counting one half."""
    pairs = [(a, n) for a, la in zip(scores, labels, strict=True) if la
             for n, ln in zip(scores, labels, strict=True) if not ln]  # fmt: skip
    return sum(1.0 if a > n else 0.5 if a == n else 0.0 for a, n in pairs) / len(pairs)


def draw(n: int, m: int, shift: float, seed: int, digits: int | None = None):
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(size=n), rng.normal(shift, 1, size=m)])
    labels = np.repeat([False, True], [n, m])
    order = rng.permutation(n + m)
    return labels[order], (scores if digits is None else scores.round(digits))[order]


# Image level


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n, m, digits", [(1, 1, None), (23, 109, None), (30, 20, 0), (7, 50, 1)])
def test_auroc_counts_pairs(n, m, digits, seed):
    labels, scores = draw(n, m, 0.7, seed, digits)
    assert auroc(labels, scores) == pytest.approx(counted(labels, scores), abs=1e-12)


def test_auroc_of_the_extremes():
    labels = [False, False, True, True]
    assert auroc(labels, [1, 2, 3, 4]) == 1.0
    assert auroc(labels, [3, 4, 1, 2]) == 0.0
    assert auroc(labels, [5, 5, 5, 5]) == 0.5


@pytest.mark.parametrize("digits", [None, 0])
def test_the_interval_equals_a_bootstrap_by_hand(digits):
    """The same resamples, made one by one and counted pair by pair, have the same quantiles."""
    labels, scores = draw(12, 15, 0.8, 1, digits)
    interval = auroc_interval(labels, scores, resamples=4000, seed=5)
    assert interval.value == pytest.approx(counted(labels, scores))
    rng = np.random.default_rng(99)
    normal, anomalous = scores[~labels], scores[labels]
    areas = []
    for _ in range(4000):
        a, n = rng.choice(anomalous, anomalous.size), rng.choice(normal, normal.size)
        areas.append(np.mean((a[:, None] > n) + 0.5 * (a[:, None] == n)))
    low, high = np.quantile(areas, [0.025, 0.975])
    assert abs(interval.low - low) < 0.015 and abs(interval.high - high) < 0.015


def test_intervals_cover_the_true_area():
    """Two unit normals at distance δ have AUROC Φ(δ/√2); a 90 % interval covers it about 90 times in 100."""
    delta, repeats = 1.0, 150
    truth = stats.norm.cdf(delta / math.sqrt(2))
    hits = 0
    for seed in range(repeats):
        labels, scores = draw(40, 60, delta, seed)
        interval = auroc_interval(labels, scores, level=0.9, resamples=300, seed=seed)
        assert interval.low <= interval.value <= interval.high
        hits += interval.low <= truth <= interval.high
    assert 0.80 <= hits / repeats <= 0.97


def test_intervals_narrow_with_more_images_and_widen_with_the_level():
    def width(n, level=0.95):
        interval = auroc_interval(*draw(n, n, 1.0, 2), level=level, resamples=800)
        return interval.high - interval.low

    assert width(400) < 0.5 * width(40)
    assert width(40, 0.5) < 0.6 * width(40, 0.95)


def test_a_kind_is_found_only_if_every_seed_finds_it():
    def seed(crack, poke):
        return {"crack": Estimate(0.9, crack, 1.0), "poke": Estimate(0.9, poke, 1.0)}

    assert found_by_all([seed(0.6, 0.7), seed(0.51, 0.5)]) == ["crack"]
    assert found_by_all([seed(0.6, 0.7), seed(0.4, 0.8)]) == ["poke"]


def test_maps_are_drawn_without_masks_where_a_category_has_none():
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    scored, kinds = np.random.default_rng(0).random((2, 8, 8)), ["crack", "poke"]

    def rows(masks):
        return len(figures.maps(images, masks, kinds, scored, scored[0], lang="en").axes) / 2

    assert (rows(None), rows(torch.zeros(2, 8, 8, dtype=torch.bool))) == (3, 4)


def test_the_interval_depends_on_its_seed_only():
    labels, scores = draw(20, 30, 0.5, 3)
    np.random.seed(0)
    first = auroc_interval(labels, scores, resamples=300, seed=1)
    np.random.seed(1)
    assert auroc_interval(labels, scores, resamples=300, seed=1) == first
    assert auroc_interval(labels, scores, resamples=300, seed=2) != first


def test_hanley_and_mcneil_give_the_spread_of_the_area():
    # By hand: A = 0.8, Q1 = 2/3, Q2 = 1.28/1.8; (0.16 + 9·(Q1 − 0.64) + 19·(Q2 − 0.64))/200.
    by_hand = math.sqrt((0.16 + 9 * (2 / 3 - 0.64) + 19 * (1.28 / 1.8 - 0.64)) / 200)
    assert hanley_mcneil_error(0.8, anomalous=10, normal=20) == pytest.approx(by_hand)
    # Exponential scores are the model behind the formula, which is then exact.
    rng = np.random.default_rng(4)
    rate = 3.0  # AUROC = rate/(1 + rate) = 0.75
    normal, anomalous = rng.exponential(size=(4000, 23)), rng.exponential(rate, size=(4000, 40))
    areas = (anomalous[:, :, None] > normal[:, None, :]).mean((1, 2))
    assert areas.mean() == pytest.approx(0.75, abs=0.005)
    assert hanley_mcneil_error(0.75, 40, 23) == pytest.approx(areas.std(), rel=0.06)


def test_each_defect_is_compared_with_the_normal_images():
    defects = ["good", "crack", "good", "poke", "crack", "good"]
    scores = [1.0, 0.5, 2.0, 9.0, 1.5, 3.0]
    areas = auroc_per_defect(defects, scores)
    assert list(areas) == ["all", "crack", "poke"]
    assert areas == pytest.approx({"all": (0 + 1 + 3) / 9, "crack": (0 + 1) / 6, "poke": 1.0})
    intervals = intervals_per_defect(defects, scores, resamples=50)
    assert {k: v.value for k, v in intervals.items()} == pytest.approx(areas)
    assert intervals["poke"] == Estimate(1.0, 1.0, 1.0)


def test_an_estimate_prints_with_two_digits():
    assert str(Estimate(0.7612, 0.68, 0.8449)) == "0.76 [0.68, 0.84]"


@pytest.mark.parametrize("digits", [None, 0])
def test_the_curve_encloses_the_area(digits):
    labels, scores = draw(23, 40, 0.9, 6, digits)
    fpr, tpr, thresholds = roc_points(labels, scores)
    assert np.trapezoid(tpr, fpr) == pytest.approx(counted(labels, scores), abs=1e-12)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert len(thresholds) == len(np.unique(scores)) + 1
    k = len(thresholds) // 2
    assert tpr[k] == np.mean(scores[labels] >= thresholds[k])


@pytest.mark.parametrize(
    "labels, scores, message",
    [
        ([True, True], [1.0, 2.0], "only one kind"),
        ([False, False], [1.0, 2.0], "only one kind"),
        ([], [], "only one kind"),
        ([True, False], [1.0, float("nan")], "score number 1"),
        ([True, False], [float("inf"), 1.0], "score number 0"),
        ([True, False], [1.0], "do not fit"),
        ([[True, False]], [[1.0, 2.0]], "do not fit"),
    ],
)
@pytest.mark.parametrize("measure", [auroc, auroc_interval, roc_points])
def test_scores_without_a_rank_are_refused(measure, labels, scores, message):
    with pytest.raises(UserError, match=message):
        measure(labels, scores)


# Scores and maps of a flow


@pytest.fixture
def flow():
    torch.manual_seed(0)
    return MAF(48, (20,), 2).double()


@pytest.fixture
def images():
    return torch.randint(0, 256, (7, 3, 4, 4), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_scores_are_negative_log_densities(flow, images):
    scores = nll_scores(flow, images)
    assert scores.shape == (7,) and scores.dtype == np.float64
    x = (images.flatten(1) + 0.5) / 128 - 1
    np.testing.assert_allclose(scores, -flow.log_prob(x.double()).detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(nll_scores(flow, images, batch=2), scores, rtol=1e-12)


def test_maps_sum_to_the_scores_and_show_the_place(flow, images):
    maps = nll_maps(flow, images)
    assert maps.shape == (7, 4, 4)
    np.testing.assert_allclose(maps.sum((1, 2)), nll_scores(flow, images), rtol=1e-12)
    # A flow whose conditionals are constants sees each pixel alone: only the changed one changes.
    for layer in [layer for block in flow.blocks for layer in block.layers()]:
        layer.load_dense(torch.zeros_like(layer.dense_weight()), layer.bias.detach())
    changed = images.clone()
    changed[:, 1, 2, 3] = 255 - images[:, 1, 2, 3]
    difference = np.abs(nll_maps(flow, changed) - nll_maps(flow, images)) > 1e-6
    assert difference[:, 2, 3].all() and difference.sum() == 7


def test_bits_per_dim_of_scores():
    # NLL = 0 for D values on [−1, 1] is a density of 1, half of what 8 bits of a uniform one need: 7.
    assert image_bits_per_dim(np.array([0.0, 48 * math.log(2)]), 48) == pytest.approx([7.0, 8.0])
    assert image_bits_per_dim(np.zeros(3), 48).shape == (3,)
    assert DequantizedPixels().log_det == pytest.approx(-7 * math.log(2))


# Pixel level


def test_pixel_auroc_counts_pairs_of_pixels():
    rng = np.random.default_rng(7)
    maps, masks = rng.normal(size=(3, 4, 5)).round(1), rng.random((3, 4, 5)) < 0.3
    assert pixel_auroc(maps, masks) == pytest.approx(counted(masks.ravel(), maps.ravel()))


def test_smoothing_stays_within_an_image_and_keeps_its_sum():
    maps = np.zeros((2, 21, 21))
    maps[0, 10, 10] = 1.0
    blurred = smooth(maps, 2.0)
    assert blurred[0].sum() == pytest.approx(1.0) and blurred[0].max() < 0.1
    assert not blurred[1].any()
    assert blurred[0, 10, 12] == pytest.approx(blurred[0, 12, 10])
    assert smooth(maps, 0) is maps


def test_the_report_tells_location_from_defect():
    """Normal pixels are noisy on the object; a defect adds a little to a few of them."""
    rng = np.random.default_rng(8)
    place = np.zeros((16, 16))
    place[4:12, 4:12] = 3.0
    normal = place + rng.normal(size=(200, 16, 16)) * 0.1
    maps, masks = place + rng.normal(size=(40, 16, 16)) * 0.1, np.zeros((40, 16, 16), dtype=bool)
    masks[:20, 6:9, 6:9] = True
    report = pixel_auroc_report(maps + masks, normal, masks, sigma=0)
    # Location alone: all 64 pixels of the object are equal, the 192 others lie below.
    on, off = 40 * 64 - masks.sum(), 40 * 192
    assert report["location_only"] == pytest.approx((off + 0.5 * on) / (off + on), abs=0.02)
    assert report["minus_mean"] > 0.999 and report["standardized"] > 0.999
    assert report["raw"] > report["location_only"]
    # Without any defect in the maps, what is left of location is chance.
    chance = pixel_auroc_report(maps, normal, masks, sigma=0)
    assert chance["raw"] == pytest.approx(report["location_only"], abs=0.05)
    assert chance["minus_mean"] == pytest.approx(0.5, abs=0.1)
    assert report["sigma"] == 0


def test_standardising_takes_out_where_maps_are_always_noisy():
    rng = np.random.default_rng(9)
    spread = np.ones((8, 8))
    spread[:, :4] = 50.0
    normal = rng.normal(size=(300, 8, 8)) * spread
    masks = np.zeros((60, 8, 8), dtype=bool)
    masks[:, 3:5, 6] = True
    maps = rng.normal(size=(60, 8, 8)) * spread + 4 * masks
    report = pixel_auroc_report(maps, normal, masks, sigma=0)
    assert report["standardized"] > 0.98 > 0.85 > report["minus_mean"]


def test_a_pixel_that_never_varies_does_not_divide_by_zero():
    normal = np.zeros((5, 6, 6))
    masks = np.zeros((2, 6, 6), dtype=bool)
    masks[:, 2, 2] = True
    report = pixel_auroc_report(masks.astype(float), normal, masks, sigma=0)
    assert report["standardized"] == 1.0 and report["location_only"] == 0.5
