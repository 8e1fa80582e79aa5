"""The detectors that cost seconds: each against its formula, on planted defects, and as recorded."""

import json

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from hw2lib.anomaly.detectors import MeanImage, PCAResidual, PositionwiseGaussian, gaussian_derivatives
from hw2lib.data import synthetic_capsules
from hw2lib.errors import UserError
from hw2lib.jobs import reproduce as jobs
from hw2lib.jobs.baselines import RECORDED_FILES, BaselinesConfig, build_baselines, run_baselines
from hw2lib.runs.reader import paper_runs, read_table
from hw2lib.statistics import auroc, auroc_per_defect

SMALL = BaselinesConfig(size=16, components=4, widths=(1.0,), stride=1)


def noise(n, size=16, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(100, 130, (n, 3, size, size)).astype(np.uint8))


def planted(n, seed=1):
    """Noise with a bright 4 × 4 square at rows 4 to 7 and columns 8 to 11."""
    images = noise(n, seed=seed)
    images[:, :, 4:8, 8:12] += 60
    return images


@pytest.mark.parametrize("name", ["mean_image", "pca_residual", "positionwise_gaussian"])
def test_every_baseline_finds_a_planted_square(name):
    detector = build_baselines(SMALL)[name]
    assert detector.fit(noise(40)) is detector
    normal, defective = noise(10, seed=2), planted(10)
    scores = np.concatenate([detector.scores(normal), detector.scores(defective)])
    assert scores.shape == (20,)
    assert auroc(np.repeat([False, True], 10), scores) == 1
    maps = detector.maps(defective)
    assert maps.shape == (10, 16, 16)
    inside = maps[:, 4:8, 8:12].mean()
    maps[:, 2:10, 6:14] = 0
    assert inside > 5 * maps.sum() / np.count_nonzero(maps)


def test_the_mean_image_scores_mean_squares():
    train, test = noise(5), noise(3, seed=4)
    detector = MeanImage().fit(train)
    expected = ((test.double() - train.double().mean(0)) / 255).square()
    np.testing.assert_allclose(detector.scores(test), expected.mean((1, 2, 3)).numpy(), rtol=1e-12)
    np.testing.assert_allclose(detector.maps(test), expected.sum(1).numpy(), rtol=1e-12)


@pytest.mark.parametrize("components", [1, 3, 7])
def test_the_residual_is_that_of_principal_component_analysis(components):
    train, test = noise(12, 8), noise(4, 8, seed=4)
    flat = [x.double().flatten(1).numpy() / 255 for x in (train, test)]
    reference = PCA(components, svd_solver="full").fit(flat[0])
    residual = flat[1] - reference.inverse_transform(reference.transform(flat[1]))
    detector = PCAResidual(components).fit(train)
    np.testing.assert_allclose(detector.residuals(test).flatten(1).numpy(), residual, atol=1e-12)
    np.testing.assert_allclose(detector.scores(test), (residual**2).mean(1), rtol=1e-9)
    np.testing.assert_allclose(detector.maps(test).sum((1, 2)), (residual**2).sum(1), rtol=1e-9)


def test_all_components_leave_nothing_of_the_training_images():
    train = noise(6, 8)
    assert PCAResidual(5).fit(train).scores(train).max() < 1e-25


@pytest.mark.parametrize("components", [0, 6, 100])
def test_more_components_than_images_are_refused(components):
    with pytest.raises(UserError, match=f"components={components}: expected 1 to 5"):
        PCAResidual(components).fit(noise(6, 8))


