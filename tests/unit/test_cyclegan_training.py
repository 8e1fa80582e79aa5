"""A run: what it writes, that it resumes to the bit, that Ctrl-C leaves a checkpoint."""

import csv
import os
import shutil
import signal
from dataclasses import replace

import checkpoints
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from hw2lib.cyclegan import TERMS, Objective, TrainingStep
from hw2lib.data.unpaired import augment, load_unpaired
from hw2lib.errors import UserError
from hw2lib.jobs import reproduce as jobs
from hw2lib.jobs.cyclegan import RECORDED_FILES, run_cyclegan
from hw2lib.jobs.trained import load_cyclegan
from hw2lib.runs import folder
from hw2lib.runs.folder import read_json, write_json
from hw2lib.training import cyclegan
from hw2lib.training.cyclegan import build_training, learning_rate
from hw2lib.training.settings import CYCLEGAN_PROFILES, CycleGANConfig, override, profile

pytestmark = pytest.mark.usefixtures("hasty_classifier")
TINY = CycleGANConfig(
    size=32,
    blocks=1,
    features=4,
    epochs=2,
    pool=2,
    log_every=1,
    checkpoint_every=3,
    evaluate_epochs=(1, 2),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for split, count in {"trainA": 3, "trainB": 5, "testA": 2, "testB": 3}.items():
        (root / split).mkdir()
        for k in range(count):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / split / f"{k}.png")
    return load_unpaired(root, size=32)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    assert run_cyclegan(TINY, data, out, device="cpu")
    return out


def interrupting(at: int):
    """A report that presses Ctrl-C after so many steps."""

    def report(event: dict) -> None:
        if event["epoch"] * event["steps_per_epoch"] + event["step"] == at:
            os.kill(os.getpid(), signal.SIGINT)

    return report


# Within an epoch, at its end, and after a checkpoint.
@pytest.mark.parametrize("at", [2, 5, 7])
def test_stopped_and_resumed_equals_one_run_to_the_bit(data, whole, tmp_path, at):
    assert not run_cyclegan(TINY, data, tmp_path, device="cpu", report=interrupting(at))
    assert (tmp_path / "checkpoint.safetensors").exists() and not (tmp_path / "metrics.json").exists()
    assert run_cyclegan(TINY, data, tmp_path, resume=True, device="cpu")
    expected, found = (checkpoints.tensors(out) for out in (whole, tmp_path))
    assert expected.keys() == found.keys()
    assert any(name.startswith("pool.D_A") for name in expected)
    assert any(name.startswith("discriminators.") for name in expected)
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name
    assert (whole / "losses.csv").read_bytes() == (tmp_path / "losses.csv").read_bytes()
    assert (whole / "epoch-02.png").read_bytes() == (tmp_path / "epoch-02.png").read_bytes()
    assert read_json(whole / "metrics.json")["test"] == read_json(tmp_path / "metrics.json")["test"]
    (resumed,) = read_json(tmp_path / "environment.json")["resumed"]
    assert (resumed["epoch"], resumed["step"]) == divmod(at, 5)
    assert set(resumed) == {"epoch", "step", "commit", "device", "torch"}


def test_a_run_killed_in_its_first_step_can_be_resumed(data, whole, tmp_path):
    def kill(event: dict) -> None:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        run_cyclegan(TINY, data, tmp_path, device="cpu", report=kill)
    assert run_cyclegan(TINY, data, tmp_path, resume=True, device="cpu")
    assert (whole / "losses.csv").read_bytes() == (tmp_path / "losses.csv").read_bytes()


def test_a_shorter_run_is_the_beginning_of_the_longer_to_the_bit(data, whole, tmp_path):
    short = TINY.model_copy(update={"epochs": 1, "evaluate_epochs": (1,)})
    assert run_cyclegan(short, data, tmp_path, device="cpu")
    rows = (tmp_path / "losses.csv").read_bytes()
    assert (whole / "losses.csv").read_bytes().startswith(rows) and rows.count(b"\n") == 1 + 5
    expected, found = (load_file(out / "epoch-01.safetensors") for out in (whole, tmp_path))
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_files_of_a_run(whole):
    with (whole / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "step", *TERMS] and len(rows) == 10
    assert [row["epoch"] for row in rows] == ["1"] * 5 + ["2"] * 5 and rows[-1]["step"] == "10"
    for epoch in (1, 2):
        # Four rows of six outputs, two pixels between them.
        assert Image.open(whole / f"epoch-{epoch:02d}.png").size == (6 * 34 + 2, 4 * 34 + 2)
    environment = read_json(whole / "environment.json")
    assert environment["data"]["trainB"] == 5 and environment["data"]["groups"] == 0
    assert read_json(whole / "config.json")["pool"] == 2
    metrics = read_json(whole / "metrics.json")
    assert [row["epoch"] for row in metrics["test"]] == [1, 2]
    assert metrics["test"][0]["cycle_psnr_A"] > 0


