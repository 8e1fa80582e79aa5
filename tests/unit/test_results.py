"""Reading recorded runs, and what the runs recorded in this checkout agree on."""

import json

import numpy as np
import pytest
import torch

from hw2lib.cyclegan import TERMS
from hw2lib.errors import UserError
from hw2lib.jobs.maf import RECORDED_FILES
from hw2lib.jobs.reproduce import JOBS
from hw2lib.runs.folder import read_json, write_csv, write_json
from hw2lib.runs.images import cut_sheet, save_grid
from hw2lib.runs.reader import RecordedRun, paper_root, paper_run, paper_runs, read_table
from hw2lib.statistics import auroc_interval, auroc_per_defect
from hw2lib.training.settings import CYCLEGAN_PROFILES, CycleGANConfig, MAFConfig

# Reading


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path))
    return tmp_path


def write_run(root, seed, **config):
    out = root / "maf-capsule" / f"seed-{seed}"
    out.mkdir(parents=True)
    write_json(out / "config.json", {"seed": seed} | config)
    return out


def test_the_folder_can_be_named(root):
    assert paper_root() == root


def test_without_a_name_the_folder_is_this_checkouts(monkeypatch):
    monkeypatch.delenv("HW2_RESULTS", raising=False)
    assert paper_root().parts[-2:] == ("results", "paper")


def test_runs_come_in_the_order_of_their_seeds(root):
    for seed in (10, 2, 0):
        write_run(root, seed)
    (root / "maf-capsule" / "seed-7").mkdir()  # without settings it is no run
    assert [run.seed for run in paper_runs("maf-capsule")] == [0, 2, 10]


def test_a_job_without_runs_is_named(root):
    with pytest.raises(UserError, match="other: no recorded runs"):
        paper_runs("other")


def test_a_run_reads_each_of_its_files(root):
    out = write_run(root, 1)
    environment = {"device": "a CPU", "libraries": {}, "data": {"name": "widget", "checksum": "0"}}
    write_json(out / "environment.json", environment)
    out = out.rename(root / "another")  # a job without a schema of its own
    write_json(out / "metrics.json", {"val_bpd": 5.5})
    for name in ("losses", "auroc", "scores"):
        write_csv(out / f"{name}.csv", [{"file": f"{name}/1", "x": 0.25}])
    run = RecordedRun(out)
    assert (run.environment, run.metrics) == (environment, {"val_bpd": 5.5})
    for name in ("losses", "auroc", "scores"):
        assert getattr(run, name)["file"].tolist() == [f"{name}/1"]
    (out / "metrics.json").unlink()
    with pytest.raises(UserError, match="metrics.json: no such file"):
        _ = RecordedRun(out).metrics