def test_derivatives_of_a_parabola_are_exact():
    y, x = np.mgrid[-20:20, -20:20].astype(float)
    values = 3 + 2 * x - y + 0.5 * x**2 + 0.25 * x * y - 0.75 * y**2
    width = 1.5
    g, gx, gy, gxx, gxy, gyy = (d[15:25, 15:25] for d in gaussian_derivatives(values, width))
    x, y = x[15:25, 15:25], y[15:25, 15:25]
    blurred = values[15:25, 15:25] + width**2 * (0.5 - 0.75)
    for found, expected in (
        (g, blurred),
        (gx, 2 + x + 0.25 * y),
        (gy, -1 + 0.25 * x - 1.5 * y),
        (gxx, np.ones_like(x)),
        (gxy, 0.25 * np.ones_like(x)),
        (gyy, -1.5 * np.ones_like(x)),
    ):
        np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_map_is_the_mahalanobis_distance_at_each_position(stride):
    train, test = noise(60, 12), noise(3, 12, seed=4)
    detector = PositionwiseGaussian((1.0, 2.0), stride, shrinkage=0.3).fit(train)
    row, column = 2 * stride, stride

    def features(images):
        values = images.double().numpy() / 255
        stack = [d for width in (1.0, 2.0) for d in gaussian_derivatives(values, width)]
        return np.stack(stack, 1)[..., row, column].reshape(len(images), -1)

    assert features(train).shape == (60, 36)
    covariance = np.cov(features(train), rowvar=False)
    shrunk = 0.7 * covariance + 0.3 * np.diag(np.diag(covariance))
    away = features(test) - features(train).mean(0)
    expected = np.einsum("ni,ij,nj->n", away, np.linalg.inv(shrunk), away)
    maps = detector.maps(test)
    assert maps.shape == (3, 12, 12)
    # The tiny floor of the variances moves the value a little.
    np.testing.assert_allclose(maps[:, row, column], expected, rtol=2e-2)
    between = maps[:, row, column : column + stride + 1]
    np.testing.assert_allclose(np.diff(between, 2), 0, atol=1e-9)


def test_the_score_is_the_maximum_of_the_blurred_map():
    detector = PositionwiseGaussian((1.0,), 1, sigma=0.0).fit(noise(20))
    test = planted(4)
    np.testing.assert_array_equal(detector.scores(test), detector.maps(test).max((1, 2)))
    blurred = PositionwiseGaussian((1.0,), 1, sigma=2.0).fit(noise(20))
    assert (blurred.scores(test) < detector.scores(test)).all()


def test_a_border_that_never_varies_is_no_obstacle():
    train = noise(20)
    train[:, :, :, :8] = 7
    detector = PositionwiseGaussian((1.0,), 1).fit(train)
    assert np.isfinite(detector.scores(noise(3, seed=5))).all()


def test_one_image_has_no_covariance():
    with pytest.raises(UserError, match="1 images"):
        PositionwiseGaussian().fit(noise(1))


# Runs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("baselines") / "run"
    data = synthetic_capsules(16, train=30, good=5, per_defect=2)
    assert run_baselines(SMALL, data, out)
    return out, data


def test_a_run_leaves_scores_of_every_method_and_image(run):
    out, data = run
    assert {path.name for path in out.iterdir()} == set(RECORDED_FILES)
    table = read_table(out / "scores.csv")
    assert list(table) == ["method", "defect", "file", "score"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics) == list(build_baselines(SMALL))
    for method, entry in metrics.items():
        part = table[table["method"] == method]
        assert part["file"].tolist() == data.test_files
        areas = auroc_per_defect(part["defect"], part["score"])
        assert {k: v["value"] for k, v in entry["auroc"].items()} == pytest.approx(areas)
        assert all(v["low"] <= v["value"] <= v["high"] for v in entry["auroc"].values())
        assert 0 <= entry["pixel_auroc"]["location_only"] <= 1


def test_the_test_images_are_not_used_for_fitting(run, tmp_path):
    out, data = run
    few = synthetic_capsules(16, train=30, good=5, per_defect=1)
    run_baselines(SMALL, few, tmp_path / "few")
    tables = [read_table(folder / "scores.csv") for folder in (out, tmp_path / "few")]
    for method in build_baselines(SMALL):
        scores = [
            dict(zip(t["file"].tolist(), t["score"].tolist(), strict=True))
            for t in (table[table["method"] == method] for table in tables)
        ]
        assert scores[1].items() <= scores[0].items()


def test_a_folder_with_a_run_is_refused(run):
    out, data = run
    with pytest.raises(UserError, match="already holds a run"):
        run_baselines(SMALL, data, out)


def test_the_recorded_run_agrees_with_its_scores():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HW2_RESULTS", raising=False)
        (recorded,) = paper_runs("baselines-capsule")
    assert jobs.JOBS["baselines-capsule"].seeds == (0,)
    assert {path.name for path in recorded.path.iterdir()} == set(RECORDED_FILES)
    assert BaselinesConfig.model_validate(recorded.config) == BaselinesConfig()
    (flow, *_) = paper_runs("maf-capsule")
    assert recorded.environment["data"] == flow.environment["data"]
    for method, entry in recorded.metrics.items():
        part = recorded.scores[recorded.scores["method"] == method]
        assert part["file"].tolist() == flow.scores.query("weights == 'ema'")["file"].tolist()
        areas = auroc_per_defect(part["defect"], part["score"])
        assert {k: v["value"] for k, v in entry["auroc"].items()} == pytest.approx(areas, abs=1e-6)