def test_the_weights_of_each_epoch_are_loaded_by_its_number(whole):
    loaded = {epoch: load_cyclegan(whole, epoch)[0].state_dict() for epoch in (1, 2, None)}
    kept = {epoch: load_file(whole / f"epoch-0{epoch}.safetensors") for epoch in (1, 2)}
    assert any(not torch.equal(value, kept[2][name]) for name, value in kept[1].items())
    for epoch, expected in (kept | {None: kept[2]}).items():  # by default the last
        assert loaded[epoch].keys() == expected.keys()
        assert all(torch.equal(value, loaded[epoch][name]) for name, value in expected.items()), epoch


def test_a_folder_with_a_run_is_not_overwritten(data, whole, tmp_path):
    with pytest.raises(UserError, match="already holds a run"):
        run_cyclegan(TINY, data, whole, device="cpu")
    with pytest.raises(UserError, match="no checkpoint to resume"):
        run_cyclegan(TINY, data, tmp_path, resume=True, device="cpu")


def test_a_run_begun_with_other_images_is_not_resumed(data, tmp_path):
    assert not run_cyclegan(TINY, data, tmp_path, device="cpu", report=interrupting(2))
    with pytest.raises(UserError, match="was begun with other images"):
        run_cyclegan(TINY, replace(data, checksum="other"), tmp_path, resume=True, device="cpu")


def test_a_damaged_or_foreign_checkpoint_is_named(data, whole, tmp_path):
    shutil.copyfile(whole / "environment.json", tmp_path / "environment.json")
    other = TINY.model_copy(update={"features": 8})
    write_json(tmp_path / "config.json", other.model_dump())
    for content, message in (
        (b"broken", "cannot be read as safetensors"),
        ((whole / "checkpoint.safetensors").read_bytes(), ".* is it of another model"),
    ):
        (tmp_path / "checkpoint.safetensors").write_bytes(content)
        with pytest.raises(UserError, match=f"checkpoint.safetensors: {message}"):
            run_cyclegan(other, data, tmp_path, resume=True, device="cpu")


def test_the_paper_profile_is_the_report_s_table():
    paper = profile("paper", CYCLEGAN_PROFILES)
    assert (paper.batch_size, paper.learning_rate, paper.betas) == (1, 2e-4, (0.5, 0.999))
    assert (paper.epochs, paper.size, paper.cycle, paper.identity) == (20, 128, 10, 5)
    assert (paper.blocks, paper.pool) == (6, 50)


def test_learning_rate_falls_linearly_over_the_last_epochs():
    config = CycleGANConfig(epochs=4, decay_epochs=2, learning_rate=3.0)
    assert [learning_rate(config, epoch) for epoch in range(4)] == [3.0, 3.0, 2.0, 1.0]
    assert learning_rate(CycleGANConfig(), 19) == 2e-4


def test_a_step_is_built_from_the_settings():
    """None of them the default, so that none can be left out unnoticed."""
    settings = {"cycle": 3, "identity": 7, "gan": "log", "learning_rate": 1e-3, "betas": (0.25, 0.5)}
    config = TINY.model_copy(update=settings | {"pool": 4, "bfloat16": True})
    step = build_training(config, torch.device("cpu"))
    assert step.objective == Objective(cycle=3, identity=7, gan="log")
    for optimizer in (step.generators, step.discriminators):
        assert (optimizer.defaults["lr"], optimizer.defaults["betas"]) == (1e-3, (0.25, 0.5))
    assert {name: pool.size for name, pool in step.pools.items()} == {"D_A": 4, "D_B": 4}
    assert step.pools["D_A"] is not step.pools["D_B"]
    assert step.bfloat16 and step.batched and not step.compile


@pytest.fixture
def steps(monkeypatch):
    """What the steps of a run are called with, and the learning rates at that time; nothing is trained."""
    calls = []

    def note(self, x, y, generator=None):
        rates = [optimizer.param_groups[0]["lr"] for optimizer in (self.generators, self.discriminators)]
        calls.append((x, y, generator, rates))
        return dict.fromkeys(TERMS, torch.zeros(()))

    monkeypatch.setattr(TrainingStep, "__call__", note)
    return calls


def test_the_optimizers_of_a_run_follow_the_learning_rate(data, tmp_path, steps):
    settings = {"epochs": 3, "decay_epochs": 1, "max_steps": 2, "evaluate_epochs": (3,)}
    config = TINY.model_copy(update=settings)
    # Stopped in the last epoch, the run measures nothing.
    assert not run_cyclegan(config, data, tmp_path, device="cpu", report=interrupting(5))
    expected = [learning_rate(config, epoch) for epoch in (0, 0, 1, 1, 2)]
    assert expected == [2e-4] * 4 + [1e-4]
    assert [rates for *_, rates in steps] == [[rate, rate] for rate in expected]