def test_the_sheet_is_cut_into_its_images(root):
    images = torch.randint(
        0, 256, (15, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    out = write_run(root, 0, size=8)
    save_grid(out / "samples.png", images)
    sheet = RecordedRun(out).sample_sheet()
    assert sheet.shape == (3, 5, 8, 8, 3)
    assert np.array_equal(sheet.reshape(15, 8, 8, 3), images.permute(0, 2, 3, 1).numpy())


def test_a_cyclegan_run_reads_as_tables_and_sheets(root):
    out = root / "cyclegan-apple2orange"
    out.mkdir()
    write_json(out / "config.json", {"seed": 0, "size": 8})
    test = [{"epoch": e, "cycle_ssim_A": e / 10} for e in (1, 10)]
    translation = {
        "epochs": [{"epoch": e, "success_A": e / 20} for e in (1, 10)],
        "reference": {"source": {"success_A": 0.0}, "real": {"success_A": 0.9}},
    }
    turned = [("red", "orange", 0.3), ("red", "red", 0.1), ("green", "green", 0.2)]
    colours = [
        {"epoch": 1, "direction": "A", "before": before, "after": after, "share": share}
        for before, after, share in turned
    ]
    hidden = [{"epoch": 1, "kind": kind, "level": 0.0, "error": 2.0} for kind in ("noise", "rounding")]
    metrics = {"test": test, "translation": translation, "steganography": hidden, "colours": colours}
    write_json(out / "metrics.json", metrics)
    images = torch.arange(24, dtype=torch.uint8).view(24, 1, 1, 1).expand(24, 3, 8, 8)
    save_grid(out / "epoch-10.png", images, columns=6)
    run = paper_run("cyclegan-apple2orange")
    assert run.epochs == [1, 10] and run.references["source"] == {"success_A": 0.0}
    assert run.measures["cycle_ssim_A"].tolist() == [0.1, 1.0]
    assert run.measures["success_A"].tolist() == [0.05, 0.5]
    assert run.steganography.query("kind == 'rounding'")["error"].tolist() == [2.0]
    assert run.colour_share(1, "A", "red", "orange") == pytest.approx(0.75)
    assert run.colour_share(1, "A", "red", "orange", "red") == pytest.approx(1)
    assert run.colour_share(1, "A", "green", "blue") == 0
    measures = run.measures_of("A")
    assert measures.index.tolist() == ["source", 1, 10, "real"]
    assert measures["success"].tolist() == [0, 0.05, 0.5, 0.9]
    assert measures["SSIM"].dropna().tolist() == [0.1, 1.0] and measures["identity"].isna().all()
    sheet = run.contact_sheet(10)
    assert sheet.shape == (4, 6, 8, 8, 3)
    assert np.array_equal(sheet[:, :, 0, 0, 0], np.arange(24).reshape(4, 6))
    with pytest.raises(UserError, match="epoch-01.png: No such file or directory"):
        run.contact_sheet(1)
    with pytest.raises(UserError, match="is no sheet of 5 columns"):
        cut_sheet(out / "epoch-10.png", 8, columns=5)
    with pytest.raises(UserError, match="cyclegan-other: no recorded run"):
        paper_run("cyclegan-other")


def test_a_grid_in_the_sheet_of_an_epoch_stands_out(root):
    out = root / "cyclegan-apple2orange"
    out.mkdir()
    write_json(out / "config.json", {"seed": 0, "size": 16})
    images = torch.randint(
        100, 140, (24, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    save_grid(out / "epoch-01.png", images, columns=6)
    images[..., ::2] += 100
    save_grid(out / "epoch-02.png", images, columns=6)
    run = paper_run("cyclegan-apple2orange")
    assert run.grid_excess(1, 2) < 2 and run.grid_excess(2, 2) > 50 * run.grid_excess(2, 4)


def test_the_fall_of_a_loss_is_shared_out_by_epoch(root):
    out = write_run(root, 0)
    (out / "losses.csv").write_text("epoch,loss\n1,9\n2,5\n3,4\n4,1\n", "utf-8")
    run = RecordedRun(out)
    assert [run.fall_by(epoch, "loss") for epoch in (1, 2, 4)] == [0, 0.5, 1]


def test_losses_have_a_trend_in_the_whole_and_in_the_second_half(root):
    out = write_run(root, 0)
    lines = [f"{1 + step // 30},{step},{abs(step - 60)},{step}" for step in range(120)]  # four epochs of 30
    (out / "losses.csv").write_text("epoch,step,valley,slope\n" + "\n".join(lines) + "\n", "utf-8")
    trends = RecordedRun(out).loss_trends("valley", "slope")
    assert list(trends) == ["valley", "slope"]
    whole, second = trends["valley"]
    assert whole.direction == "neither" and second.tau == pytest.approx(1)
    assert [part.tau for part in trends["slope"]] == pytest.approx([1, 1])


def test_columns_are_numbers_where_all_values_are(tmp_path):
    (tmp_path / "t.csv").write_text("n,name,mixed\n1,a,1\n2.5e-3,b,x\n", "utf-8")
    table = read_table(tmp_path / "t.csv")
    assert table["n"].dtype == np.float64 and table["n"].tolist() == [1, 0.0025]
    assert table["name"].tolist() == ["a", "b"] and table["mixed"].tolist() == ["1", "x"]


def test_numbers_are_read_to_the_last_bit_and_words_stay_words(tmp_path):
    numbers = torch.rand(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).tolist()
    lines = [f"{x!r},{kind}" for x, kind in zip(numbers, ["None", "NA", "", "null"] * 50, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["x,kind", *lines, "nan,none"]) + "\n", "utf-8")
    table = read_table(tmp_path / "t.csv")
    assert table["x"].tolist()[:-1] == numbers and np.isnan(table["x"].iloc[-1])
    assert table["kind"].tolist()[:4] == ["None", "NA", "", "null"]


@pytest.mark.parametrize("text, message", [(None, "cannot be read"), ("a,b\n", "no rows"), ("", "no rows")])
def test_tables_that_say_nothing_are_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=f"t.csv: .*{message}"):
        read_table(tmp_path / "t.csv")


# The runs recorded in this checkout


@pytest.fixture(scope="module")
def recorded():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HW2_RESULTS", raising=False)
        return paper_runs("maf-capsule")


def test_all_seeds_of_the_job_are_recorded_at_full_size(recorded):
    assert tuple(run.seed for run in recorded) == JOBS["maf-capsule"].seeds
    for run in recorded:
        assert MAFConfig.model_validate(run.config) == MAFConfig(seed=run.seed)
        assert {p.name for p in run.path.iterdir()} == set(RECORDED_FILES)


def test_all_runs_saw_the_same_images(recorded):
    assert len({json.dumps(run.environment["data"]) for run in recorded}) == 1
    assert recorded[0].environment["data"]["train"] == 219
    assert recorded[0].environment["data"]["test"] == 132


def test_every_epoch_has_its_losses(recorded):
    for run in recorded:
        assert run.losses["epoch"].tolist() == list(range(1, 51))
        assert np.isfinite(run.losses["train_nll"]).all()
        expected = run.losses["train_nll"] / 49_152 / np.log(2) + 7
        np.testing.assert_allclose(run.losses["train_bpd"], expected, rtol=1e-5)


@pytest.mark.parametrize("weights", ["plain", "ema"])
def test_the_areas_follow_from_the_recorded_scores(recorded, weights):
    for run in recorded:
        scores = run.scores.query("weights == @weights")
        areas = auroc_per_defect(scores["defect"], scores["nll"])
        stored = run.metrics[weights]["auroc"]
        assert {k: v["value"] for k, v in stored.items()} == pytest.approx(areas, abs=1e-6)
        last = run.auroc.query("weights == @weights and epoch == 50")
        by_name = dict(zip(last["defect"].tolist(), last["auroc"].tolist(), strict=True))
        assert by_name == pytest.approx(areas, abs=1e-6)
        interval = auroc_interval(scores["defect"] != "good", scores["nll"])
        assert stored["all"]["low"] == pytest.approx(interval.low, abs=0.01)
        assert stored["all"]["high"] == pytest.approx(interval.high, abs=0.01)


def test_training_fits_into_nine_gigabytes_and_the_flow_inverts(recorded):
    for run in recorded:
        assert 1 < run.metrics["training_peak_memory_gb"] <= 9
        assert run.metrics["sampling"]["round_trip_error"] <= 1e-4


def test_nothing_recorded_names_a_machine(recorded):
    for run in recorded:
        for name in ("config.json", "environment.json", "metrics.json"):
            text = (run.path / name).read_text("utf-8")
            assert not any(trace in text for trace in ("/home", "/root", "/work", "/tmp", "\\\\"))


TRANSLATORS = ["marked/cyclegan-apple2orange", "cyclegan-summer2winter"]


@pytest.fixture
def translator(monkeypatch):
    monkeypatch.delenv("HW2_RESULTS", raising=False)
    return paper_run


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translator_is_recorded_with_the_settings_of_its_job(translator, name):
    """The table's; what a GPU adds changes the arithmetic's precision, and not what is trained."""
    run, config = translator(name), CYCLEGAN_PROFILES["paper"]
    found = CycleGANConfig.model_validate(run.config)
    free = {"bfloat16", "compile", "cuda_graphs", "checkpoint_every"}
    assert found.model_dump(exclude=free) == config.model_dump(exclude=free)
    assert {path.name for path in run.path.iterdir()} == set(JOBS[run.path.name].files)
    assert run.epochs == list(config.evaluate_epochs)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translator_has_the_losses_of_all_its_epochs(translator, name):
    """A row for the first step and for every tenth, across all interruptions."""
    run, config = translator(name), CYCLEGAN_PROFILES["paper"]
    steps = max(run.environment["data"][split] for split in ("trainA", "trainB"))
    kept = [1, *range(config.log_every, config.epochs * steps + 1, config.log_every)]
    assert run.losses["step"].tolist() == kept
    assert run.losses["epoch"].tolist() == [(step - 1) // steps + 1 for step in kept]
    assert all(np.isfinite(run.losses[term]).all() for term in TERMS)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_each_test_image_is_judged_once_and_success_is_their_mean(translator, name):
    run = translator(name)
    judged = {row["epoch"]: row for row in run.metrics["translation"]["epochs"]}
    assert list(judged) == run.epochs
    rows = 0
    for epoch, measures in judged.items():
        for direction in "AB":
            chosen = (run.translations["epoch"] == epoch) & (run.translations["direction"] == direction)
            images = run.translations[chosen]
            assert images["image"].tolist() == list(range(run.environment["data"][f"test{direction}"]))
            assert images["classified_as_target"].mean() == pytest.approx(
                measures[f"success_{direction}"], abs=1e-5
            )
            rows += len(images["image"])
    assert rows == len(run.translations["image"])


def test_the_recorded_times_of_a_step_are_those_of_one_run_of_the_bench(monkeypatch):
    monkeypatch.delenv("HW2_RESULTS", raising=False)
    bench = read_json(paper_root() / "bench-cyclegan" / "gpu.json")
    rows = {row["arrangement"]: row for row in bench["rows"]}
    assert list(rows) == ["plain", "batched", "own norm", "cuda graphs", "bfloat16", "compiled"]
    assert (bench["size"], bench["blocks"], bench["features"], bench["batch"]) == (128, 6, 64, 1)
    for row in rows.values():  # medians of ratios, and ratios of medians
        whole = row["seconds"] / rows["plain"]["seconds"]
        assert row["ratio_to_plain"] == pytest.approx(whole, rel=0.1)
