"""Anomaly maps of a trained flow and of the baselines, compared with images as clusters."""

import json
import math

import numpy as np
import pytest

from hw2lib.anomaly import nll_maps, pixel_auroc, pixel_auroc_report, smooth
from hw2lib.data import split_validation, synthetic_capsules
from hw2lib.errors import UserError
from hw2lib.jobs import reproduce as jobs
from hw2lib.jobs.baselines import BaselinesConfig, build_baselines
from hw2lib.jobs.maf import run_maf
from hw2lib.jobs.pixel_comparison import RECORDED_FILES, SIGMA, read_placements, run_pixel_comparison
from hw2lib.jobs.trained import load_flow
from hw2lib.runs.reader import paper_runs, read_table
from hw2lib.statistics import compare
from hw2lib.training.settings import MAFConfig

BASELINES = BaselinesConfig(size=16, components=4, widths=(1.0,), stride=1)
FLOW = MAFConfig(
    size=16,
    hidden_features=(16,),
    transforms=2,
    batch_size=8,
    epochs=1,
    evaluate_epochs=(),
    checkpoint_every=0,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pixels")
    data = synthetic_capsules(16, train=30, good=5, per_defect=2)
    assert run_maf(FLOW, data, folder / "flow", device="cpu")
    assert run_pixel_comparison(BASELINES, folder / "flow", data, folder / "run")
    return folder, data


def test_the_recorded_placements_give_the_pixel_auroc(run):
    folder, data = run
    out = folder / "run"
    assert {path.name for path in out.iterdir()} == set(RECORDED_FILES)
    table, masks = read_table(out / "pixels.csv"), data.masks.numpy()
    metrics = json.loads((out / "metrics.json").read_text())["pixel_auroc"]
    assert list(metrics) == ["flow", *build_baselines(BASELINES)]
    flow, _ = load_flow(folder / "flow")
    train, validation = split_validation(30, 0.1, 0)
    maps = {"flow": (nll_maps(flow, data.test), nll_maps(flow, data.train[validation]))}
    for method, detector in build_baselines(BASELINES).items():
        detector.fit(data.train[train])
        maps[method] = (detector.maps(data.test), detector.maps(data.train[validation]))
    for method, (test, normal) in maps.items():
        report = pixel_auroc_report(test, normal, masks, sigma=SIGMA)
        for kind in ("raw", "minus_mean"):
            placed = read_placements(table, method, kind)
            assert placed.area == pytest.approx(report[kind], abs=1e-5)
            entry = metrics[method][kind]
            assert entry["value"] == pytest.approx(report[kind], abs=1e-5)
            assert entry["low"] <= entry["value"] <= entry["high"]
            assert placed.anomalous.sum() == masks.sum() and len(placed.anomalous) == len(data.test)


def test_the_difference_is_that_of_resampled_images(run):
    folder, data = run
    table, masks = read_table(folder / "run" / "pixels.csv"), data.masks.numpy()
    pair = [read_placements(table, method, "raw") for method in ("pca_residual", "mean_image")]
    result = compare(*pair)
    train, _ = split_validation(30, 0.1, 0)
    detectors = build_baselines(BASELINES)
    maps = [
        smooth(detectors[method].fit(data.train[train]).maps(data.test), SIGMA)
        for method in ("pca_residual", "mean_image")
    ]
    rng, differences = np.random.default_rng(0), []
    for _ in range(400):
        part = rng.integers(0, len(masks), len(masks))
        if masks[part].any():
            differences.append(
                pixel_auroc(maps[0][part], masks[part]) - pixel_auroc(maps[1][part], masks[part])
            )
    spread = (result.difference.high - result.difference.low) / (2 * 1.959964)
    # Fifteen images are few; the resampled spread is itself uncertain by some tenths.
    assert math.log(spread / np.std(differences)) == pytest.approx(0, abs=0.4)


def test_a_folder_without_a_flow_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        run_pixel_comparison(BASELINES, tmp_path / "nothing", run[1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_job_takes_the_flow_that_is_there_and_trains_one_otherwise(run, tmp_path, monkeypatch):
    folder, data = run
    monkeypatch.setattr(jobs, "load_capsules", lambda folder, size: data)
    monkeypatch.setattr(jobs, "named_profile", lambda name, profiles=None: BASELINES if profiles else FLOW)
    trained = []

    def train(profile, seed, data, out, device):
        trained.append(out)
        out.mkdir(parents=True)
        for path in (folder / "flow").iterdir():
            (out / path.name).write_bytes(path.read_bytes())
        return True

    monkeypatch.setattr(jobs, "_maf", train)
    job = jobs.JOBS["pixels-capsule"]
    for name in ("first", "second"):
        assert job.run("quick", 0, None, tmp_path / name / "seed-0", "cpu")
        assert (tmp_path / name / "seed-0" / "metrics.json").exists()
    assert trained == [tmp_path / "maf-capsule-quick" / "seed-0"]
    same = [read_table(tmp_path / name / "seed-0" / "pixels.csv")["above"] for name in ("first", "second")]
    assert same[0].tolist() == same[1].tolist()


def test_the_recorded_run_agrees_with_its_placements():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HW2_RESULTS", raising=False)
        (recorded,) = paper_runs("pixels-capsule")
        (baselines,), flows = paper_runs("baselines-capsule"), paper_runs("maf-capsule")
    assert {path.name for path in recorded.path.iterdir()} == set(RECORDED_FILES)
    assert recorded.environment["data"] == baselines.environment["data"] == flows[0].environment["data"]
    assert recorded.config["baselines"] == baselines.config
    same = ("size", "hidden_features", "transforms", "epochs", "seed", "learning_rate", "batch_size")
    assert all(recorded.config["flow"][key] == flows[0].config[key] for key in same)
    table = read_table(recorded.path / "pixels.csv")
    for method, kinds in recorded.metrics["pixel_auroc"].items():
        for kind, entry in kinds.items():
            assert read_placements(table, method, kind).area == pytest.approx(entry["value"], abs=1e-6)
            assert len(table.query("method == @method and map == @kind")) == 132
            if method != "flow":
                before = baselines.metrics[method]["pixel_auroc"][kind]
                assert entry["value"] == pytest.approx(before, abs=1e-4)
    # The flow was trained again on the recipe of seed 0: near the recorded run, not equal to the bit.
    again = recorded.metrics["pixel_auroc"]["flow"]["raw"]["value"]
    assert again == pytest.approx(flows[0].metrics["ema"]["pixel_auroc"]["raw"], abs=0.01)
