"""Two scores of the same images: DeLong's test by hand, by bootstrap, in repetition; and rarer defects."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score

from hw2lib.anomaly import pixel_auroc, pixel_placements
from hw2lib.bilingual import localize
from hw2lib.errors import UserError
from hw2lib.statistics import (
    Placements,
    against,
    auroc,
    average_precision,
    best_threshold,
    class_weights,
    compare,
    precision_recall_points,
)


def draw(n, m, shifts=(1.0, 0.6), correlation=0.6, seed=0, digits=None):
    """Labels and two correlated scores of n normal and m anomalous images."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([False, True], [n, m])
    shared = rng.normal(size=n + m)
    scores = []
    for shift in shifts:
        own = rng.normal(size=n + m)
        value = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own + shift * labels
        scores.append(value if digits is None else value.round(digits))
    return labels, *scores


# DeLong's test


def test_by_hand():
    """Two normal and two anomalous images. First score: normal 1, 3, anomalous 2, 4, so V10 = ½, 1 and
    V01 = 1, ½; A = ¾, S10 = S01 = ⅛, variance ⅛/2 + ⅛/2 = ⅛. Second: all pairs right, no variance."""
    labels = [False, False, True, True]
    first, second = Placements.of(labels, [1, 3, 2, 4]), Placements.of(labels, [1, 2, 3, 4])
    assert first.area == 0.75 and first.covariance(first) == pytest.approx(0.125)
    assert second.area == 1 and second.covariance(second) == 0
    result = compare(first, second)
    z = 0.25 / math.sqrt(0.125)
    assert (result.first, result.second, result.difference.value) == (0.75, 1.0, -0.25)
    assert result.p_value == pytest.approx(math.erfc(z / math.sqrt(2)))
    assert result.difference.high + 0.25 == pytest.approx(1.959964 * math.sqrt(0.125), rel=1e-6)


def test_covariance_by_hand():
    """Third score: normal 3, 1, anomalous 2, 4: V10 as the first, V01 turned round, ½, 1."""
    labels = [False, False, True, True]
    first, third = Placements.of(labels, [1, 3, 2, 4]), Placements.of(labels, [3, 1, 2, 4])
    # S10 = (¼·¼ + ¼·¼)/1 = ⅛ and S01 = −⅛, which cancel.
    assert first.covariance(third) == pytest.approx(0, abs=1e-15)
    assert compare(first, third).p_value == 1.0
    # With the normal images' scores kept, both agree: the variance itself.
    assert first.covariance(Placements.of(labels, [10, 30, 20, 40])) == pytest.approx(0.125)


@settings(max_examples=60)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 10**6), st.sampled_from([None, 0]))
def test_the_formula_with_loops(n, m, seed, digits):
    labels, *scores = draw(n, m, seed=seed, digits=digits)
    parts = []
    for values in scores:
        psi = np.array([[(x > y) + 0.5 * (x == y) for y in values[~labels]] for x in values[labels]])
        parts.append((psi.mean(), psi.mean(1), psi.mean(0)))
    (a, a10, a01), (b, b10, b01) = parts
    by_hand = (a10 - a) @ (b10 - b) / (m - 1) / m + (a01 - a) @ (b01 - b) / (n - 1) / n
    first, second = (Placements.of(labels, values) for values in scores)
    assert first.area == pytest.approx(a) == pytest.approx(auroc(labels, scores[0]))
    assert first.covariance(second) == pytest.approx(by_hand, abs=1e-14)
    there, back = compare(first, second), compare(second, first)
    assert there.difference.value == -back.difference.value
    assert there.p_value == pytest.approx(back.p_value, nan_ok=True)


