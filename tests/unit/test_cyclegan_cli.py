"""hw2 train cyclegan and hw2 translate, as a person would call them."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import hw2lib.data
from hw2lib.data import source, synthetic_unpaired
from hw2lib.data.synthetic import unpaired
from hw2lib.data.unpaired import load_unpaired, read_image, to_uint8
from hw2lib.jobs.cyclegan import run_cyclegan
from hw2lib.jobs.trained import load_cyclegan
from hw2lib.runs.folder import read_json, write_json
from hw2lib.training.devices import multiplies_bfloat16
from hw2lib.training.settings import CYCLEGAN_PROFILES, override

pytestmark = pytest.mark.usefixtures("hasty_classifier")
SETTINGS = ["size=32", "blocks=1", "features=4", "epochs=1", "max_steps=2", "evaluate_epochs=[1]"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        (root / split).mkdir()
        for k in range(2):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / split / f"{k}.png")
    return root


@pytest.fixture
def drawn(monkeypatch):
    """What a command draws where it is given no --data; of the images here are two per split."""
    calls = []

    def draw(*arguments):
        calls.append(arguments)
        return synthetic_unpaired(*arguments, train=2, test=2)

    monkeypatch.setattr(source, "synthetic_unpaired", draw)
    return calls


def train(root, out) -> list[object]:
    assignments = [argument for setting in SETTINGS for argument in ("--set", setting)]
    return ["train", "cyclegan", "--data", root, "--out", out, "--device", "cpu", *assignments]


@pytest.fixture(scope="module")
def trained(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    settings = override(CYCLEGAN_PROFILES["quick"], [*SETTINGS, "recipe=crop"])
    assert run_cyclegan(settings, load_unpaired(root, 32), out, device="cpu")
    return out


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

    same_names = hw2("translate", run, image, root / "testB" / "0.png", "--out", tmp_path / "same")
    onto_itself = hw2("translate", run, image, "--out", root / "testA")
    unknown_epoch = hw2("translate", run, image, "--epoch", 7)
    unknown_domain = hw2("translate", run, image, "--to", "C")
    no_image = hw2("translate", run, tmp_path / "none.png", "--out", tmp_path / "out")
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(image.read_bytes()[:200])
    broken = hw2("translate", run, truncated, "--out", tmp_path / "out")
    (tmp_path / "file").write_text("")
    onto_file = hw2("translate", run, image, "--out", tmp_path / "file")
    for (code, _, error), message in (
        (same_names, "0.png: another image has this name"),
        (onto_itself, "0.png: is one of the images"),
        (unknown_epoch, "kept weights of epochs [1], not 7"),
        (unknown_domain, "--to C: expected A or B"),
        (no_image, "none.png: No such file or directory"),
        (broken, "truncated.png: cannot be read as an image"),
        (onto_file, "file: cannot be created"),
    ):
        assert code == 2 and message in error and error.count("\n") == 1


def test_images_of_b_are_translated_by_the_generator_to_a(hw2, trained, root, tmp_path):
    image = root / "testB" / "0.png"
    code, _, _ = hw2("translate", trained, image, "--to", "A", "--out", tmp_path)
    net, config = load_cyclegan(trained)
    made, there = (to_uint8(g(read_image(image, config.size)))[0] for g in (net.G_B, net.G_A))
    assert code == 0 and not torch.equal(made, there)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "0.png")), made.permute(1, 2, 0).numpy())


def test_a_finished_run_is_judged_again(hw2, trained, root, tmp_path, drawn):
    run = shutil.copytree(trained, tmp_path / "run")
    metrics = read_json(run / "metrics.json")
    write_json(run / "metrics.json", {"test": metrics["test"]})
    code, printed, _ = hw2("evaluate", run, "--data", root, "--device", "cpu")
    assert code == 0 and "classifier trained here" in printed and "epoch    1  classified as" in printed
    again = read_json(run / "metrics.json")
    assert again["translation"]["epochs"] == metrics["translation"]["epochs"]
    for (code, _, error), message in (
        (hw2("evaluate", tmp_path, "--data", root), "is this the folder of a run?"),
        (hw2("evaluate", run, "--data", tmp_path), "trainA: no such folder"),
        (hw2("evaluate", run), "was trained on other images than apple2orange-synthetic"),
    ):
        assert code == 2 and message in error and error.count("\n") == 1
    assert drawn == [("apple2orange", 32, "crop")]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_images_of_any_mode_and_size_are_translated(hw2, root, tmp_path, trained, mode):
    values = np.random.default_rng(1).integers(0, 256, (20, 45), dtype=np.uint8)
    grey = Image.fromarray(values)
    image = Image.fromarray(values.astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    file = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    image.save(file)
    code, _, _ = hw2("translate", trained, file, "--to", "A", "--out", tmp_path / "out")
    made = Image.open(tmp_path / "out" / "x.png")
    assert code == 0 and made.mode == "RGB" and made.size == (32, 32)


def test_without_data_quick_runs_draw_fruit(hw2, tmp_path, drawn):
    assignments = [argument for setting in SETTINGS for argument in ("--set", setting)]
    code, printed, error = hw2(
        "train",
        "cyclegan",
        "--out",
        tmp_path / "run",
        "--device",
        "cpu",
        "--set",
        "recipe=resize",
        *assignments,
    )
    assert code == 0 and "finished" in printed and "identical files" not in error
    assert read_json(tmp_path / "run" / "environment.json")["data"]["name"] == "apple2orange-synthetic"
    assert drawn == [("apple2orange", 32, "resize")]


@pytest.mark.parametrize("name", ["apple2orange", "summer2winter"])
def test_synthetic_sets_are_made_as_the_command_says(hw2, name, tmp_path, monkeypatch):
    """What a maker writes is tested beside it, on fewer images than a command makes."""
    maker, made = getattr(hw2lib.data, f"make_{name}"), []
    assert (maker.func, maker.args) == (unpaired.make_unpaired, (name,))

    def note(out, *, seed, size="the maker's"):
        made.append((out, seed, size))

    monkeypatch.setattr(hw2lib.data, f"make_{name}", note)
    out = tmp_path / "set"
    code, printed, _ = hw2("data", "make", name, "--out", out, "--size", 16, "--seed", 3)
    assert code == 0 and printed == f"{out}: {name}\n"
    assert hw2("data", "make", name, "--out", out)[0] == 0
    assert made == [(out, 3, 16), (out, 0, "the maker's")]
    code, printed, _ = hw2("data", "list")
    assert code == 0 and any(line.split()[:2] == [name, "make"] for line in printed.splitlines())


def test_training_says_which_files_are_identical(hw2, root, tmp_path):
    twins = tmp_path / "twins"
    shutil.copytree(root, twins)
    for copy in ("testA/copy.png", "trainB/copy.png"):
        shutil.copyfile(twins / "trainA" / "0.png", twins / copy)
    code, _, error = hw2(*train(twins, tmp_path / "run"))
    assert code == 0
    assert "twins: 1 groups of identical files; 1 test images are in train too" in error
    assert read_json(tmp_path / "run" / "environment.json")["data"]["train_in_both"] == 1


def test_wrong_use_is_one_line(hw2, root, tmp_path):
    missing = hw2("train", "cyclegan", "--data", tmp_path / "absent", "--out", tmp_path / "run")
    nothing = hw2("train", "cyclegan", "--profile", "small", "--out", tmp_path / "run")
    unknown = hw2("train", "cyclegan", "--data", root, "--set", "lambda=3")
    no_run = hw2("translate", tmp_path, root / "testA" / "0.png")
    for (code, _, error), message in (
        (missing, "absent: no such folder"),
        (nothing, "--profile small: needs --data with the real images"),
        (hw2("bench", "cyclegan", "--size", 33), "size=33: Input should be a multiple of 4"),
        (unknown, "--set lambda=3: expected key=value"),
        (no_run, "is this the folder of a run?"),
    ):
        assert code == 2 and message in error and error.count("\n") == 1


def test_bench_compares_with_the_plain_step(hw2):
    sizes = ["--size", 32, "--blocks", 1, "--features", 4, "--repeats", 1]
    code, printed, _ = hw2("bench", "cyclegan", "--json", *sizes)
    rows = json.loads(printed)["rows"]
    names = [row["arrangement"] for row in rows]
    assert code == 0 and names[:2] == ["plain", "batched"]
    assert set(names[2:]) == ({"bfloat16"} if multiplies_bfloat16(torch.device("cpu")) else set())
    assert rows[0]["ratio_to_plain"] == 1 and all(row["seconds"] > 0 for row in rows)
    code, printed, _ = hw2("bench", "cyclegan", *sizes)
    assert code == 0 and "batched" in printed
