"""The job that holds the scores in place of the likelihood against it."""

import json

import numpy as np
import pytest
import yaml
from prose import ROOT

from hw2lib.anomaly import nll_scores, ratio_scores
from hw2lib.data import synthetic_capsules
from hw2lib.jobs.likelihood import (
    COMPARED,
    CORRUPTED,
    DRAWS,
    RECORDED_FILES,
    SIGMA,
    TOP_SHARE,
    run_likelihood,
)
from hw2lib.jobs.maf import run_maf
from hw2lib.jobs.trained import load_flow
from hw2lib.jobs.verify import verify
from hw2lib.runs.folder import record
from hw2lib.runs.manifest import write_manifest
from hw2lib.runs.reader import paper_runs, read_table
from hw2lib.statistics import Placements, compare
from hw2lib.training.settings import MAFConfig

FLOW = MAFConfig(
    size=16, hidden_features=(16,), transforms=2, batch_size=8, epochs=2, evaluate_epochs=(), seed=1
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("likelihood")
    data = synthetic_capsules(16, train=30, good=5, per_defect=2)
    assert run_maf(FLOW, data, folder / "flow", device="cpu")
    assert run_likelihood(FLOW, folder / "flow", data, folder / "run", device="cpu")
    return folder, data


def test_the_two_other_flows_differ_in_one_setting_each(run):
    folder, _ = run
    base = json.loads((folder / "flow" / "config.json").read_text())
    expected = {"background": {"corrupted": CORRUPTED}, "additive": {"conditioner": "additive"}}
    for name, setting in expected.items():
        found = json.loads((folder / "run" / name / "config.json").read_text())
        changed = {k: v for k, v in found.items() if base[k] != v and k != "evaluate_epochs"}
        assert changed == setting


def test_the_scores_are_those_of_the_three_flows(run):
    folder, data = run
    assert {path.name for path in (folder / "run").iterdir()} == {*RECORDED_FILES, "background", "additive"}
    table = read_table(folder / "run" / "scores.csv")
    assert list(table["file"]) == data.test_files
    plain = nll_scores(load_flow(folder / "flow")[0], data.test)
    background = nll_scores(load_flow(folder / "run" / "background")[0], data.test)
    assert table["plain"].to_numpy() == pytest.approx(plain, rel=1e-5)
    assert table["ratio"].to_numpy() == pytest.approx(ratio_scores(plain, background), rel=1e-3, abs=1e-2)
    assert (table["map_maximum"] >= table["map_top"]).all()
    # Before the model is narrow, the bound and the value at the noise's mean are near each other.
    assert np.abs(table["bound"] - table["plain"]).max() < 0.05 * 768 and (table["error"] > 0).all()


def test_every_score_is_compared_with_the_plain_one(run):
    folder, data = run
    table = read_table(folder / "run" / "scores.csv")
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert {*COMPARED, "plain", "bound"} <= metrics["scores"].keys()
    labels = np.array(data.test_defects) != "good"
    plain = Placements.of(labels, table["plain"])
    for name in COMPARED:
        expected = compare(Placements.of(labels, table[name]), plain, metrics["level"])
        found = metrics["scores"][name]["against_plain"]
        assert found["difference"]["value"] == pytest.approx(expected.difference.value, abs=1e-6)
        assert found["difference"]["low"] == pytest.approx(expected.difference.low, abs=1e-6, nan_ok=True)
    assert metrics["scores"]["plain"]["against_plain"]["p_value"] == 1
    assert metrics["held_out_bpd"]["error"] < 0.1


def test_a_record_of_it_is_read_and_verified(run, monkeypatch, tmp_path):
    folder, _ = run
    record(folder / "run", tmp_path / "likelihood-capsule" / "seed-1", RECORDED_FILES)
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path))
    write_manifest()
    checks = list(verify(["likelihood-capsule"]))
    of_size = {"settings of the job", "name of the data"}  # the run is smaller than a record
    assert len(checks) > 8 * len(COMPARED) and {c.what for c in checks if not c.holds} == of_size
    assert paper_runs("likelihood-capsule")[0].metrics["held_out_bpd"].keys() == {"bound", "error", "middle"}


def test_the_settings_are_those_of_the_protocol():
    rules = {rule["id"]: rule for rule in yaml.safe_load((ROOT / "book" / "protocol.yml").read_text("utf-8"))}
    scores = rules["likelihood-on-pixels"]["scores"]
    assert scores.keys() == {"plain", *COMPARED}
    assert f"a share of {CORRUPTED} of the values" in scores["ratio"]
    assert f"Gaussian of {SIGMA:g} pixels" in scores["map_maximum"]
    assert f"{round(TOP_SHARE * 128 * 128)} highest cells" in scores["map_top"]
    assert f"1 − 0.05/{len(COMPARED)}" in rules["likelihood-on-pixels"]["decides"][0]
    assert f"{DRAWS} draws" in rules["dequantization"]["runs"]