@pytest.mark.slow
def test_the_interval_is_that_of_a_paired_bootstrap():
    labels, a, b = draw(60, 90, seed=3)
    result = compare(Placements.of(labels, a), Placements.of(labels, b))
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(2000):  # the same images for both scores
        normal, anomalous = rng.integers(0, 60, 60), rng.integers(60, 150, 90)
        part = np.concatenate([normal, anomalous])
        differences.append(auroc(labels[part], a[part]) - auroc(labels[part], b[part]))
    spread = (result.difference.high - result.difference.low) / (2 * stats.norm.ppf(0.975))
    assert spread == pytest.approx(np.std(differences), rel=0.08)
    low, high = np.quantile(differences, [0.025, 0.975])
    assert result.difference.low == pytest.approx(low, abs=0.02)
    assert result.difference.high == pytest.approx(high, abs=0.02)
    # Without the covariance the interval would be far too wide.
    apart = sum(p.covariance(p) for p in (Placements.of(labels, a), Placements.of(labels, b)))
    assert apart > 1.5 * spread**2


def test_equal_scores_are_rejected_as_often_as_the_level_says():
    repeats, rejected = 400, 0
    for seed in range(repeats):
        labels, a, b = draw(40, 50, shifts=(0.8, 0.8), seed=seed)
        rejected += compare(Placements.of(labels, a), Placements.of(labels, b)).p_value < 0.1
    assert 0.06 <= rejected / repeats <= 0.15


def test_a_score_does_not_differ_from_itself_or_from_its_ranks():
    labels, a, _ = draw(20, 30)
    first = Placements.of(labels, a)
    for other in (a, np.exp(a), stats.rankdata(a)):
        result = compare(first, Placements.of(labels, other))
        assert result.difference.value == 0 and result.p_value == 1.0


def test_scores_without_any_scatter_have_no_p_value():
    labels = np.repeat([False, True], 5)
    result = compare(Placements.of(labels, labels * 1.0), Placements.of(labels, labels * -1.0))
    assert (result.first, result.second, result.difference.value) == (1.0, 0.0, 1.0)
    assert np.isnan([result.p_value, result.difference.low, result.difference.high]).all()


def test_an_estimate_stays_within_zero_and_one():
    estimate = Placements.of([False, False, True, True], [1, 3, 2, 4]).estimate()
    assert estimate.value == 0.75 and estimate.high == 1.0 and estimate.low == pytest.approx(0.057, abs=1e-3)


# Clusters


@pytest.mark.parametrize("copies", [2, 7])
def test_copies_of_an_observation_are_no_new_evidence(copies):
    labels, a, b = draw(15, 25, seed=5)
    clusters = np.arange(40).repeat(copies)
    for first, second in ((a, a), (a, b)):
        once = Placements.of(labels, first).covariance(Placements.of(labels, second))
        repeated = [Placements.of(labels.repeat(copies), s.repeat(copies), clusters) for s in (first, second)]
        assert repeated[0].covariance(repeated[1]) == pytest.approx(once)
        apart = [Placements.of(labels.repeat(copies), s.repeat(copies)) for s in (first, second)]
        assert apart[0].covariance(apart[1]) < 0.6 * once  # what taking them for new would claim