def test_a_step_sees_its_images_cropped_and_mirrored(data, tmp_path, steps, monkeypatch):
    whole_images = []

    def spy(images, size, generator):
        whole_images.append(images)
        return augment(images, size, generator)

    monkeypatch.setattr(cyclegan, "augment", spy)
    config = TINY.model_copy(update={"evaluate_epochs": (2,)})
    assert not run_cyclegan(config, data, tmp_path, device="cpu", report=interrupting(5))
    of_a, of_b = whole_images[::2], whole_images[1::2]
    for a, b, (x, y, generator, _) in zip(of_a, of_b, steps, strict=True):
        again = torch.Generator().manual_seed(generator.initial_seed())
        assert a.shape == b.shape == (1, 3, 36, 36) and x.shape == y.shape == (1, 3, 32, 32)
        assert torch.equal(x, augment(a, 32, again)) and torch.equal(y, augment(b, 32, again))
        # One generator for all of a step: the pools' decisions go on where the crops ended.
        assert torch.equal(generator.get_state(), again.get_state())
    assert len({generator.initial_seed() for _, _, generator, _ in steps}) == len(steps) == 5
    for seen, split in ((of_a, "trainA"), (of_b, "trainB")):  # an epoch shows every image of both domains
        shown, there = torch.cat(seen).unique(dim=0), data.images[split].unique(dim=0)
        assert torch.equal(shown, there)


@pytest.mark.parametrize("assignment", ["size=30", "cycle=-1", "betas=[0.5, 1]", "gan=hinge"])
def test_bad_settings_are_named(assignment):
    with pytest.raises(UserError, match=f"--set {assignment.partition('=')[0]}"):
        override(CYCLEGAN_PROFILES["quick"], [assignment])


def test_recorded_jobs_go_on_with_a_run_as_it_was_begun(whole, data, tmp_path, monkeypatch):
    """A finished run is recorded without its weights; one in another precision keeps its settings."""
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path / "paper"))
    job = jobs.JOBS["cyclegan-apple2orange"]
    small = jobs.Job(job.seeds, job.data, (*RECORDED_FILES, "epoch-01.png", "epoch-02.png"), job.run)
    monkeypatch.setattr(jobs, "JOBS", {"cyclegan-apple2orange": small})
    monkeypatch.setattr(jobs, "load_pair", lambda name, folder, size, recipe: data)
    for module in (jobs, folder):  # whoever edits code can test it too
        monkeypatch.setattr(module, "commit", lambda: "58e1d6f90e19")
    begun = TINY.model_copy(update={"bfloat16": True})
    out = tmp_path / "runs" / "cyclegan-apple2orange"
    assert not run_cyclegan(begun, data, out, device="cpu", report=interrupting(2))
    lines = list(jobs.reproduce_jobs("paper", None, tmp_path, tmp_path / "runs", "cpu"))
    assert lines == [f"{out}: finished"] and read_json(out / "config.json")["bfloat16"]
    recorded = {path.name for path in (tmp_path / "paper" / "cyclegan-apple2orange").iterdir()}
    assert recorded == set(small.files)
    assert {"epoch-01.png", "epoch-10.png", "epoch-20.png", "losses.csv"} < set(job.files)


def test_quick_jobs_draw_their_images(data, tmp_path, monkeypatch):
    drawn = []

    def draw(name, folder, size, recipe):
        assert folder is None
        drawn.append((name, size, recipe))
        return data

    monkeypatch.setattr(jobs, "load_pair", draw)
    monkeypatch.setattr(jobs, "CYCLEGAN_PROFILES", {"quick": TINY.model_copy(update={"epochs": 1})})
    names = ["cyclegan-apple2orange", "cyclegan-summer2winter"]
    lines = list(jobs.reproduce_jobs("quick", names, None, tmp_path, "cpu"))
    assert lines == [f"{tmp_path / name}-quick: finished" for name in names]
    assert drawn == [("apple2orange", 32, "crop"), ("summer2winter", 32, "crop")]


def test_a_job_judges_a_run_that_ended_without(whole, data, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "load_pair", lambda name, folder, size, recipe: data)
    out = shutil.copytree(whole, tmp_path / "cyclegan-apple2orange-quick")
    metrics = read_json(out / "metrics.json")
    measured = metrics.pop("steganography")
    write_json(out / "metrics.json", metrics)
    assert list(jobs.reproduce_jobs("quick", ["cyclegan-apple2orange"], None, tmp_path, "cpu"))
    assert read_json(out / "metrics.json")["steganography"] == measured
    before = (out / "metrics.json").stat().st_mtime_ns
    assert list(jobs.reproduce_jobs("quick", ["cyclegan-apple2orange"], None, tmp_path, "cpu"))
    assert (out / "metrics.json").stat().st_mtime_ns == before
