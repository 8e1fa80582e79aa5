"""Being stopped, killed or without a number: what every trainer leaves behind."""

import shutil
import signal
import sys

import checkpoints
import pytest
import tiny_runs
from faults import fault
from safetensors.torch import save_file

from hw2lib.cli import main
from hw2lib.errors import UserError
from hw2lib.runs import checkpoint, folder
from hw2lib.runs.folder import read_json, write_csv, write_json
from hw2lib.training import loop

MODELS = sorted(tiny_runs.MODELS)
pytestmark = pytest.mark.usefixtures("hasty")


# Numbers that are none


@fault(
    "training",
    "a loss that is no number",
    "`learning_rate=1e30`, for every trainer",
    "Training stops with one line; the checkpoint before it stays and can be loaded; no file holds NaN.",
)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("log_every", [1, 1000])
def test_training_stops_before_a_good_checkpoint_is_replaced(tmp_path, model, log_every):
    more = {"log_every": log_every} if model == "cyclegan" else {}
    with pytest.raises(UserError, match="lower learning_rate"):
        tiny_runs.train(model, tmp_path / "run", learning_rate=1e30, **more)
    found = checkpoints.tensors(tmp_path / "run")
    assert all(value.isfinite().all() for value in found.values() if value.is_floating_point())
    assert not (tmp_path / "run" / "metrics.json").exists()
    for path in tmp_path.rglob("*.*"):
        if path.suffix in (".json", ".csv"):
            assert "nan" not in path.read_text().lower() and "infinity" not in path.read_text().lower()


@fault(
    "training",
    "a measure that cannot be taken",
    "NaN and infinity among what is written",
    "JSON holds null and, once, where and why; a table's cell stays empty.",
)
def test_files_hold_no_number_that_is_none(tmp_path):
    values = {"a": {"b": [1.0, float("inf")]}, "c": float("nan"), "d": 2}
    write_json(tmp_path / "m.json", values)
    assert read_json(tmp_path / "m.json") == {
        "a": {"b": [1.0, None]}, "c": None, "d": 2, "not_finite": {"a.b.1": "inf", "c": "nan"}
    }  # fmt: skip
    write_csv(tmp_path / "t.csv", [{"x": float("-inf"), "y": 0.5}])
    assert (tmp_path / "t.csv").read_text() == "x,y\n,0.5\n"
    assert folder.measured("auroc", lambda: 0.5) == {"auroc": 0.5}
    assert folder.measured("auroc", lambda: int("x"))["auroc"] is None


# Being stopped and being killed


@pytest.fixture
def heeded(number):
    """A signal that the tests' own starter, such as nohup, may have had ignored."""
    before = signal.signal(number, signal.SIG_DFL)
    yield
    signal.signal(number, before)


@fault(
    "training",
    "a terminal that is closed, a job that is ended",
    "SIGHUP and SIGTERM in a step, for every trainer",
    "The step is finished, a checkpoint is left, `--resume` goes on to the bit.",
)
@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_every_signal_to_stop_leaves_a_checkpoint(whole, tmp_path, model, number):
    assert not tiny_runs.train(model, tmp_path / "run", report=tiny_runs.stop_after(2, number))
    assert checkpoints.progress(tmp_path / "run")["step"] == 2
    assert tiny_runs.train(model, tmp_path / "run", resume=True)
    tiny_runs.same(whole / model, tmp_path / "run")


@fault(
    "training",
    "a crash long after the last epoch's end",
    "an exception within an epoch, for every trainer",
    "A checkpoint is never older than two minutes; `--resume` goes on to the bit.",
)
@pytest.mark.parametrize("model", MODELS)
def test_checkpoints_come_by_the_clock(whole, tmp_path, model):
    def crash(event):
        if event["step"] == 2:
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        tiny_runs.train(model, tmp_path / "run", report=crash)
    assert checkpoints.progress(tmp_path / "run")["step"] == 1  # here by a clock that is always due
    assert tiny_runs.train(model, tmp_path / "run", resume=True)
    tiny_runs.same(whole / model, tmp_path / "run")


def test_the_clock_is_not_due_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 120)

    def crash(event):
        if event["step"] == 2:
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        tiny_runs.train("vae", tmp_path / "run", report=crash)
    assert checkpoints.progress(tmp_path / "run")["step"] == 0


@fault(
    "training",
    "a second Ctrl-C during a save",
    "SIGINT twice while the checkpoint is being written",
    "The file is finished first, then the command ends.",
)
def test_a_second_interrupt_waits_for_the_save(four_steps, tmp_path, monkeypatch):
    run, write = shutil.copytree(four_steps / "vae", tmp_path / "vae"), save_file

    def impatient(tensors, path):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        write(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", impatient)
    with pytest.raises(KeyboardInterrupt):
        tiny_runs.train("vae", run, resume=True, report=tiny_runs.stop_after(1))
    assert checkpoints.progress(run)["step"] == 2 and not list(run.glob("*.part"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@fault(
    "command",
    "Ctrl-C outside of the loop",
    "SIGINT while the images are read",
    "`hw2: interrupted`, exit code 130.",
)
def test_an_interrupt_outside_the_loop_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("hw2lib.data.source.load_capsules", lambda *a: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(
        sys, "argv", ["hw2", "train", "maf", "--out", str(tmp_path / "run"), "--device", "cpu"]
    )
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 130 and capsys.readouterr().err == "hw2: interrupted\n"
    assert not (tmp_path / "run").exists()
