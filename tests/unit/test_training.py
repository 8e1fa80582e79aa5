"""Runs of the flow: what they leave behind, that they resume to the bit, and what they refuse."""

import os
import shutil
import signal
from dataclasses import replace

import checkpoints
import numpy as np
import pytest
import torch
from PIL import Image

from hw2lib.anomaly import nll_scores
from hw2lib.data import MVTecCategory, load_mvtec, split_validation
from hw2lib.errors import UserError
from hw2lib.flows import MAF
from hw2lib.jobs.maf import RECORDED_FILES, run_maf, sample_images
from hw2lib.jobs.trained import load_flow
from hw2lib.runs.folder import read_json, record, write_json
from hw2lib.runs.reader import read_table
from hw2lib.training.fit import fit_flow
from hw2lib.training.maf import build_maf
from hw2lib.training.settings import MAFConfig

TINY = MAFConfig(
    size=8,
    hidden_features=(16, 16),
    transforms=2,
    batch_size=7,
    learning_rate=3e-3,
    epochs=4,
    average_decay=0.8,
    evaluate_epochs=(1, 3),
    seed=3,
)
# The density of 3×8×8 values is a sum of so many terms: what its order may change in single precision.
ROUNDING = 192 * float(np.finfo(np.float32).eps)
STEPS = 3  # per epoch: 18 training images in batches of 7, 7 and 4
CHECKPOINT = "checkpoint.safetensors"


def make_category(train: int = 20) -> MVTecCategory:
    """Noisy images of a bright square; in half of the defects it is missing, in the others brighter."""
    rng = np.random.default_rng(0)

    def images(n, square):
        pixels = rng.integers(40, 60, (n, 3, 8, 8))
        pixels[:, :, 2:6, 2:6] += square
        return torch.from_numpy(pixels.astype(np.uint8))

    masks = torch.zeros(12, 8, 8, dtype=torch.bool)
    masks[4:, 2:6, 2:6] = True
    return MVTecCategory(
        name="squares",
        train=images(train, 100),
        train_files=[f"good/{k:03}.png" for k in range(train)],
        test=torch.cat([images(4, 100), images(4, 0), images(4, 180)]),
        test_files=[f"{d}/{k:03}.png" for d in ("good", "lost", "lit") for k in range(4)],
        test_defects=["good"] * 4 + ["lost"] * 4 + ["lit"] * 4,
        masks=masks,
        checksum="0" * 64,
    )


