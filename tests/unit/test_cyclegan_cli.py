"""hw2 train cyclegan and hw2 translate, as a person would call them."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from hw2lib.cli import main
from hw2lib.data.unpaired import read_image, to_uint8
from hw2lib.training.trained import load_cyclegan

SETTINGS = ["size=32", "blocks=1", "features=4", "epochs=1", "max_steps=2", "evaluate_epochs=[1]"]


@pytest.fixture
def hw2(monkeypatch, capsys):
    """Run the command; its exit code, and what it printed and complained."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hw2", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
            sys.exit(0)
        captured = capsys.readouterr()
        return exit.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        (root / split).mkdir()
        for k in range(2):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / split / f"{k}.png")
    return root


def train(root, out) -> list[object]:
    assignments = [argument for setting in SETTINGS for argument in ("--set", setting)]
    return ["train", "cyclegan", "--data", root, "--out", out, "--device", "cpu", *assignments]


def test_train_and_translate(hw2, root, tmp_path):
    run = tmp_path / "run"
    code, printed, _ = hw2(*train(root, run))
    assert code == 0 and "finished" in printed
    image = root / "testA" / "0.png"
    code, printed, _ = hw2("translate", run, image, "--to", "B", "--out", tmp_path / "out")
    assert code == 0 and printed.strip() == str(tmp_path / "out" / "0.png")
    net, config = load_cyclegan(run)
    with torch.no_grad():
        expected = to_uint8(net.G_A(read_image(image, config.size)))[0].permute(1, 2, 0).numpy()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "0.png")), expected)

    same_names = hw2("translate", run, image, root / "testB" / "0.png", "--out", tmp_path / "out")
    onto_itself = hw2("translate", run, image, "--out", root / "testA")
    unknown_epoch = hw2("translate", run, image, "--epoch", 7)
    unknown_domain = hw2("translate", run, image, "--to", "C")
    no_image = hw2("translate", run, tmp_path / "none.png", "--out", tmp_path / "out")
    for (code, _, error), message in (
        (same_names, "0: 2 images have this name"),
        (onto_itself, "would be replaced by its translation"),
        (unknown_epoch, "kept weights of epochs [1], not 7"),
        (unknown_domain, "--to C: expected A or B"),
        (no_image, "none.png: cannot be read as an image"),
    ):
        assert code == 2 and message in error and error.count("\n") == 1


def test_wrong_use_is_one_line(hw2, root, tmp_path):
    missing = hw2("train", "cyclegan", "--data", tmp_path / "absent", "--out", tmp_path / "run")
    nothing = hw2("train", "cyclegan", "--out", tmp_path / "run")
    unknown = hw2("train", "cyclegan", "--data", root, "--set", "lambda=3")
    no_run = hw2("translate", tmp_path, root / "testA" / "0.png")
    for (code, _, error), message in (
        (missing, "absent: no such folder"),
        (nothing, "needs --data"),
        (unknown, "--set lambda=3: expected key=value"),
        (no_run, "is this the folder of a run?"),
    ):
        assert code == 2 and message in error and error.count("\n") == 1


def test_bench_compares_with_the_plain_step(hw2):
    sizes = ["--size", 32, "--blocks", 1, "--features", 4, "--repeats", 1]
    code, printed, _ = hw2("bench", "cyclegan", "--json", *sizes)
    rows = json.loads(printed)["rows"]
    assert code == 0 and [row["arrangement"] for row in rows] == ["plain", "batched", "own norm", "bfloat16"]
    assert rows[0]["ratio_to_plain"] == 1 and all(row["seconds"] > 0 for row in rows)
    code, printed, _ = hw2("bench", "cyclegan", *sizes)
    assert code == 0 and "own norm" in printed
