"""Checkpoints of all models: what is refused before it is used, and what a fault leaves behind."""

import json
import os
import shutil
import subprocess
import sys

import checkpoints
import pytest
import tiny_runs
import torch
from faults import cases, fault
from safetensors.torch import load_file, save_file

from hw2lib.cli import main
from hw2lib.errors import UserError
from hw2lib.jobs.trained import load_cyclegan, load_flow, load_vae
from hw2lib.runs.folder import RunFolder, write_json

MODELS = sorted(tiny_runs.MODELS)
pytestmark = pytest.mark.usefixtures("hasty")


# Checkpoints of strangers


def _moment(found, name="exp_avg"):
    return next(key for key in sorted(found) if key.endswith(f".{name}"))


def _weight(found):
    return next(k for k in sorted(found) if k.startswith(("model.", "net.")) and k.endswith("weight"))


def _cut_moments(found):
    for name in found:
        if name.endswith((".exp_avg", ".exp_avg_sq")):
            found[name] = found[name].flatten()[:1].clone()


def _set(found, name, value):
    found[name] = value


SPOILED = {
    "moments-cut": ("each Adam moment is cut to one element", _cut_moments, "is float32 of shape"),
    "moment-missing": ("a moment is left out", lambda f: f.pop(_moment(f)), "lacks .*exp_avg"),
    "step-missing": (
        "Adam's count of steps is left out",
        lambda f: f.pop(_moment(f, "step")),
        "lacks",
    ),
    "weight-missing": ("a weight is left out", lambda f: f.pop(_weight(f)), "lacks"),
    "tensor-added": (
        "a tensor is added",
        lambda f: _set(f, "model.more", torch.zeros(1)),
        "holds, beside the model, model.more",
    ),
    "weight-reshaped": (
        "a weight is cut",
        lambda f: _set(f, _weight(f), f[_weight(f)][:1].clone()),
        "of shape",
    ),
    "weight-in-double": (
        "a weight is of another type",
        lambda f: _set(f, _weight(f), f[_weight(f)].double()),
        "is float64 of",
    ),
    "weight-nan": ("a weight is NaN", lambda f: f[_weight(f)].fill_(torch.nan), "not finite"),
    "moment-infinite": ("a moment is infinite", lambda f: f[_moment(f)].fill_(torch.inf), "not finite"),
    "moment-negative": (
        "a mean square is negative",
        lambda f: f[_moment(f, "exp_avg_sq")].fill_(-1.0),
        "negative square",
    ),
    "no-progress": ("the progress is left out", lambda f: f.pop("progress"), "lacks progress"),
}


@pytest.mark.parametrize(
    "spoil, message",
    cases("checkpoint", "One line names the file and the part; nothing is trained.", {
        name: (f"a stranger's checkpoint: {what}", f"{what}, then `--resume`", edit, message)
        for name, (what, edit, message) in SPOILED.items()
    }),
)  # fmt: skip
def test_no_spoiled_checkpoint_is_used(stopped, spoil, message):
    checkpoints.change(stopped, spoil)
    before = (stopped / checkpoints.NAME).read_bytes()
    with pytest.raises(UserError, match=f"{checkpoints.NAME}: .*{message}") as caught:
        tiny_runs.train(stopped.name, stopped, resume=True)
    assert "\n" not in str(caught.value) and (stopped / checkpoints.NAME).read_bytes() == before


def _edited(**changes):
    return lambda progress: json.dumps(progress | changes)


PROGRESS = {
    "no-object": ("a number", lambda p: "5"),
    "null": ("null", lambda p: "null"),
    "empty": ("an empty object without the rows of its epochs", lambda p: '{"epoch": 1}'),
    "brackets": ("100,000 brackets", lambda p: "[" * 100_000),
    "no-text": ("bytes that are no text", lambda p: b"\xff\xfe{"),
    "infinite": ("an infinite number of seconds", lambda p: json.dumps(p | {"train_seconds": float("inf")})),
    "negative": ("a negative step", _edited(step=-1)),
    "too-far": ("an epoch that the run has not", _edited(epoch=10**9)),
    "unknown": ("a key too many", _edited(more=1)),
    "no-rows": ("no losses", _edited(losses=[])),
    "other-rows": ("losses of another model", _edited(losses=[{"epoch": 1, "x": 2.0}])),
}


@pytest.mark.parametrize(
    "edit",
    cases("checkpoint", "One line names the file and the entry; nothing is trained.", {
        name: (f"a checkpoint whose progress is {what}", "the entry is replaced, then `--resume`", edit)
        for name, (what, edit) in PROGRESS.items()
    }),
)  # fmt: skip
def test_no_other_progress_is_taken_up(four_steps, tmp_path, edit):
    run = shutil.copytree(four_steps / "vae", tmp_path / "vae")
    checkpoints.change_progress(run, edit(checkpoints.progress(run)))
    with pytest.raises(UserError, match=checkpoints.NAME) as caught:
        tiny_runs.train("vae", run, resume=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "images, message",
    cases("checkpoint", "One line names the pool.", {
        "size": ("a pool of images of another size", "every image of a pool is cut to 16 pixels",
                 lambda pool: pool[..., :16, :16].clone(), "of shape"),
        "many": ("a pool of too many images", "a pool's images are stored twice",
                 lambda pool: torch.cat([pool, pool]), "of shape"),
        "nan": ("a pool with NaN", "an image of a pool is NaN", lambda pool: pool * torch.nan, "not finite"),
        "none": ("an empty pool", "a pool is left out", None, "lacks pool"),
    }),
)  # fmt: skip
def test_no_spoiled_pool_is_used(four_steps, tmp_path, images, message):
    run, name = shutil.copytree(four_steps / "cyclegan", tmp_path / "cyclegan"), "pool.D_A.images"
    checkpoints.change(run, lambda f: _set(f, name, images(f[name])) if images else f.pop(name))
    with pytest.raises(UserError, match=message):
        tiny_runs.train("cyclegan", run, resume=True)