@pytest.fixture(scope="module")
def data() -> MVTecCategory:
    return make_category()


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """The folder of a finished, uninterrupted run."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert run_maf(TINY, data, out, device="cpu")
    return out


def stop_after(n: int):
    """A report that presses Ctrl-C at the n-th step, as a person would."""
    steps = []

    def report(event):
        steps.append(event)
        if len(steps) == n:
            signal.raise_signal(signal.SIGINT)

    return report


# What a run leaves behind


def test_a_run_leaves_its_files(run):
    assert {p.name for p in run.iterdir()} == {*RECORDED_FILES, CHECKPOINT}


def test_the_settings_are_written_as_they_were(run):
    assert MAFConfig.model_validate(read_json(run / "config.json")) == TINY


def test_the_environment_names_versions_and_data_and_no_machine(run, data):
    facts = read_json(run / "environment.json")
    assert facts["libraries"]["torch"] == torch.__version__.partition("+")[0]
    assert facts["data"] == {"name": "squares", "checksum": data.checksum, "train": 20, "test": 12}
    assert facts["cuda"] is None and facts["threads"] == torch.get_num_threads()
    text = (run / "environment.json").read_text()
    assert str(run.parent) not in text and os.uname().nodename not in text


def test_losses_fall(run):
    losses = read_table(run / "losses.csv")
    assert losses["epoch"].tolist() == [1, 2, 3, 4]
    for name in ("train_bpd", "val_bpd", "val_bpd_ema"):
        assert losses[name].iloc[-1] < losses[name][0] - 0.1
    assert (np.diff(losses["seconds"]) > 0).all()
    np.testing.assert_allclose(losses["train_bpd"], losses["train_nll"] / 192 / np.log(2) + 7, rtol=1e-6)


def test_auroc_is_kept_at_the_chosen_epochs_and_the_last(run):
    table = read_table(run / "auroc.csv")
    assert sorted(set(table["epoch"])) == [1, 3, 4]
    # Epochs, kinds of weights, kinds of defects with "all"; and the pixels of the average.
    assert len(table["epoch"]) == 3 * 2 * 3 + 3
    metrics = read_json(run / "metrics.json")
    pixels = table.query("defect == 'pixels'")
    assert pixels["weights"].tolist() == 3 * ["ema"] and pixels["auroc"].nunique() == 3
    last = metrics["ema"]["pixel_auroc"]["minus_mean"]
    assert pixels["auroc"].iloc[-1] == pytest.approx(last, rel=1e-6)
    table = table.drop(pixels.index)
    for weights in ("plain", "ema"):
        last = table.query("epoch == 4 and weights == @weights")
        assert metrics[weights]["auroc"].keys() == set(last["defect"]) == {"all", "lost", "lit"}
        for defect, value in zip(last["defect"], last["auroc"], strict=True):
            assert metrics[weights]["auroc"][defect]["value"] == pytest.approx(value)


def test_the_saved_weights_are_those_of_the_tables(run, data):
    """Scores and losses can be computed again from the model files."""
    losses, scores = read_table(run / "losses.csv"), read_table(run / "scores.csv")
    validation = data.train[split_validation(20, 0.1, TINY.seed)[1]]
    for weights, column in (("plain", "val_nll"), ("ema", "val_nll_ema")):
        flow, config = load_flow(run, weights)
        assert config == TINY
        assert nll_scores(flow, validation).mean() == pytest.approx(losses[column].iloc[-1], rel=ROUNDING)
        part = scores.query("weights == @weights")
        assert part["file"].tolist() == data.test_files and part["defect"].tolist() == data.test_defects
        np.testing.assert_allclose(part["nll"], nll_scores(flow, data.test), rtol=ROUNDING)


def test_metrics_describe_the_run(run):
    metrics = read_json(run / "metrics.json")
    losses = read_table(run / "losses.csv")
    assert metrics["train_bpd"] == pytest.approx(losses["train_bpd"].iloc[-1])
    assert metrics["val_bpd"]["ema"] == pytest.approx(losses["val_bpd_ema"].iloc[-1])
    weights = {k: t for k, t in checkpoints.weights(run).items() if "_extra_state" not in k}
    assert metrics["parameters"] == sum(t.numel() for t in weights.values())
    assert 0 < metrics["sampling"]["round_trip_error"] < 1e-4
    assert metrics["sampling"]["sample_seconds"] > 0
    assert set(metrics["ema"]["pixel_auroc"]) == {
        "raw",
        "location_only",
        "minus_mean",
        "standardized",
        "sigma",
    }
    assert 0.01 < metrics["training_peak_memory_gb"] < 100


def test_the_sheet_holds_three_rows_of_five_samples(run):
    sheet = Image.open(run / "samples.png")
    assert sheet.size == (5 * 10 + 2, 3 * 10 + 2) and sheet.mode == "RGB"
    flow, _ = load_flow(run, "ema")
    first = np.asarray(sheet)[2:10, 2:10]
    assert np.array_equal(first, sample_images(flow, 5, TINY.seed)[0].permute(1, 2, 0).numpy())


def test_the_average_follows_the_weights(data, tmp_path):
    one_epoch = TINY.model_copy(update={"epochs": 1, "evaluate_epochs": (1,)})
    run_maf(one_epoch.model_copy(update={"average_decay": 0.0}), data, tmp_path / "none", device="cpu")
    model, average = (checkpoints.weights(tmp_path / "none", n) for n in ("model", "average"))
    assert all(torch.equal(model[k], average[k]) for k in model)
    # With d close to one the average stays where it began.
    run_maf(one_epoch.model_copy(update={"average_decay": 1 - 1e-9}), data, tmp_path / "all", device="cpu")
    start = dict(build_maf(TINY).named_parameters())
    model, average = (checkpoints.weights(tmp_path / "all", n) for n in ("model", "average"))
    assert all(torch.allclose(start[k], average[k], rtol=0, atol=1e-7) for k in start)
    assert not any(torch.allclose(start[k], model[k], rtol=0, atol=1e-4) for k in start)


def test_another_seed_is_another_run(run, data, tmp_path):
    run_maf(TINY.model_copy(update={"seed": 4, "epochs": 1}), data, tmp_path / "run", device="cpu")
    one, other = read_table(run / "losses.csv"), read_table(tmp_path / "run" / "losses.csv")
    assert one["train_nll"][0] != other["train_nll"][0]


def test_both_layouts_train_alike(run, data, tmp_path):
    """The layouts draw their weights in different numbers, so they are compared by where they arrive."""
    run_maf(TINY.model_copy(update={"layout": "dense"}), data, tmp_path / "run", device="cpu")
    one, other = read_json(run / "metrics.json"), read_json(tmp_path / "run" / "metrics.json")
    assert other["train_bpd"] == pytest.approx(one["train_bpd"], abs=0.5)
    assert other["parameters"] > one["parameters"]


# Interrupt and resume


@pytest.mark.parametrize("stops", [[1], [STEPS], [STEPS + 1, 4], [4 * STEPS], [1, 1, 1]])
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(run, data, tmp_path, stops):
    out = tmp_path / "run"
    for k, n in enumerate(stops):
        assert not run_maf(TINY, data, out, resume=k > 0, device="cpu", report=stop_after(n))
        assert not (out / "metrics.json").exists()
        state = checkpoints.progress(out)
        assert state["epoch"] * STEPS + state["step"] == sum(stops[: k + 1])
    assert run_maf(TINY, data, out, resume=True, device="cpu")
    whole, resumed = (checkpoints.tensors(folder) for folder in (run, out))
    assert whole.keys() == resumed.keys()
    assert {name.split(".")[0] for name in whole} == {"model", "average", "optimizer"}
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    for name in ("config.json", "auroc.csv", "scores.csv", "samples.png"):
        assert (run / name).read_bytes() == (out / name).read_bytes(), name
    whole, resumed = (read_table(folder / "losses.csv") for folder in (run, out))
    assert all(np.array_equal(whole[key], resumed[key]) for key in whole if key != "seconds")


def test_checkpoints_on_the_way(data, tmp_path):
    """A run that is killed goes on from its last regular checkpoint."""
    config = TINY.model_copy(update={"checkpoint_every": 2})

    class Killed(Exception):
        pass

    def kill(event):
        if event["epoch"] == 3:
            raise Killed

    with pytest.raises(Killed):
        run_maf(config, data, tmp_path / "run", device="cpu", report=kill)
    assert checkpoints.progress(tmp_path / "run")["epoch"] == 2
    assert run_maf(config, data, tmp_path / "run", resume=True, device="cpu")
    assert read_table(tmp_path / "run" / "losses.csv")["epoch"].tolist() == [1, 2, 3, 4]


def test_progress_is_reported_after_every_step(data, tmp_path):
    events = []
    run_maf(TINY.model_copy(update={"epochs": 2}), data, tmp_path / "run", device="cpu", report=events.append)
    assert [(e["epoch"], e["step"]) for e in events] == [(e, s) for e in (0, 1) for s in (1, 2, 3)]
    assert all(e["steps_per_epoch"] == STEPS and e["train_bpd"] > 0 for e in events)
    assert events[0]["val_bpd"] is None
    assert events[3]["val_bpd"] == pytest.approx(read_table(tmp_path / "run" / "losses.csv")["val_bpd"][0])


# What a run refuses


def test_a_second_run_into_the_same_folder_is_refused(run, data):
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    with pytest.raises(UserError, match="already holds a run; add --resume"):
        run_maf(TINY, data, run, device="cpu")
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before


def test_nothing_to_resume(tmp_path, data):
    with pytest.raises(UserError, match="holds no checkpoint"):
        run_maf(TINY, data, tmp_path / "new", resume=True, device="cpu")
    assert not (tmp_path / "new").exists()


def test_too_few_images_leave_nothing_behind(tmp_path):
    with pytest.raises(UserError, match="cannot split 1 images"):
        run_maf(TINY, make_category(train=1), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def stopped_once(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("stopped") / "run"
    assert not run_maf(TINY, data, out, device="cpu", report=stop_after(2))
    return out


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """A copy of a run that was stopped after two steps."""
    return shutil.copytree(stopped_once, tmp_path / "run")


def test_a_damaged_checkpoint_is_named(stopped, data):
    file = stopped / CHECKPOINT
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UserError, match=f"{CHECKPOINT}: cannot be read as") as caught:
        run_maf(TINY, data, stopped, resume=True, device="cpu")
    assert "\n" not in str(caught.value)


def test_the_checkpoint_of_another_model_is_named(stopped, data):
    wider = TINY.model_copy(update={"hidden_features": (16, 24)})
    write_json(stopped / "config.json", wider.model_dump())  # or the settings would tell first
    with pytest.raises(UserError, match=f"{CHECKPOINT}: .* is it of another model"):
        run_maf(wider, data, stopped, resume=True, device="cpu")


def test_a_run_goes_on_with_its_own_settings_only(stopped, data):
    other = TINY.model_copy(update={"epochs": 9, "learning_rate": 1e-2})
    with pytest.raises(UserError, match="was begun with another learning_rate, epochs;"):
        run_maf(other, data, stopped, resume=True, device="cpu")


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(stopped, data):
    before = (stopped / CHECKPOINT).read_bytes()

    def in_the_way(event):
        (stopped / f"{CHECKPOINT}.part").mkdir()
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(UserError, match=f"{CHECKPOINT}: cannot be written"):
        run_maf(TINY, data, stopped, resume=True, device="cpu", report=in_the_way)
    assert (stopped / CHECKPOINT).read_bytes() == before


def test_a_run_that_ended_before_its_first_checkpoint_is_begun_anew(run, data, tmp_path):
    for name in ("config.json", "environment.json"):
        shutil.copyfile(run / name, tmp_path / name)
    assert run_maf(
        TINY.model_copy(update={"epochs": 1, "evaluate_epochs": (1,)}), data, tmp_path, device="cpu"
    )


def test_other_images_are_not_trained_on_in_the_middle_of_a_run(stopped, data):
    before = {p.name: p.read_bytes() for p in stopped.iterdir()}
    with pytest.raises(UserError, match="was begun with other images"):
        run_maf(TINY, replace(data, checksum="1" * 64), stopped, resume=True, device="cpu")
    assert {p.name: p.read_bytes() for p in stopped.iterdir()} == before


def test_loading_names_what_is_wrong(run, tmp_path):
    with pytest.raises(UserError, match="--weights best: expected ema or plain"):
        load_flow(run, "best")
    with pytest.raises(UserError, match="config.json: no such file"):
        load_flow(tmp_path)
    (tmp_path / "config.json").write_text('{"size": 8, "depth": 3}')
    with pytest.raises(UserError, match="depth=3"):
        load_flow(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="config.json: cannot be read as JSON"):
        load_flow(tmp_path)


# Images of other sizes and modes


@pytest.mark.parametrize(
    "mode, size", [("L", (30, 20)), ("RGBA", (9, 9)), ("I;16", (8, 8)), ("RGB", (5, 7)), ("P", (64, 8))]
)
def test_training_takes_images_of_any_mode_and_size(write_category, tmp_path, mode, size):
    data = load_mvtec(write_category(name=f"category-{mode[0]}", mode=mode, size=size), size=8)
    config = TINY.model_copy(update={"epochs": 2, "evaluate_epochs": (2,), "batch_size": 8})
    assert run_maf(config, data, tmp_path / "run", device="cpu")
    losses = read_table(tmp_path / "run" / "losses.csv")
    assert losses["train_bpd"][1] < losses["train_bpd"][0]
    assert read_json(tmp_path / "run" / "environment.json")["data"]["name"] == f"category-{mode[0]}"
    assert set(read_json(tmp_path / "run" / "metrics.json")["ema"]["auroc"]) == {"all", "crack", "scratch"}


# Records


def test_recording_copies_finished_runs_only(run, tmp_path):
    record(run, tmp_path / "paper" / "seed-3", RECORDED_FILES)
    assert {p.name for p in (tmp_path / "paper" / "seed-3").iterdir()} == set(RECORDED_FILES)
    with pytest.raises(UserError, match="has no absent.csv; has it finished?"):
        record(run, tmp_path / "other", ["losses.csv", "absent.csv"])
    assert not (tmp_path / "other").exists()


# Small experiments


def test_fitting_a_small_flow_lowers_its_loss_and_repeats():
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(400, 2, generator=generator) @ torch.tensor([[1.0, 0.9], [0.0, 0.3]])

    def losses(seed):
        torch.manual_seed(1)
        return fit_flow(MAF(2, (16,), 2), data, steps=60, seed=seed)

    first = losses(0)
    # The entropy of the data is (1 + ln 2π) + ln 0.3.
    assert len(first) == 60 and np.mean(first[-10:]) < np.mean(first[:5]) - 0.2
    assert np.mean(first[-10:]) > 1 + np.log(2 * np.pi) + np.log(0.3) - 0.3
    assert losses(0) == first and losses(1) != first
