"""AUPRO, AUPIMO, F1 and average precision: by hand, by definition, and against a kept implementation."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from hw2lib.errors import UserError
from hw2lib.statistics.localisation import PixelCounts, aupimo, detection, f1_max, localisation


def scene(n=12, side=48, seed=0, strength=1.5):
    """Maps of noise that is higher on the defects; the first third of the images is normal."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, side, side), bool)
    for k in range(n // 3, n):
        for _ in range(rng.integers(1, 3)):
            a, b = rng.integers(0, side - 12, 2)
            masks[k, a : a + rng.integers(3, 12), b : b + rng.integers(3, 12)] = True
    return ndimage.gaussian_filter(rng.normal(0, 3, masks.shape) + strength * masks, (0, 1, 1)), masks


def exact(maps, masks):
    return {
        name: values[0]
        for name, values in PixelCounts.of(maps, masks).measures(np.ones((1, len(maps)))).items()
    }


def test_two_regions_by_hand():
    """A region of one pixel that scores highest, and one of two pixels of which one is missed."""
    maps = np.array([[[9.0, 0, 5, 1], [0, 0, 0, 0], [4, 3, 2, 0]], np.zeros((3, 4))])
    masks = np.zeros(maps.shape, bool)
    masks[0, 0, 0] = masks[0, 2, 0] = masks[0, 2, 1] = True
    # From the top: 9 (defect, PRO ½), 5 (1 of 21 normal pixels), 4 (PRO ¾), 3 (PRO 1), 2, 1, all others.
    found = exact(maps, masks)
    step = 1 / 21
    assert found["aupro_0.3"] == pytest.approx((0.5 * step + 1.0 * (0.3 - step)) / 0.3)
    assert found["aupro_0.05"] == pytest.approx((0.5 * step + 1.0 * (0.05 - step)) / 0.05)
    assert found["pixel_f1_max"] == pytest.approx(6 / 7)
    assert found["pixel_average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert found["pixel_auroc"] == pytest.approx(1 - 2 * step / 3)


def test_rates_of_pixels_are_those_of_scikit_learn():
    maps, masks = scene()
    found = exact(maps, masks)
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-4)
    precision = average_precision_score(masks.ravel(), maps.ravel())
    assert found["pixel_average_precision"] == pytest.approx(precision, rel=5e-3)


@pytest.mark.parametrize("limit", [0.3, 0.05])
def test_the_overlap_is_its_definition_at_every_threshold(limit):
    maps, masks = scene(9, 24)
    labels = [ndimage.label(m, np.ones((3, 3))) for m in masks]
    fpr, overlap = [0.0], [0.0]
    for threshold in np.unique(maps)[::-1]:
        above = maps >= threshold
        fpr.append((above & ~masks).sum() / (~masks).sum())
        shares = [above[k][part == r].mean() for k, (part, n) in enumerate(labels) for r in range(1, n + 1)]
        overlap.append(np.mean(shares))
    grid = np.linspace(0, limit, 20001)
    expected = np.trapezoid(np.interp(grid, fpr, overlap), grid) / limit
    assert exact(maps, masks)[f"aupro_{limit}"] == pytest.approx(expected, abs=2e-3)


def test_aupimo_is_its_definition():
    """At 200 log-spaced rates: the lowest threshold that so few normal pixels of normal images exceed."""
    maps, masks = scene(9, 400, strength=4)
    normal = np.sort(maps[:3].ravel())[::-1]
    levels = np.geomspace(1e-5, 1e-4, 200)
    thresholds = normal[np.floor(levels * normal.size + 1e-9).astype(int)]
    expected = [
        np.trapezoid([(m[k] > t).mean() for t in thresholds], np.log(levels)) / np.log(10)
        for m, k in zip(maps[3:], masks[3:], strict=True)
    ]
    assert 0.02 < np.mean(expected) < 0.98
    np.testing.assert_allclose(aupimo(maps, masks), expected, atol=0.02)


def test_aupimo_of_perfect_and_of_blind_maps():
    _, masks = scene(9, 200)
    assert aupimo(masks.astype(float), masks).tolist() == [1.0] * 6
    assert aupimo(1.0 - masks, masks).tolist() == [0.0] * 6
    assert aupimo(np.zeros(masks.shape), masks).tolist() == [0.0] * 6


def test_against_anomalib():
    """Its own classes, where it is installed with all that it needs."""
    metrics = pytest.importorskip(
        "anomalib.metrics", reason="anomalib is not installed", exc_type=ImportError
    )
    torch = pytest.importorskip("torch")
    maps, masks = scene(9, 400, strength=4)
    scaled = ((maps - maps.min()) / (maps.max() - maps.min())).astype(np.float32)
    predictions, targets = torch.from_numpy(scaled), torch.from_numpy(masks)
    for limit in (0.3, 0.05):
        overlap = metrics.aupro._AUPRO(fpr_limit=limit)
        overlap.update(predictions, targets.int())
        assert exact(scaled, masks)[f"aupro_{limit}"] == pytest.approx(float(overlap.compute()), abs=2e-3)
    pimo = metrics.pimo.pimo._AUPIMO(num_thresholds=300_000, return_average=False)
    pimo.update(predictions, targets)
    np.testing.assert_allclose(aupimo(scaled, masks), pimo.compute()[1].aupimos[3:], atol=0.02)


def test_intervals_hold_their_values_and_count_images_not_pixels():
    maps, masks = scene(30, 32)
    found = localisation(maps, masks, resamples=200)
    assert set(found) >= {"aupro_0.3", "aupro_0.05", "aupimo", "pixel_f1_max", "pixel_average_precision"}
    for name, estimate in found.items():
        assert estimate.low <= estimate.value <= estimate.high, name
    # Every pixel four times is the same evidence, and not four times as much.
    fine = localisation(*(np.kron(x, np.ones((1, 2, 2))) for x in (maps, masks)), resamples=200)
    for name in ("pixel_auroc", "aupro_0.3"):
        assert fine[name].high - fine[name].low == pytest.approx(found[name].high - found[name].low, rel=0.05)
    assert localisation(maps, masks, resamples=200) == found


def test_images_by_hand():
    labels, scores = np.array([0, 0, 0, 1, 1], bool), np.array([0.1, 0.2, 0.9, 0.8, 1.0])
    assert f1_max(labels, scores) == pytest.approx(0.8)  # all from 0.8 up: two right, one wrong
    found = detection(labels, scores, resamples=100)
    assert found["average_precision"].value == pytest.approx((1 + 2 / 3) / 2)
    assert found["f1_max"].low <= 0.8 <= found["f1_max"].high


def test_what_cannot_be_measured_is_said():
    maps, masks = scene()
    with pytest.raises(UserError, match="do not fit"):
        PixelCounts.of(maps[:3], masks)
    with pytest.raises(UserError, match="only one kind"):
        PixelCounts.of(maps, np.zeros_like(masks))
    with pytest.raises(UserError, match="normal and defective images"):
        aupimo(maps[4:], masks[4:])
