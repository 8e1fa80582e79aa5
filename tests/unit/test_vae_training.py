"""Runs of the VAE: what they leave behind, that they resume to the bit, what they refuse, the command."""

import signal
from dataclasses import replace
from pathlib import Path

import checkpoints
import numpy as np
import pytest
import torch
from PIL import Image

from hw2lib.anomaly import vae_scores
from hw2lib.data import split_validation, synthetic_capsules
from hw2lib.errors import UserError
from hw2lib.flows import bits_per_dim
from hw2lib.jobs import reproduce as jobs
from hw2lib.jobs.trained import load_vae, run_kind
from hw2lib.jobs.vae import (
    RECORDED_FILES,
    SCORES,
    noise_images,
    reconstruct_images,
    run_vae,
    sample_vae_images,
)
from hw2lib.runs.folder import read_json, write_json
from hw2lib.runs.reader import paper_runs, read_table
from hw2lib.statistics import auroc_per_defect
from hw2lib.training.settings import VAE_PROFILES, CycleGANConfig, VAEConfig, override, profile
from hw2lib.training.vae import build_vae

TINY = VAEConfig(size=16, channels=(4, 8), latent=4, batch_size=7, epochs=4, seed=3, checkpoint_every=0)
STEPS = 3  # per epoch: 18 training images in batches of 7, 7 and 4


@pytest.fixture(scope="module")
def data():
    return synthetic_capsules(16, train=20, good=4, per_defect=2)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """The folder of a finished, uninterrupted run."""
    out = tmp_path_factory.mktemp("vae") / "whole"
    assert run_vae(TINY, data, out, device="cpu")
    return out


def stop_after(n):
    """A report that presses Ctrl-C at the n-th step, as a person would."""
    steps = []

    def report(event):
        steps.append(event)
        if len(steps) == n:
            signal.raise_signal(signal.SIGINT)

    return report


# What a run leaves behind


def test_a_run_leaves_its_files(run, data):
    assert {path.name for path in run.iterdir()} == {*RECORDED_FILES, "checkpoint.safetensors"}
    assert VAEConfig.model_validate(read_json(run / "config.json")) == TINY
    facts = read_json(run / "environment.json")
    assert facts["data"] == {
        "name": "capsule-synthetic",
        "checksum": data.checksum,
        "train": 20,
        "test": len(data.test),
    }
    assert facts["libraries"]["torch"] == torch.__version__.partition("+")[0]


def test_losses_fall_and_bits_per_dimension_fit(run):
    losses = read_table(run / "losses.csv")
    assert losses["epoch"].tolist() == [1, 2, 3, 4]
    assert losses["train_bpd"].iloc[-1] < losses["train_bpd"][0] - 0.1
    assert losses["val_bpd"].iloc[-1] < losses["val_bpd"][0]
    for name in ("train", "val"):
        np.testing.assert_allclose(
            losses[f"{name}_bpd"], bits_per_dim(losses[f"{name}_nelbo"], 768), rtol=1e-5
        )


def test_the_saved_weights_are_those_of_the_tables(run, data):
    vae, config = load_vae(run)
    assert config == TINY and run_kind(run) == "vae"
    table, losses = read_table(run / "scores.csv"), read_table(run / "losses.csv")
    assert list(table) == ["defect", "file", "error", "nelbo", "bpd", "kl"]
    assert table["file"].tolist() == data.test_files and table["defect"].tolist() == data.test_defects
    scores = vae_scores(vae, data.test)
    for name in SCORES:
        np.testing.assert_allclose(table[name], getattr(scores, name), rtol=1e-5, atol=1e-6)
    validation = vae_scores(vae, data.train[split_validation(20, 0.1, TINY.seed)[1]], draws=1)
    assert validation.error.mean() == pytest.approx(losses["val_error"].iloc[-1], rel=1e-5)
    assert validation.nelbo.mean() == pytest.approx(losses["val_nelbo"].iloc[-1], rel=1e-5)
    assert vae.log_sigma.exp().item() == pytest.approx(losses["sigma"].iloc[-1], rel=1e-5)


