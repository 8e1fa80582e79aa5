"""hw2 train local, hw2 score and hw2 bench local: a folder of good images is enough."""

import csv
import dataclasses
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from hw2lib import cli
from hw2lib.anomaly.local import LocalConfig, LocalDetector
from hw2lib.anomaly.local.selection import SEARCH, START
from hw2lib.data import make_capsules, synthetic_capsules
from hw2lib.errors import UserError
from hw2lib.jobs.local import METHODS, PROFILES, load_local, run_local, run_local_ablations
from hw2lib.jobs.local_places import peak_of, place_of, run_local_places
from hw2lib.jobs.local_scoring import alarm_score, drawn
from hw2lib.jobs.local_selection import run_local_selection
from hw2lib.jobs.trained import run_kind
from hw2lib.runs.reader import paper_root


def call(monkeypatch, capsys, *arguments):
    """Exit code, what was printed, and what was said on the other stream."""
    monkeypatch.setattr(sys, "argv", ["hw2", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out = capsys.readouterr()
    return stop.value.code or 0, out.out, out.err


@pytest.fixture(scope="module")
def category(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "capsules"
    make_capsules(folder, train=24, good=4, per_defect=2)
    return folder


@pytest.fixture(scope="module")
def run(category, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "local"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(
            sys,
            "argv",
            ["hw2", "train", "local", "--data", str(category), "--out", str(out), "--set", "size=64"],
        )
        cli.main()
    assert not stop.value.code
    return out


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_category_is_scored_with_its_areas_and_decisions(run, category, tmp_path, monkeypatch, capsys):
    out, maps = tmp_path / "scores.csv", tmp_path / "maps"
    code, printed, _ = call(
        monkeypatch,
        capsys,
        "score",
        run,
        "--data",
        category,
        "--out",
        out,
        "--maps",
        maps,
        "--alarm-rate",
        0.1,
    )
    rows = table(out)
    assert code == 0 and len(rows) == 14
    assert {row["defect"] for row in rows} == {
        "good",
        "crack",
        "faulty_imprint",
        "poke",
        "scratch",
        "squeeze",
    }
    assert all((float(row["p_value"]) <= 0.1) == (row["decision"] == "defect") for row in rows)
    assert "AUROC" in printed and "called defective" in printed
    picture = np.asarray(Image.open(maps / "squeeze" / "000.png"))
    assert picture.shape == (64, 132, 3)
    with Image.open(category / "test" / "squeeze" / "000.png") as image:
        assert np.array_equal(picture[:, :64], np.asarray(image.convert("RGB")))


def test_a_category_beside_other_images_is_one_table(run, category, tmp_path, monkeypatch, capsys):
    out = tmp_path / "scores.csv"
    data = ("--data", category / "train" / "good", "--data", category)
    assert call(monkeypatch, capsys, "score", run, *data, "--out", out)[0] == 0
    rows = table(out)
    assert len(rows) == 24 + 14 and "defect" not in rows[0]
    assert {row["file"] for row in rows} >= {"000.png", "crack/000.png", "good/000.png"}


def test_a_kept_detector_is_the_one_that_learnt(run, category):
    detector = load_local(run, "cpu")
    data = synthetic_capsules(64, train=24, good=4, per_defect=2)
    fresh = LocalDetector(LocalConfig(size=64), (64, 64)).fit(data.train)
    np.testing.assert_allclose(detector.maps(data.test), fresh.maps(data.test), atol=1e-5)
    np.testing.assert_allclose(detector.normal_scores.numpy(), fresh.normal_scores.numpy(), atol=1e-6)
    assert run_kind(run, ("local",)) == "local"


def test_a_flow_is_kept_with_its_weights(tmp_path):
    data = synthetic_capsules(64, train=24, good=2, per_defect=1)
    config = PROFILES["quick"].model_copy(update={"densities": ("maf", "gaussian"), "steps": 5})
    detector = LocalDetector(config, (64, 64)).fit(data.train)
    again = LocalDetector(config, (64, 64)).restore({k: v.clone() for k, v in detector.state_dict().items()})
    assert np.array_equal(detector.maps(data.test), again.maps(data.test))


def test_a_bare_folder_of_grey_images_that_are_not_square(tmp_path, monkeypatch, capsys):
    rng, folder = np.random.default_rng(0), tmp_path / "good"
    folder.mkdir()
    for k in range(16):
        Image.fromarray(rng.integers(80, 160, (60, 90)).astype(np.uint8)).save(folder / f"{k}.png")
    bad = rng.integers(80, 160, (60, 90)).astype(np.uint8)
    bad[20:32, 30:42] = 255
    Image.fromarray(bad).save(tmp_path / "bad.png")
    run = tmp_path / "run"
    train = ("train", "local", "--data", folder, "--out", run, "--set", "size=96")
    code, printed, _ = call(monkeypatch, capsys, *train)
    assert code == 0 and "all of the image" in printed
    assert json.loads((run / "metrics.json").read_text())["shape"] == [64, 96]
    out = tmp_path / "scores.csv"
    images = ("--data", tmp_path / "bad.png", "--data", folder)
    code, printed, _ = call(monkeypatch, capsys, "score", run, *images, "--out", out, "--alarm-rate", 0.05)
    rows = table(out)
    assert code == 0 and len(rows) == 17 and "defect" not in rows[0]
    assert rows[0]["decision"] == "defect"
    assert float(rows[0]["score"]) > max(float(row["score"]) for row in rows[1:])
    assert "16 held-out images reach down to 5.9%" in printed


def test_another_category_with_other_defects_on_a_texture(tmp_path, monkeypatch, capsys):
    """The layout of MVTec AD, colour, no border, sides that differ, kinds that no list names."""
    rng, carpet = np.random.default_rng(1), tmp_path / "carpet"
    for part, count in (("train/good", 14), ("test/good", 3), ("test/hole", 3)):
        (carpet / part).mkdir(parents=True)
        for k in range(count):
            image = rng.integers(90, 150, (64, 80, 3)).astype(np.uint8)
            if part.endswith("hole"):
                image[24:36, 40:52] = (10, 20, 30)
            Image.fromarray(image).save(carpet / part / f"{k:03d}.png")
    run, out = tmp_path / "run", tmp_path / "scores.csv"
    train = ("train", "local", "--data", carpet, "--out", run, "--set", "size=80", "--density", "gaussian")
    code, printed, _ = call(monkeypatch, capsys, *train)
    assert code == 0 and "all of the image" in printed
    assert json.loads((run / "metrics.json").read_text())["shape"] == [64, 80]
    assert call(monkeypatch, capsys, "score", run, "--data", carpet, "--out", out)[0] == 0
    scores = {row["file"]: float(row["score"]) for row in table(out)}
    assert len(scores) == 6
    assert min(scores[f"hole/{k:03d}.png"] for k in range(3)) > max(
        scores[f"good/{k:03d}.png"] for k in range(3)
    )


def test_errors_are_one_line(run, category, tmp_path, monkeypatch, capsys):
    tall = tmp_path / "tall.png"
    Image.new("RGB", (32, 64)).save(tall)
    (tmp_path / "few").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "few" / "a.png")
    for arguments, message in (
        (("score", run, "--data", tall), "is 32×64 pixels; expected sides like 64×64"),
        (("score", run, "--data", tmp_path / "none.png"), "no such file or folder"),
        (("score", run, "--data", category, "--alarm-rate", 1.5), "expected a share between 0 and 1"),
        (("score", run, "--data", category, "--weights", "ema"), "leave out --weights"),
        (("score", tmp_path, "--data", category), "is this the folder of a run"),
        (("train", "local", "--data", tmp_path / "few", "--out", tmp_path / "r"), "1 normal images"),
        (("train", "local", "--data", tmp_path / "no", "--out", tmp_path / "r2"), "no such folder"),
        (("train", "local", "--data", category, "--out", run), "already holds a run"),
        (("train", "local", "--data", category, "--density", "vae", "--out", tmp_path / "r4"), "vae"),
        (("train", "local", "--data", category, "--set", "cell=0", "--out", tmp_path / "r3"), "cell=0"),
        (("bench", "local", "--density", "flow"), "--density flow: expected one of"),
    ):
        code, _, said = call(monkeypatch, capsys, *arguments)
        assert code == 2 and message in said, (arguments, said)
        assert said.strip().splitlines()[-1].startswith("hw2: ")


def test_the_alarm_score_is_where_decisions_change(run):
    detector = load_local(run, "cpu")
    for rate in (0.2, 0.05, 0.001):
        level = alarm_score(detector, rate)
        below, above = detector.p_values(np.array([level - 1e-6, level + 1e-6]))
        assert above <= rate < below


def test_an_image_that_is_called_has_an_outline_and_a_normal_one_has_none():
    image, values = np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20))
    values[8:12, 8:12] = 1.0
    cyan = np.array([0, 255, 255])
    assert (drawn(image, values, 2.0, 2.5) == cyan).all(-1).any()
    assert not (drawn(image, values, 2.0, 1.9) == cyan).all(-1).any()


def test_the_bench_says_what_grows(monkeypatch, capsys):
    sizes = ("--images", 20, "--images", 40, "--size", 48)
    code, printed, _ = call(
        monkeypatch, capsys, "bench", "local", "--density", "neighbours", *sizes, "--json"
    )
    rows = json.loads(printed)["rows"]
    assert code == 0 and [row["images"] for row in rows] == [20, 40]
    assert all(row["cells"] == 144 for row in rows)
    assert rows[1]["kept_mb"] > 1.5 * rows[0]["kept_mb"]


# Recorded runs


def test_a_run_records_every_method(tmp_path):
    data = synthetic_capsules(64, train=24, good=6, per_defect=3)
    config = PROFILES["quick"].model_copy(update={"steps": 20})
    assert run_local(config, data, tmp_path / "run", "cpu")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    rows = table(tmp_path / "run" / "scores.csv")
    assert {row["method"] for row in rows} == set(METHODS) and len(rows) == len(METHODS) * len(data.test)
    alone = LocalDetector(config, (64, 64)).fit(data.train)
    scores = alone.scores(alone.maps(data.test))
    found = [float(row["score"]) for row in rows if row["method"] == "neighbours"]
    np.testing.assert_allclose(found, scores, rtol=1e-5)
    for method in METHODS:
        part = metrics[method]
        assert {"all", "crack"} <= set(part["auroc"]) and {"f1_max", "average_precision"} == set(
            part["detection"]
        )
        assert {"aupro_0.3", "aupro_0.05", "aupimo", "pixel_auroc"} <= set(part["localisation"])
        assert [d["alarm_rate"] for d in part["decisions"]] == [0.01, 0.05, 0.1]


def test_the_ablations_take_one_thing_away_each(tmp_path):
    data = synthetic_capsules(64, train=20, good=4, per_defect=2)
    assert run_local_ablations(PROFILES["quick"], data, tmp_path / "run", "cpu")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert set(metrics) == {
        "all", "no_object_mask", "isotropic_filters", "values_pooled", "one_mode", "not_calibrated",
        "largest_cell", "mean_of_all_cells",
    }  # fmt: skip
    values = {round(part["auroc"]["all"]["value"], 6) for part in metrics.values()}
    assert len(values) > 3


def test_places_are_written_down_in_pixels(tmp_path):
    data = synthetic_capsules(64, train=20, good=2, per_defect=2)
    config = PROFILES["quick"]
    assert run_local_places(config, data, tmp_path / "run", "cpu")
    rows = table(tmp_path / "run" / "scores.csv")
    defects = json.loads((tmp_path / "run" / "metrics.json").read_text())["defects"]
    assert [row["file"] for row in rows] == data.test_files
    assert set(defects) == {file for file in data.test_files if not file.startswith("good")}
    for file, mask in zip(data.test_files, data.masks.numpy(), strict=True):
        if file in defects:
            assert defects[file]["pixels"] == mask.sum()
            np.testing.assert_allclose(
                [defects[file]["row"], defects[file]["column"]], np.argwhere(mask).mean(0)
            )
    near = [place["distance"] <= 8 for place in defects.values()]
    assert sum(near) >= 8  # of ten: the largest cell lies on the defect by and large
    with pytest.raises(UserError, match="no masks"):
        run_local_places(config, dataclasses.replace(data, masks=None), tmp_path / "other", "cpu")


def test_a_place_is_the_distance_to_the_nearest_defective_pixel():
    cells = np.array([[0.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    mask = np.zeros((12, 8), bool)
    mask[10, 1:3] = True
    assert peak_of(cells, 4) == (6.0, 6.0)
    place = place_of(mask, cells, 4)
    assert (place["pixels"], place["row"], place["column"], place["on_defect"]) == (2, 10.0, 1.5, 1.0)
    assert place["distance"] == pytest.approx(np.hypot(4, 4))


def test_the_selection_reads_no_test_image(category, tmp_path, monkeypatch):
    from hw2lib.anomaly.local import selection
    from hw2lib.data import mvtec

    monkeypatch.setattr(mvtec, "load_mvtec", lambda *a, **k: pytest.fail("the test set was read"))
    monkeypatch.setattr(selection, "SEARCH", ({"top_cells": 1},))
    assert run_local_selection("quick", 0, category, tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [row["changed"] for row in metrics["neighbours"]][0] == {}
    assert set(metrics["neighbours"][0]["areas"]) == {"generated", "real"}
    assert set(metrics["flow"][0]["areas"]) == {"real"}
    facts = json.loads((tmp_path / "run" / "environment.json").read_text())["data"]
    assert facts["train"] == 24 and facts["test"] == 0


def test_the_better_setting_is_kept_only_where_it_helps_enough(monkeypatch):
    from hw2lib.anomaly.local.selection import choose

    class Fake:
        def areas(self, config):
            best = {1: 0.9, 3: 0.902, 5: 0.95}[config.neighbours]
            return {"patch": best, "blob": best + (0.02 if config.radius == 2 else 0)}

    start = LocalConfig(neighbours=1, radius=1)
    search = ({"neighbours": 3}, {"neighbours": 5}, {"radius": 0}, {"radius": 2})
    config, rows = choose({"a": Fake()}, start, search)
    assert (config.neighbours, config.radius) == (5, 2)
    assert [row["taken"] for row in rows] == [True, False, True, False, True]
    config, _ = choose({"a": Fake()}, start, ({"neighbours": 3},))
    assert config.neighbours == 1  # 0.002 more is no reason


def test_a_detector_needs_no_gpu_to_be_told_where_it_is():
    detector = LocalDetector(LocalConfig(size=64), (64, 64)).to(torch.device("cpu"))
    with pytest.raises(UserError, match="0 normal images"):
        detector.fit(torch.zeros(0, 3, 64, 64, dtype=torch.uint8))


def test_the_defaults_are_what_was_chosen():
    """The recorded selection, trial by trial, leads to the settings that every run takes."""
    folder = paper_root() / "local-selection"
    recorded = json.loads((folder / "config.json").read_text())
    assert LocalConfig.model_validate(recorded) == LocalConfig()
    metrics = json.loads((folder / "metrics.json").read_text())
    followed = START.model_dump()
    for row in [*metrics["neighbours"], *metrics["flow"]]:
        followed |= row["changed"] if row["taken"] else {}
    assert LocalConfig.model_validate(followed) == LocalConfig()
    assert [row["changed"] for row in metrics["neighbours"]][1:] == [
        {k: list(v) if isinstance(v, tuple) else v for k, v in row.items()} for row in SEARCH
    ]
