"""Unpaired folders: any image becomes RGB, domains are shuffled apart, faults are named."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hw2lib.data.unpaired import (
    augment,
    duplicates_report,
    epoch_order,
    load_size,
    load_unpaired,
    to_signed,
    to_uint8,
)
from hw2lib.errors import UserError


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in {"trainA": 3, "trainB": 4, "testA": 2, "testB": 1}.items():
        (tmp_path / split).mkdir()
        for k in range(count):
            pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / split / f"{k}.png")
    return tmp_path


def test_splits_shapes_and_files(root):
    data = load_unpaired(root, size=16)
    assert {split: tuple(images.shape) for split, images in data.images.items()} == {
        "trainA": (3, 3, 18, 18),
        "trainB": (4, 3, 18, 18),
        "testA": (2, 3, 16, 16),
        "testB": (1, 3, 16, 16),
    }
    assert data.epoch_length == 4 and data.files["trainA"] == ["0.png", "1.png", "2.png"]
    assert load_unpaired(root, size=16, recipe="resize").images["trainA"].shape[-1] == 16
    assert load_unpaired(root, size=16).checksum == data.checksum


def test_the_published_sizes():
    assert load_size(256) == 286 and load_size(128) == 143


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_any_image_mode_becomes_rgb(root, mode):
    image = Image.new("L", (9, 9), 255)
    image = Image.new("I;16", (9, 9), 65535) if mode == "I;16" else image.convert(mode)
    image.save(root / "testB" / ("0.tif" if mode == "CMYK" else "0.png"))
    data = load_unpaired(root, size=8)
    assert data.images["testB"][-1].unique().tolist() == [255]


def test_missing_folder_empty_split_and_broken_file_are_named(root):
    (root / "testA" / "0.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"testA/0\.png: cannot be read as an image"):
        load_unpaired(root, size=8)
    for path in (root / "testA").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="testA: no images"):
        load_unpaired(root, size=8)
    (root / "testA").rmdir()
    with pytest.raises(UserError, match="testA: no such folder"):
        load_unpaired(root, size=8)
    with pytest.raises(UserError, match="absent: no such folder"):
        load_unpaired(root / "absent")
    with pytest.raises(UserError, match="recipe 'stretch'"):
        load_unpaired(root, recipe="stretch")


def test_duplicates_within_and_across_splits(root):
    copy = (root / "trainA" / "0.png").read_bytes()
    for name in ("trainA/copy.png", "trainB/copy.png", "testB/copy.png"):
        (root / name).write_bytes(copy)
    groups = load_unpaired(root, size=8).duplicates
    assert groups == [["trainA/0.png", "trainA/copy.png", "trainB/copy.png", "testB/copy.png"]]
    assert duplicates_report(groups) == {"groups": 1, "test_in_train": 1, "train_in_both": 1}


@given(n=st.integers(1, 20), steps=st.integers(1, 60), seed=st.integers(0, 99))
def test_an_epoch_shows_every_image_equally_often(n, steps, seed):
    order = epoch_order(n, steps, torch.Generator().manual_seed(seed))
    counts = torch.bincount(order, minlength=n)
    assert len(order) == steps and int(counts.max() - counts.min()) <= 1


def test_domains_are_shuffled_apart():
    generator = torch.Generator().manual_seed(0)
    first, second = (epoch_order(50, 50, generator) for _ in range(2))
    assert (first == second).sum() < 10


def test_augment_crops_inside_and_mirrors_half():
    column = torch.arange(18, dtype=torch.uint8).expand(1, 3, 18, 18)
    generator = torch.Generator().manual_seed(0)
    crops = [to_uint8(augment(column, 16, generator)).int() for _ in range(200)]
    steps = torch.stack([c[0, 0, 0, 1] - c[0, 0, 0, 0] for c in crops])
    assert set(steps.tolist()) == {-1, 1} and 70 < int((steps > 0).sum()) < 130
    assert {int(c.min()) for c in crops} == {0, 1, 2}


def test_levels_survive_the_round_trip():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_signed(levels)), levels)