@fault(
    "checkpoint",
    "weights that are no numbers",
    "a weight of a finished run is NaN",
    "`sample`, `score`, `translate` and `evaluate` name file and weight in one line.",
)
@pytest.mark.parametrize("model", MODELS)
def test_weights_are_checked_when_loaded(whole, tmp_path, model):
    run = shutil.copytree(whole / model, tmp_path / model)
    checkpoints.change(run, lambda f: [v.fill_(torch.nan) for v in f.values() if v.is_floating_point()])
    for path in run.glob("epoch-*.safetensors"):
        save_file({k: v * torch.nan for k, v in load_file(path).items()}, path)
    load = {"maf": load_flow, "vae": load_vae, "cyclegan": load_cyclegan}[model]
    with pytest.raises(UserError, match="safetensors: .* holds a number that is not finite"):
        load(run)


# The folder


HOLDER = """
import fcntl, os, sys
hold = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(hold, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@fault(
    "run",
    "two processes on one run folder",
    "`hw2 train` and `--resume` where another process trains",
    "The second is refused in one line and changes nothing; when the first is killed, the folder is free.",
)
def test_a_second_process_is_refused(four_steps, tmp_path, monkeypatch, capsys):
    run = shutil.copytree(four_steps / "maf", tmp_path / "maf")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    command = [sys.executable, "-c", HOLDER, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        for more in (["--resume"], []):
            monkeypatch.setattr(
                sys, "argv", ["hw2", "train", "maf", "--out", str(run), "--device", "cpu", *more]
            )
            with pytest.raises(SystemExit) as exit:
                main()
            assert exit.value.code == 2
            assert capsys.readouterr().err == f"hw2: {run}: another process is at work on this run\n"
        holder.kill()
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert tiny_runs.train("maf", run, resume=True)


@fault(
    "run",
    "what a killed write leaves",
    "a `.part` file in the run's folder, and a link of that name to a file elsewhere",
    "It is cleared when the run goes on; what the link leads to stays.",
)
def test_leftovers_of_killed_writes_are_cleared(four_steps, tmp_path):
    run = shutil.copytree(four_steps / "vae", tmp_path / "vae")
    (run / f"{checkpoints.NAME}.part").write_bytes(b"half")
    (tmp_path / "elsewhere").write_text("mine")
    (run / "losses.csv.part").symlink_to(tmp_path / "elsewhere")
    assert tiny_runs.train("vae", run, resume=True)
    assert not list(run.glob("*.part")) and (tmp_path / "elsewhere").read_text() == "mine"


def test_a_folder_is_held_once_and_then_free(tmp_path):
    with RunFolder(tmp_path / "run"):
        with pytest.raises(UserError, match="another process is at work"), RunFolder(tmp_path / "run"):
            pass
        assert (tmp_path / "run").exists()
        (tmp_path / "run" / "file").touch()
    with RunFolder(tmp_path / "run"):
        pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["file"]


@fault(
    "run",
    "weights that only their owner may read",
    "`umask 022` and `umask 007`",
    "Weights and tables have the rights that the umask gives.",
)
@pytest.mark.parametrize("umask, rights", [(0o022, 0o644), (0o007, 0o660)])
def test_weights_have_the_rights_of_the_umask(tmp_path, umask, rights):
    old = os.umask(umask)
    try:
        tiny_runs.train("cyclegan", tmp_path / "run")
    finally:
        os.umask(old)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir()}
    assert set(modes.values()) == {rights}, modes
    assert {"checkpoint.safetensors", "epoch-01.safetensors", "metrics.json"} <= modes.keys()


# Checkpoints of before


def test_a_checkpoint_of_separate_files_is_taken_up_once(four_steps, whole, tmp_path):
    """As they were before version 0.2: a file per part, each with the step that it is of."""
    run = shutil.copytree(four_steps / "maf", tmp_path / "run")
    progress = checkpoints.progress(run)
    mark = {"done": f"{progress['epoch']} epochs, {progress['step']} steps"}
    for part in ("model", "average", "optimizer"):
        save_file(checkpoints.weights(run, part), run / f"{part}.safetensors", mark)
    progress["auroc"] = progress.pop("evaluations")
    write_json(run / "state.json", progress)
    (run / checkpoints.NAME).unlink()
    stale = shutil.copytree(run, tmp_path / "stale")
    save_file(load_file(run / "average.safetensors"), stale / "average.safetensors", {"done": "another"})
    with pytest.raises(UserError, match="average.safetensors: is of another step"):
        tiny_runs.train("maf", stale, resume=True)
    assert load_flow(run)[0].features == 768
    assert tiny_runs.train("maf", run, resume=True)
    tiny_runs.same(whole / "maf", run)
    assert {path.name for path in run.iterdir()} == {path.name for path in (whole / "maf").iterdir()}
    assert (run / "auroc.csv").read_bytes() == (whole / "maf" / "auroc.csv").read_bytes()
