"""The command hw2 as a person would call it: what it prints and writes, and one line where use is wrong."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import tensors
from PIL import Image

import hw2lib
from hw2lib.claims import is_bookkeeping, load_ledger, results
from hw2lib.jobs import reproduce as jobs
from hw2lib.jobs.maf import RECORDED_FILES
from hw2lib.runs.folder import read_json
from hw2lib.statistics import auroc_per_defect

TINY = [
    "size=8",
    "hidden_features=[8, 8]",
    "transforms=2",
    "batch_size=6",
    "epochs=2",
    "learning_rate=3.0e-3",
]


def training(data, out, *more, settings=TINY) -> list[object]:
    assignments = [argument for setting in settings for argument in ("--set", setting)]
    return ["train", "maf", "--data", data, "--out", out, "--device", "cpu", *assignments, *more]


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.fixture
def run(hw2, category, trained_once, tmp_path):
    """A copy of a run that the command has trained on the category."""
    if not trained_once.exists():
        code, _, _ = hw2(*training(category, trained_once))
        assert code == 0
    return shutil.copytree(trained_once, tmp_path / "run")


def wrong(outcome, message: str) -> None:
    """Fail unless the command said one line that holds the message, and nothing else, and exited with 2."""
    code, printed, error = outcome
    assert code == 2 and printed == ""
    assert error.startswith("hw2: ") and error.count("\n") == 1 and error.endswith("\n")
    assert message in error


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# Right use


def test_training_leaves_a_run_and_shows_its_progress(hw2, category, tmp_path):
    out = tmp_path / "deep" / "run"
    code, printed, error = hw2(*training(category, out, "--seed", 5))
    assert code == 0 and printed == f"{out}: finished\n"
    assert "epoch 2/2" in error and "bits/dim" in error and "6/6" in error
    assert {p.name for p in out.iterdir()} >= set(RECORDED_FILES)
    config = read_json(out / "config.json")
    assert (config["seed"], config["size"], config["hidden_features"]) == (5, 8, [8, 8])
    assert read_json(out / "environment.json")["data"]["name"] == "widget"


def test_without_data_quick_runs_use_the_synthetic_set(hw2, tmp_path):
    settings = ["size=16", "hidden_features=[8]", "transforms=1", "epochs=1"]
    assignments = [argument for setting in settings for argument in ("--set", setting)]
    code, printed, _ = hw2("train", "maf", "--device", "cpu", *assignments)
    assert code == 0 and printed == f"{Path('runs/maf-quick')}: finished\n"
    assert read_json(Path("runs/maf-quick/environment.json"))["data"]["name"] == "capsule-synthetic"


def test_interrupted_and_resumed(hw2, category, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole", tmp_path / "run"
    assert hw2(*training(category, whole))[0] == 0

    @contextmanager
    def pressing(epochs, shown):
        steps = []

        def report(event):
            steps.append(event)
            if len(steps) == 4:
                signal.raise_signal(signal.SIGINT)

        yield report

    with monkeypatch.context() as patch:
        patch.setattr("hw2lib.cli.train.training_progress", pressing)
        code, printed, error = hw2(*training(category, out))
    assert code == 130 and printed == ""
    assert error == f"hw2: stopped; a checkpoint is in {out}, --resume goes on from it\n"
    resume = ["train", "maf", "--data", category, "--out", out, "--device", "cpu", "--resume"]
    wrong(hw2(*resume, "--seed", 1), "a resumed run keeps its settings")
    wrong(hw2(*resume, "--set", "epochs=3"), "a resumed run keeps its settings")
    assert hw2(*resume)[0] == 0
    trained, resumed = tensors(whole), tensors(out)
    assert trained.keys() == resumed.keys() and all(
        torch.equal(trained[key], resumed[key]) for key in trained
    )
    for name in ("scores.csv", "samples.png"):
        assert (whole / name).read_bytes() == (out / name).read_bytes()


def test_sampling_writes_a_grid(hw2, run, tmp_path):
    code, printed, _ = hw2("sample", run, "-n", 3, "--out", tmp_path / "three.png", "--seed", 1)
    assert code == 0 and printed == f"{tmp_path / 'three.png'}: 3 images\n"
    assert Image.open(tmp_path / "three.png").size == (3 * 10 + 2, 12)
    hw2("sample", run, "-n", 3, "--out", tmp_path / "same.png", "--seed", 1)
    hw2("sample", run, "-n", 3, "--out", tmp_path / "other.png", "--seed", 2)
    hw2("sample", run, "-n", 3, "--out", tmp_path / "plain.png", "--seed", 1, "--weights", "plain")
    hw2("sample", run, "-n", 3, "--out", tmp_path / "cold.png", "--temperature", 0)
    three, same, other, plain, cold = (
        np.asarray(Image.open(tmp_path / f"{n}.png")) for n in ("three", "same", "other", "plain", "cold")
    )
    assert np.array_equal(three, same)
    assert not np.array_equal(three, other) and not np.array_equal(three, plain)
    assert np.array_equal(cold[2:10, 2:10], cold[2:10, 12:20])


def test_scoring_writes_a_table_and_prints_areas(hw2, run, category, tmp_path):
    code, printed, _ = hw2("score", run, "--data", category, "--out", tmp_path / "scores.csv")
    assert code == 0
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows][3:5] == ["good/003.png", "crack/000.png"] and len(rows) == 12
    nll = np.array([float(row["nll"]) for row in rows])
    areas = auroc_per_defect([row["defect"] for row in rows], nll)
    for defect, area in areas.items():
        assert f"{defect:>16}  AUROC {area:.2f} [" in printed
    assert printed.endswith(f"{tmp_path / 'scores.csv'}: 12 images\n")
    # The run itself has scored the same images with the same weights.
    with (run / "scores.csv").open() as file:
        own = [float(row["nll"]) for row in csv.DictReader(file) if row["weights"] == "ema"]
    rounding = 192 * np.finfo(np.float32).eps  # of a sum of 3×8×8 terms in single precision
    np.testing.assert_allclose(nll, own, rtol=rounding)


def test_claims_are_printed_for_people_and_programs(hw2):
    code, printed, _ = hw2("claims", "--json")
    assert code == 0
    rows, ledger = json.loads(printed), load_ledger()
    assert [row["id"] for row in rows] == [entry["id"] for entry in ledger]
    keys = {
        "id",
        "place",
        "notebook",
        "statement",
        "kind",
        "verdict",
        "before",
        "evidence",
        "values",
        "conditions",
        "rules",
    }
    assert all(set(row) == keys for row in rows)
    found = results()
    assert all(row["verdict"] == found[row["id"]].verdict for row in rows)
    code, printed, _ = hw2("claims")
    assert code == 0 and all(entry["id"] in printed for entry in ledger)
    listed = sum(is_bookkeeping(entry) for entry in ledger)
    assert printed.rstrip().endswith(f"bookkeeping, not counted: {listed}")


def test_version_and_help(hw2):
    assert hw2("--version") == (0, f"{hw2lib.__version__}\n", "")
    code, printed, error = hw2("--help")
    assert code == 0 and error == ""
    assert all(name in printed for name in ("data", "train", "sample", "score", "bench", "claims"))
    code, printed, error = hw2()
    assert code == 2 and "Usage" in printed + error


def test_help_answers_without_torch():
    """Importing the command must not import Torch; a help page would take seconds otherwise."""
    program = "import sys, hw2lib.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_synthetic_sets_can_be_written_and_trained_on(hw2, tmp_path):
    folder = tmp_path / "capsules"
    code, printed, _ = hw2("data", "make", "capsules", "--out", folder, "--size", 16)
    assert code == 0 and str(folder) in printed
    assert len(list((folder / "train" / "good").iterdir())) > 5 and (folder / "ground_truth").is_dir()
    assert hw2(*training(folder, tmp_path / "run"))[0] == 0
    code, printed, _ = hw2("data", "list")
    assert code == 0 and "capsules" in printed


def test_reproducing_hands_on_what_it_is_told(hw2, monkeypatch):
    told = []

    def recorder(profile, only, data, runs, device, allow_dirty):
        told.append((profile, only, data, runs, device))
        yield "one"
        yield "two"

    monkeypatch.setattr(jobs, "reproduce_jobs", recorder)
    options = ["--only", "X", "--only", "Y", "--runs", "R", "--device", "cpu", "--data", "D"]
    assert hw2("reproduce", *options) == (0, "one\ntwo\n", "")
    assert hw2("reproduce", "--profile", "paper", "--data", "D") == (0, "one\ntwo\n", "")
    assert told == [
        ("quick", ["X", "Y"], Path("D"), Path("R"), "cpu"),
        ("paper", None, Path("D"), Path("runs"), "auto"),
    ]


# Wrong use: exit code 2, one line, nothing half-written


def test_wrong_data_is_named_and_leaves_nothing(hw2, category, tmp_path):
    out = tmp_path / "run"
    wrong(hw2(*training(tmp_path / "absent", out)), f"{tmp_path / 'absent'}: no such folder")
    unreadable = category / "test" / "crack" / "002.png"
    original = unreadable.read_bytes()
    unreadable.write_bytes(original[:40])
    wrong(hw2(*training(category, out)), f"{unreadable}: cannot be read as an image")
    unreadable.write_bytes(original)
    mask = category / "ground_truth" / "scratch" / "001_mask.png"
    mask.rename(tmp_path / "mask.png")
    wrong(hw2(*training(category, out)), f"{mask}: no mask for scratch/001.png")
    (tmp_path / "mask.png").rename(mask)
    shutil.rmtree(category / "test" / "good")
    wrong(hw2(*training(category, out)), f"{category / 'test' / 'good'}: no such folder")
    (category / "test" / "good").mkdir()
    wrong(hw2(*training(category, out)), f"{category / 'test' / 'good'}: no images")
    assert not out.exists() and not list(Path.cwd().iterdir())


@pytest.mark.parametrize("train", [0, 1])
def test_an_empty_split_is_named_and_leaves_nothing(hw2, write_category, tmp_path, train):
    root = write_category(train=train)
    message = "cannot split 1 images" if train else f"{root / 'train' / 'good'}: no images"
    wrong(hw2(*training(root, tmp_path / "run")), message)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--set", "epochs=0"], "--set epochs=0"),
        (["--set", "epochs=lots"], "--set epochs='lots'"),
        (["--set", "depth=3"], "--set depth=3"),
        (["--set", "epochs"], "--set epochs"),
        (["--set", "layout=round"], "--set layout='round'"),
        (["--profile", "huge"], "profile 'huge'"),
        (["--device", "tpu"], "--device tpu"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "one"], "--seed"),
        (["--devices", "0"], "--devices"),
        (["--epochs", "3"], "--epochs"),
        (["--resume"], "holds no checkpoint to resume"),
        (["surplus"], "surplus"),
    ],
)
def test_wrong_values_are_named_and_leave_nothing(hw2, category, tmp_path, arguments, message):
    wrong(hw2("train", "maf", "--data", category, "--out", tmp_path / "run", *arguments), message)
    assert not (tmp_path / "run").exists() and not list(Path.cwd().iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_here_is_named(hw2, category, tmp_path):
    wrong(hw2("train", "maf", "--data", category, "--device", "cuda"), "--device cuda: no CUDA device")
    wrong(hw2("reproduce", "--device", "cuda"), "--device cuda: no CUDA device")
    assert not list(Path.cwd().iterdir())


def test_paper_runs_want_the_real_images(hw2):
    wrong(hw2("train", "maf", "--profile", "paper"), "--profile paper: needs --data")
    wrong(hw2("reproduce", "--profile", "paper"), "--profile paper: needs --data")
    wrong(hw2("reproduce", "--only", "nothing"), "--only nothing: expected one of maf-capsule")
    assert not list(Path.cwd().iterdir())


def test_a_second_run_into_the_same_folder_changes_nothing(hw2, run, category):
    before = files(run)
    wrong(hw2(*training(category, run)), f"{run}: already holds a run; add --resume")
    assert files(run) == before


def test_an_output_that_cannot_be_a_folder_is_named(hw2, category, tmp_path):
    (tmp_path / "file").write_text("words")
    wrong(hw2(*training(category, tmp_path / "file")), "file: is not a folder")
    wrong(hw2(*training(category, tmp_path / "file" / "run")), "run: cannot be created")
    assert (tmp_path / "file").read_text() == "words"


def test_wrong_sampling_and_scoring_is_named_and_leaves_nothing(hw2, run, category, tmp_path):
    wrong(hw2("sample", tmp_path / "absent"), "config.json: no such file")
    wrong(hw2("sample", run, "--weights", "best"), "--weights best")
    wrong(hw2("sample", run, "-n", 0), "-n")
    wrong(hw2("sample", run, "--temperature", -1), "--temperature")
    wrong(hw2("sample"), "run")
    wrong(hw2("sample", run, "--out", tmp_path / "no" / "x.png"), "x.png: cannot be written")
    wrong(hw2("sample", run, "--out", category), "widget: cannot be written")
    wrong(hw2("score", run), "--data")
    wrong(hw2("score", run, "--data", tmp_path / "absent"), "absent: no such folder")
    wrong(hw2("score", tmp_path, "--data", category), "config.json: no such file")
    wrong(hw2("score", run, "--data", category, "--weights", "best"), "--weights best")
    (category / "test" / "good" / "000.png").write_text("words")
    wrong(hw2("score", run, "--data", category), "good/000.png: cannot be read as an image")
    model = run / "checkpoint.safetensors"
    model.write_bytes(model.read_bytes()[:100])
    wrong(hw2("sample", run), "checkpoint.safetensors: cannot be read as safetensors")
    assert not list(Path.cwd().iterdir()) and not list(tmp_path.rglob("*.part"))


def test_wrong_synthetic_sets_are_named(hw2, tmp_path):
    wrong(hw2("data", "make", "cars", "--out", tmp_path / "cars"), "cars: no such synthetic set")
    wrong(hw2("data", "make", "capsules", "--out", tmp_path / "small", "--size", 4), "--size")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("words")
    wrong(hw2("data", "make", "capsules", "--out", tmp_path / "full", "--size", 16), "full: already there")
    assert files(tmp_path / "full") == {"note.txt": b"words"} and not (tmp_path / "cars").exists()


def test_unknown_commands_are_named(hw2):
    wrong(hw2("fly"), "fly")
    wrong(hw2("train", "gan"), "gan")


def test_the_installed_command_ends_with_the_same_code_and_line(tmp_path):
    """The whole way through a process of its own, where nothing else may write to stderr."""
    program = Path(sys.executable).with_name("hw2")
    command = [program, "data", "make", "cars", "--out", "cars"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hw2: cars: no such synthetic set") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
