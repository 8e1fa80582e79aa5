"""Whether samples vary as the data do: what counts, and what a picture under noise must not pass."""

import numpy as np
import pytest
import torch

from hw2lib.data import synthetic_capsules
from hw2lib.jobs.reproduce import JOBS
from hw2lib.jobs.samples import RECORDED_FILES, mean_with_noise, run_sample_variation
from hw2lib.runs.folder import read_json, write_json
from hw2lib.runs.images import save_grid
from hw2lib.runs.reader import paper_runs
from hw2lib.statistics.variation import block_means, principal_directions, variation
from hw2lib.training.settings import MAFConfig


@pytest.fixture(scope="module")
def capsules():
    return synthetic_capsules(size=32, train=60).train.permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def directions(capsules):
    return principal_directions(capsules[::2])


def test_a_block_mean_is_the_mean_of_its_pixels():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    means = block_means(images).reshape(2, 8, 8, 3)
    np.testing.assert_allclose(means[1, 2, 5], images[1, 4:6, 10:12].mean((0, 1)))
    with pytest.raises(ValueError, match="multiple of 8"):
        block_means(images[:, :12, :12])


def test_other_images_of_the_data_vary_as_the_data_do(capsules, directions):
    fitted, held_out = variation(capsules[::2], directions), variation(capsules[1::2], directions)
    assert 0.5 < held_out.along / fitted.along < 2 and held_out.share > fitted.share / 2 > 0.2


def test_the_mean_with_white_noise_does_not(capsules, directions):
    """Nor is it kept by strong noise: a block's mean takes most of it away."""
    rng = np.random.default_rng(0)
    noisy = (capsules[:5] + rng.normal(0, 40, capsules[:5].shape)).clip(0, 255).astype(np.uint8)
    null = variation(mean_with_noise(noisy, rng), directions)
    data = variation(capsules[1::2], directions)
    assert null.along < 0.2 * data.along and null.share < data.share / 2


def test_the_null_has_the_mean_and_the_noise_of_the_images():
    rng = np.random.default_rng(1)
    images = rng.normal(128, 20, (5, 32, 32, 3)).round().astype(np.uint8)
    null = mean_with_noise(images, rng).astype(float)
    assert abs(null.mean() - images.mean()) < 1
    assert null.std(0).mean() == pytest.approx(images.std(0).mean(), rel=0.15)


def test_a_run_measures_the_samples_of_its_flow(tmp_path):
    data, config = synthetic_capsules(size=32, train=40), MAFConfig(size=32)
    sheet = torch.cat([data.train[:5], torch.full((5, 3, 32, 32), 128, dtype=torch.uint8)])
    write_json(tmp_path / "config.json", config.model_dump())
    save_grid(tmp_path / "samples.png", sheet)
    assert run_sample_variation(config, tmp_path, data, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(RECORDED_FILES)
    found = read_json(tmp_path / "out" / "metrics.json")
    first_row = block_means(data.train[:5].permute(0, 2, 3, 1).numpy())
    assert found["samples"]["total"] == pytest.approx(first_row.var(0, ddof=1).sum())
    assert found["null"]["along"] < 0.1 * found["data"]["along"]


def test_the_recorded_samples_are_those_of_the_recorded_flows(monkeypatch):
    monkeypatch.delenv("HW2_RESULTS", raising=False)
    runs, flows = paper_runs("samples-capsule"), paper_runs("maf-capsule")
    assert tuple(run.seed for run in runs) == JOBS["samples-capsule"].seeds
    for run, flow in zip(runs, flows, strict=True):
        assert {p.name for p in run.path.iterdir()} == set(RECORDED_FILES)
        shared = run.config.keys() & flow.config.keys() - {"evaluate_epochs"}
        assert all(run.config[key] == flow.config[key] for key in shared) and len(shared) > 8
        assert run.environment["data"] == flow.environment["data"]
        for part in run.metrics.values():
            assert 0 < part["along"] < part["total"]
        assert run.metrics["null"]["along"] < 0.1 * run.metrics["data"]["along"], "a null must fail"