def test_metrics_describe_the_run(run, data):
    metrics, table = read_json(run / "metrics.json"), read_table(run / "scores.csv")
    for name in SCORES:
        areas = auroc_per_defect(table["defect"], table[name])
        assert {k: v["value"] for k, v in metrics[name]["auroc"].items()} == pytest.approx(areas)
        assert all(v["low"] <= v["value"] <= v["high"] for v in metrics[name]["auroc"].values())
    vae, _ = load_vae(run)
    errors = metrics["errors"]
    assert errors["noise"] == pytest.approx(vae_scores(vae, noise_images(16, 16)).error.mean(), rel=1e-5)
    assert errors["train"] == pytest.approx(vae_scores(vae, data.train).error.mean(), rel=1e-5)
    assert metrics["parameters"] == sum(t.numel() for t in checkpoints.weights(run).values())
    assert set(metrics["pixel_auroc"]) == {"raw", "location_only", "minus_mean", "standardized", "sigma"}


def test_the_sheet_holds_what_the_model_draws(run, data):
    sheet = np.asarray(Image.open(run / "samples.png"))
    assert sheet.shape == (3 * 18 + 2, 5 * 18 + 2, 3)
    vae, _ = load_vae(run)
    kinds = list(dict.fromkeys(d for d in data.test_defects if d != "good"))
    rows = (
        reconstruct_images(vae, data.test[:1]),
        reconstruct_images(vae, data.test[[data.test_defects.index(kinds[0])]]),
        sample_vae_images(vae, 5, 16, TINY.seed),
    )
    for k, drawn in enumerate(rows):
        tile = sheet[2 + 18 * k : 18 + 18 * k, 2:18].astype(int)
        assert np.abs(tile - drawn[0].permute(1, 2, 0).numpy().astype(int)).max() <= 1
        assert (tile != data.test[0].permute(1, 2, 0).numpy()).mean() > 0.5


def test_another_seed_is_another_run(run, data, tmp_path):
    run_vae(TINY.model_copy(update={"seed": 4, "epochs": 1}), data, tmp_path / "run", device="cpu")
    one, other = read_table(run / "losses.csv"), read_table(tmp_path / "run" / "losses.csv")
    assert one["train_nelbo"][0] != other["train_nelbo"][0]


# Interrupt and resume


@pytest.mark.parametrize("stops", [[1], [STEPS], [STEPS + 1, 4], [4 * STEPS], [1, 1, 1]])
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(run, data, tmp_path, stops):
    out = tmp_path / "run"
    for k, n in enumerate(stops):
        assert not run_vae(TINY, data, out, resume=k > 0, device="cpu", report=stop_after(n))
        assert not (out / "metrics.json").exists()
        state = checkpoints.progress(out)
        assert state["epoch"] * STEPS + state["step"] == sum(stops[: k + 1])
    assert run_vae(TINY, data, out, resume=True, device="cpu")
    whole, resumed = (checkpoints.tensors(folder) for folder in (run, out))
    assert whole.keys() == resumed.keys() and {name.split(".")[0] for name in whole} == {"model", "optimizer"}
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    for name in ("config.json", "scores.csv", "samples.png"):
        assert (run / name).read_bytes() == (out / name).read_bytes(), name
    whole, resumed = (read_table(folder / "losses.csv") for folder in (run, out))
    assert all(np.array_equal(whole[key], resumed[key]) for key in whole if key != "seconds")


def test_a_killed_run_goes_on_from_its_last_checkpoint(data, run, tmp_path):
    config = TINY.model_copy(update={"checkpoint_every": 2})

    class Killed(Exception):
        pass

    def kill(event):
        if event["epoch"] == 3:
            raise Killed

    with pytest.raises(Killed):
        run_vae(config, data, tmp_path / "run", device="cpu", report=kill)
    assert checkpoints.progress(tmp_path / "run")["epoch"] == 2
    assert run_vae(config, data, tmp_path / "run", resume=True, device="cpu")
    assert (tmp_path / "run" / "scores.csv").read_bytes() == (run / "scores.csv").read_bytes()


def test_the_learning_rate_falls_along_half_a_cosine(data, tmp_path, monkeypatch):
    rates = []
    step = torch.optim.Adam.step

    def noted(self, *args, **kwargs):
        rates.append([group["lr"] for group in self.param_groups])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    run_vae(TINY, data, tmp_path / "run", device="cpu")
    done = np.arange(4 * STEPS) / (4 * STEPS)
    half = (1 + np.cos(np.pi * done)) / 2
    expected = np.outer(half, [TINY.learning_rate, TINY.sigma_learning_rate])
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


# What a run refuses


