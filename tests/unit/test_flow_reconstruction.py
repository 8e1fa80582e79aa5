"""Images through a trained flow and back: what a run leaves behind, and what the recorded runs hold."""

import numpy as np
import pytest

from hw2lib.anomaly import flow_reconstruction_errors, nll_scores
from hw2lib.data import synthetic_capsules
from hw2lib.errors import UserError
from hw2lib.jobs import reproduce as jobs
from hw2lib.jobs.flow_reconstruction import (
    FLOW_RECONSTRUCTION_PROFILES,
    RECORDED_FILES,
    out_of_distribution_images,
    run_flow_reconstruction,
)
from hw2lib.jobs.trained import load_flow
from hw2lib.runs.folder import read_json
from hw2lib.runs.reader import paper_runs, read_table
from hw2lib.statistics import auroc_per_defect
from hw2lib.training.settings import MAFConfig

TINY = FLOW_RECONSTRUCTION_PROFILES["quick"]


@pytest.fixture(scope="module")
def data():
    return synthetic_capsules(16, train=20, good=4, per_defect=2)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("there-and-back") / "run"
    assert run_flow_reconstruction(TINY, data, out, "cpu")
    return out


def test_a_run_leaves_its_files(run, data):
    assert {path.name for path in run.iterdir()} == set(RECORDED_FILES) | {"flow"}
    assert MAFConfig.model_validate(read_json(run / "config.json")) == TINY
    assert read_json(run / "environment.json")["data"]["checksum"] == data.checksum


def test_the_table_is_that_of_the_flow(run, data):
    table, metrics = read_table(run / "scores.csv"), read_json(run / "metrics.json")
    assert table["file"].tolist() == data.test_files
    flow, _ = load_flow(run / "flow")
    rounding = 3 * TINY.size**2 * np.finfo(np.float32).eps  # of the sum over pixels in single precision
    np.testing.assert_allclose(table["nll"], nll_scores(flow, data.test), rtol=rounding)
    sets = out_of_distribution_images(16) | {"test": data.test}
    for precision, model in (("single", flow), ("double", flow.double())):
        for name, images in sets.items():
            found = flow_reconstruction_errors(model, images).mean()
            # Rounding of a sum depends on how it is cut up; its size does not.
            assert metrics["errors"][name][precision] == pytest.approx(found, rel=0.5)
        areas = auroc_per_defect(table["defect"], table[precision])
        assert metrics[precision]["auroc"]["all"]["value"] == pytest.approx(areas["all"])
        flow = load_flow(run / "flow")[0]


def test_errors_are_those_of_the_precision(run):
    for errors in read_json(run / "metrics.json")["errors"].values():
        assert 0 < errors["double"] < 1e-28 < errors["single"] < 1e-11


def test_a_finished_flow_is_not_trained_again(run, data):
    before = (run / "flow" / "losses.csv").read_bytes()
    for name in RECORDED_FILES:
        (run / name).rename(run / f"{name}.old")
    assert run_flow_reconstruction(TINY, data, run, "cpu")
    assert (run / "flow" / "losses.csv").read_bytes() == before
    for name in RECORDED_FILES:
        (run / f"{name}.old").unlink()
    with pytest.raises(UserError, match="already holds a run"):
        run_flow_reconstruction(TINY, data, run, "cpu")


def test_images_out_of_distribution_are_images_of_the_asked_size():
    out_of_distribution = out_of_distribution_images(24, n=3)
    assert out_of_distribution.keys() == {"noise", "apple"}
    assert all(images.shape == (3, 3, 24, 24) for images in out_of_distribution.values())
    assert out_of_distribution["noise"].float().mean().item() == pytest.approx(127.5, abs=5)


def test_the_recorded_runs_agree_with_their_scores(monkeypatch):
    monkeypatch.delenv("HW2_RESULTS", raising=False)
    runs, (flow, *_) = paper_runs("flow-reconstruction-capsule"), paper_runs("maf-capsule")
    assert [run.seed for run in runs] == list(jobs.JOBS["flow-reconstruction-capsule"].seeds)
    paper = FLOW_RECONSTRUCTION_PROFILES["paper"]
    for run in runs:
        assert {path.name for path in run.path.iterdir()} == set(RECORDED_FILES)
        assert MAFConfig.model_validate(run.config) == paper.model_copy(update={"seed": run.seed})
        assert run.environment["data"] == flow.environment["data"]
        assert run.scores["file"].tolist() == flow.scores.query("weights == 'ema'")["file"].tolist()
        for name in ("nll", "single", "double"):
            areas = auroc_per_defect(run.scores["defect"], run.scores[name])
            recorded = {k: v["value"] for k, v in run.metrics[name]["auroc"].items()}
            assert recorded == pytest.approx(areas, abs=1e-6)
