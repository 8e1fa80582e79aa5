"""A local detector that a stranger changed, or whose images are spoilt: one line; no defect is normal."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from faults import cases, fault
from PIL import Image
from safetensors.torch import load_file, save_file

from hw2lib.errors import UserError
from hw2lib.jobs.local import DETECTOR, PROFILES, load_local, train_local
from hw2lib.jobs.local_scoring import score_images

DENSITIES = ("neighbours", "maf", "gaussian")
SETTINGS = {"size": 32, "steps": 3, "hidden_features": (8,), "transforms": 1, "densities": DENSITIES}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A detector of all three densities, beside the twelve images that it has learnt from."""
    root, rng = tmp_path_factory.mktemp("local"), np.random.default_rng(0)
    (root / "good").mkdir()
    for k in range(12):
        picture = rng.integers(100, 160, (32, 32, 3)).astype(np.uint8)
        Image.fromarray(picture).save(root / "good" / f"{k:02}.png")
    train_local(PROFILES["quick"].model_copy(update=SETTINGS), root / "good", root / "run")
    return root


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def refused(call: Callable, *arguments, **named) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def without(value: torch.Tensor) -> None:
    return None


def with_nan(value: torch.Tensor) -> torch.Tensor | None:
    return torch.full_like(value, float("nan")) if value.is_floating_point() else None


STRANGE: dict[str, tuple] = {
    "lacks": ("it is left out", "a tensor is left out", without),
    "nan": ("it is NaN, by which every image would be normal", "a tensor is NaN", with_nan),
    "one": (
        "it is cut to one element",
        "a tensor is cut",
        lambda v: v.reshape(-1)[:1].reshape(1, 1, 1, 1, 1),
    ),
    "type": ("it is of another type", "a tensor is float64", lambda v: v.double()),
    "negative": (
        "a scale is negative",
        "a tensor is negated",
        lambda v: -v if v.is_floating_point() else None,
    ),
}
TABLE = {
    key: (f"a stranger's local detector: {what}", f"{how}, one after the other, then `hw2 score`", change)
    for key, (what, how, change) in STRANGE.items()
}


@pytest.mark.parametrize("change", cases("checkpoint", "One line names the file and the tensor.", TABLE))
def test_every_tensor_of_a_detector_is_checked(copy, change):
    place = copy / "run" / DETECTOR
    whole = load_file(place)
    names = [
        name for name in whole if change is not STRANGE["negative"][-1] or name.endswith(("spread", "scale"))
    ]
    for name in names:
        changed = change(whole[name])
        rest = {other: value for other, value in whole.items() if other != name}
        save_file(rest if changed is None else rest | {name: changed}, place)
        message = refused(load_local, copy / "run")
        assert message.startswith(f"{place}: ") and (name in message or "maf" in name), name


@fault(
    "checkpoint",
    "a local detector with a tensor too many",
    "a tensor is added to one of its parts",
    "One line names the file and the tensor.",
)
@pytest.mark.parametrize("name", ["extra", "densities.maf.extra", "densities.maf.flow.blocks.1._extra_state"])
def test_nothing_is_taken_beside_the_detector(copy, name):
    place = copy / "run" / DETECTOR
    save_file(load_file(place) | {name: torch.zeros(8, dtype=torch.int64)}, place)
    assert str(place) in refused(load_local, copy / "run")


OTHER = {
    f"{name}={value}": (f"{name}={value} in config.json of a local run", "config.json is edited", name, value)
    for name, value in (
        ("size", 64),
        ("size", 10**6),
        ("cell", 8),
        ("densities", ["gaussian"]),
        ("hidden_features", [10**9]),
        ("transforms", 10**9),
        ("frequencies", 3),
        ("widths", [1.0]),
        ("neighbours", 10**6),
        ("directions", 10**9),
    )
}


@pytest.mark.parametrize(
    "name, value",
    cases("json", "The header of the detector says otherwise, in one line; nothing is built.", OTHER),
)
def test_settings_of_a_detector_are_compared_with_its_header(copy, monkeypatch, name, value):
    monkeypatch.setattr("hw2lib.jobs.local.LocalDetector", lambda *_: pytest.fail("was built"))
    path = copy / "run" / "config.json"
    config = json.loads(path.read_text("utf-8")) | {name: value}
    config |= {"lengths": [1.0]} if name == "widths" else {}
    path.write_text(json.dumps(config), "utf-8")
    assert str(copy / "run") in refused(load_local, copy / "run")


@fault(
    "checkpoint",
    "weights of a local detector that are finite, and too large",
    "the spread of the features is 10⁻³⁸",
    "The scores would be no numbers, and every image normal: one line instead.",
)
def test_scores_that_are_no_numbers_call_nothing_normal(copy):
    place = copy / "run" / DETECTOR
    whole = load_file(place)
    save_file(whole | {"spread": torch.full_like(whole["spread"], 1e-38)}, place)
    out = copy / "scores.csv"
    assert "no numbers" in refused(score_images, copy / "run", [copy / "good"], out)
    assert not out.exists()


@fault(
    "output",
    "the last of many images is cut off, and maps are drawn",
    "`hw2 score --maps` with a damaged image after 70 good ones",
    "All images are read before the first picture is written.",
)
def test_all_images_are_read_before_the_first_map(copy, monkeypatch):
    monkeypatch.setattr("hw2lib.jobs.local_scoring.BATCH", 4)
    last = copy / "good" / "99.png"
    last.write_bytes((copy / "good" / "11.png").read_bytes()[:200])
    message = refused(score_images, copy / "run", [copy / "good"], copy / "s.csv", maps=copy / "maps")
    assert "99.png" in message and not (copy / "maps").exists() and not (copy / "s.csv").exists()