def test_a_second_run_into_the_same_folder_is_refused(run, data):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(UserError, match="already holds a run; add --resume"):
        run_vae(TINY, data, run, device="cpu")
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_other_images_and_other_models_are_refused(data, tmp_path):
    out = tmp_path / "run"
    assert not run_vae(TINY, data, out, device="cpu", report=stop_after(2))
    with pytest.raises(UserError, match="was begun with other images"):
        run_vae(TINY, replace(data, checksum="1" * 64), out, resume=True, device="cpu")
    wider = TINY.model_copy(update={"latent": 5})
    with pytest.raises(UserError, match="was begun with another latent"):
        run_vae(wider, data, out, resume=True, device="cpu")


@pytest.mark.parametrize(
    "update, message",
    [({"size": 18}, "size=18: expected a multiple of 4"), ({"validation_fraction": 1.5}, "cannot split 20")],
)
def test_wrong_settings_leave_nothing_behind(data, tmp_path, update, message):
    with pytest.raises(UserError, match=message):
        run_vae(TINY.model_copy(update=update), data, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_ends_the_run(data, tmp_path):
    wild = TINY.model_copy(update={"learning_rate": 1e12})
    with pytest.raises(UserError, match=r"the loss is (nan|inf) in epoch \d; lower learning_rate"):
        run_vae(wild, data, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_profiles_and_assignments():
    assert profile("paper", VAE_PROFILES) == VAEConfig()
    assert override(VAE_PROFILES["quick"], ["channels=[8, 16]", "latent=3"]).channels == (8, 16)
    for assignment in ("channels=[]", "channels=[0]", "latent=0", "learning_rate=0"):
        with pytest.raises(UserError, match=assignment.partition("=")[0]):
            override(VAE_PROFILES["quick"], [assignment])
    for settings in VAE_PROFILES.values():
        assert build_vae(settings.model_copy(update={"seed": 1})).latent == settings.latent


def test_the_kind_of_a_run_is_told(run, tmp_path):
    write_json(tmp_path / "config.json", CycleGANConfig().model_dump())
    with pytest.raises(UserError, match="is a run of kind cyclegan; expected maf or vae"):
        run_kind(tmp_path)
    write_json(tmp_path / "config.json", {"size": 3})
    with pytest.raises(UserError, match="is a run of kind unknown"):
        run_kind(tmp_path)


# The command


def test_train_score_and_sample(hw2, category, tmp_path):
    settings = ("size=8", "channels=[4]", "latent=2", "batch_size=6", "epochs=2")
    options = [argument for setting in settings for argument in ("--set", setting)]
    out = tmp_path / "run"
    code, printed, shown = hw2("train", "vae", "--data", category, "--out", out, "--device", "cpu", *options)
    assert code == 0 and printed == f"{out}: finished\n" and "bits/dim" in shown
    code, printed, _ = hw2("score", out, "--data", category, "--out", "scores.csv")
    assert code == 0 and printed.count("by error") == printed.count("by nelbo") == 3
    assert Path("scores.csv").read_bytes() == (out / "scores.csv").read_bytes()
    code, printed, _ = hw2("sample", out, "-n", 3, "--out", "grid.png")
    assert code == 0 and Image.open("grid.png").size == (3 * 10 + 2, 10 + 2)
    for command in (["score", out, "--data", category, "--force"], ["sample", out, "--force"]):
        code, _, complaint = hw2(*command, "--weights", "ema")
        assert code == 2 and "a VAE run keeps one set of weights" in complaint
    code, _, complaint = hw2("train", "vae", "--out", out, "--resume", "--seed", 1)
    assert code == 2 and "a resumed run keeps its settings" in complaint


def test_paper_runs_want_the_real_images(hw2):
    code, _, complaint = hw2("train", "vae", "--profile", "paper")
    assert code == 2 and "needs --data with the real images" in complaint


# The recorded runs


def test_the_recorded_runs_agree_with_their_scores(monkeypatch):
    monkeypatch.delenv("HW2_RESULTS", raising=False)
    runs, flows = paper_runs("vae-capsule"), paper_runs("maf-capsule")
    assert [run.seed for run in runs] == list(jobs.JOBS["vae-capsule"].seeds)
    for run in runs:
        assert {path.name for path in run.path.iterdir()} == set(RECORDED_FILES)
        assert VAEConfig.model_validate(run.config) == VAEConfig(seed=run.seed)
        assert run.environment["data"] == flows[0].environment["data"]
        for name in SCORES:
            areas = auroc_per_defect(run.scores["defect"], run.scores[name])
            recorded = {k: v["value"] for k, v in run.metrics[name]["auroc"].items()}
            assert recorded == pytest.approx(areas, abs=1e-6)
        assert run.sample_sheet().shape == (3, 5, 128, 128, 3)