def test_pixels_are_clustered_by_image():
    """The standard error is that of a bootstrap over whole images, and far above that over pixels."""
    rng = np.random.default_rng(6)
    level = rng.normal(size=(60, 1, 1))  # what the pixels of an image share
    masks = np.zeros((60, 8, 8), dtype=bool)
    masks[:40, 2:5, 2:5] = True
    maps = level + rng.normal(size=(60, 8, 8)) + (1.5 + rng.normal(size=(60, 1, 1))) * masks
    placed = pixel_placements(maps, masks)
    assert placed.area == pytest.approx(pixel_auroc(maps, masks))
    error = math.sqrt(placed.covariance(placed))
    areas = []
    for _ in range(400):
        part = rng.integers(0, 60, 60)
        areas.append(pixel_auroc(maps[part], masks[part]))
    assert error == pytest.approx(np.std(areas), rel=0.15)
    loose = Placements.of(masks.ravel(), maps.ravel())
    assert math.sqrt(loose.covariance(loose)) < 0.6 * error


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Placements.of([True, True], [1, 2]), "only one kind"),
        (lambda: Placements.of([True, False, True], [1, 2, 3]), "two clusters with normal"),
        (lambda: Placements.of([True, False] * 2, [1, 2, 3, 4], [1, 1, 1, 2]), "two clusters with anomalous"),
        (lambda: Placements.of([True, False] * 2, [1, 2, 3, 4], [1, 2]), "clusters do not fit"),
        (
            lambda: compare(
                Placements.of([True, False] * 2, [1, 2, 3, 4]), Placements.of([True, False] * 3, range(6))
            ),
            "not of the same observations",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


# Rarer defects


@pytest.mark.parametrize("prevalence", [0.01, 0.3, 0.9])
def test_weights_set_the_share_and_leave_the_area(prevalence):
    labels, scores, _ = draw(23, 109)
    weights = class_weights(labels, prevalence)
    assert weights.mean() == pytest.approx(1)
    assert weights[labels].sum() / weights.sum() == pytest.approx(prevalence)
    assert auroc(labels, scores, weights) == pytest.approx(auroc(labels, scores))


@pytest.mark.parametrize("prevalence", [0.05, 0.5, 0.8])
def test_the_best_threshold_is_the_best_of_all(prevalence):
    labels, scores, _ = draw(30, 40, seed=2, digits=1)
    found = best_threshold(labels, scores, prevalence)
    rates = [
        (prevalence * np.mean(scores[labels] >= t) + (1 - prevalence) * np.mean(scores[~labels] < t))
        for t in [*scores, np.inf]
    ]
    assert found.accuracy == pytest.approx(max(rates))
    assert found.recall == np.mean(scores[labels] >= found.value)
    assert found.accuracy >= max(prevalence, 1 - prevalence) - 1e-12


def test_a_score_that_knows_nothing_is_accurate_when_defects_are_rare():
    labels, scores = np.repeat([False, True], 50), np.tile(np.arange(50.0), 2)
    assert auroc(labels, scores) == 0.5
    found = best_threshold(labels, scores, 0.01)
    assert (found.value, found.accuracy, found.recall) == (np.inf, pytest.approx(0.99), 0.0)


@pytest.mark.parametrize("prevalence", [0.02, 0.4])
def test_weights_do_what_copies_of_images_would(prevalence):
    """20 normal and 10 anomalous images; 49 or 1.5 normal ones for each anomalous one."""
    labels, scores, _ = draw(20, 10, seed=4)
    each = round(10 * (1 - prevalence) / prevalence * 2)
    copies = np.where(labels, 40, each)  # 400 anomalous to 20 · each normal
    expected = average_precision_score(labels.repeat(copies), scores.repeat(copies))
    assert average_precision(labels, scores, prevalence) == pytest.approx(expected)
    precision, recall = precision_recall_points(labels, scores, prevalence)
    assert precision[0] == pytest.approx(prevalence) and recall[0] == 1 and recall[-1] == 0
    assert -np.sum(np.diff(recall) * precision[:-1]) == pytest.approx(expected)


def test_average_precision_falls_with_the_share_and_chance_is_the_share():
    labels, scores, _ = draw(200, 200)
    values = [average_precision(labels, scores, p) for p in (0.5, 0.1, 0.01)]
    assert values[0] > values[1] > values[2] > 0.01
    assert average_precision(labels, np.zeros(400), 0.07) == pytest.approx(0.07)


@pytest.mark.parametrize("measure", [best_threshold, average_precision, precision_recall_points])
@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_outside_zero_and_one_is_refused(measure, prevalence):
    with pytest.raises(UserError, match="expected a share between 0 and 1"):
        measure([True, False], [2.0, 1.0], prevalence)


def test_all_scores_are_held_against_one():
    labels, a, b = draw(12, 20)
    placed = {"a": Placements.of(labels, a), "b": Placements.of(labels, b)}
    rows = against(placed, "a")
    expected = compare(placed["b"], placed["a"])
    assert rows["a"] == (placed["a"].estimate().shown(), None, None)
    difference, p_value = rows["b"][1:]
    assert (difference.value, difference.low) == (expected.difference.value, expected.difference.low)
    assert localize(p_value, "en") == f"{expected.p_value:.2g}"
