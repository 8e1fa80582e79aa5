"""The loader of MVTec AD categories: what it reads, how it splits, and how it names what it cannot read."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from hw2lib.data import load_mvtec, split_validation
from hw2lib.data.images import read_rgb, to_rgb
from hw2lib.errors import UserError


def test_a_category_is_read_in_a_fixed_order(category):
    data = load_mvtec(category, size=10)
    assert data.name == "widget" and data.size == 10 and data.features == 300
    assert data.train.shape == (20, 3, 10, 10) and data.train.dtype == torch.uint8
    assert data.train_files == [f"good/{k:03}.png" for k in range(20)]
    assert data.test.shape == (12, 3, 10, 10)
    assert data.test_defects == ["good"] * 4 + ["crack"] * 4 + ["scratch"] * 4
    assert data.test_files[3:5] == ["good/003.png", "crack/000.png"]
    assert data.anomalous.tolist() == [False] * 4 + [True] * 8


def test_masks_lie_where_the_defects_are(category):
    masks = load_mvtec(category, size=10).masks
    assert masks.shape == (12, 10, 10) and masks.dtype == torch.bool
    assert not bool(masks[:4].any())
    expected = torch.zeros(10, 10, dtype=torch.bool)
    expected[5:, :5] = True  # the fixture marks the lower left quarter
    assert all(torch.equal(mask, expected) for mask in masks[4:])


def test_images_of_the_right_size_are_taken_bit_by_bit(write_category):
    root = write_category(size=(16, 16))
    data = load_mvtec(root, size=16)
    for k, name in enumerate(data.train_files):
        pixels = np.asarray(Image.open(root / "train" / name))
        assert np.array_equal(data.train[k].permute(1, 2, 0).numpy(), pixels)


def test_the_checksum_covers_names_and_bytes(category):
    before = load_mvtec(category, 8).checksum
    assert load_mvtec(category, 16).checksum == before
    file = category / "test" / "crack" / "001.png"
    original = file.read_bytes()
    Image.fromarray(np.zeros((10, 12, 3), dtype=np.uint8)).save(file)
    assert load_mvtec(category, 8).checksum != before
    file.write_bytes(original)
    assert load_mvtec(category, 8).checksum == before
    (category / "train" / "good" / "019.png").rename(category / "train" / "good" / "020.png")
    assert load_mvtec(category, 8).checksum != before


def test_other_files_beside_the_images_are_left_alone(category):
    (category / "train" / "good" / "Thumbs.db").write_bytes(b"\0")
    (category / "readme.txt").write_text("about")
    assert len(load_mvtec(category, 8).train) == 20


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(40, 25), (8, 8), (5, 9)])
def test_any_mode_and_size_becomes_rgb(write_category, mode, size):
    data = load_mvtec(write_category(mode=mode, size=size, train=2, test=1), size=8)
    assert data.train.shape == (2, 3, 8, 8) and data.train.dtype == torch.uint8
    # The disc in the middle is brighter than the corner whatever the mode.
    assert float(data.train[:, :, 3:5, 3:5].float().mean()) > float(data.train[:, :, 6:, :2].float().mean())


def test_sixteen_bits_are_divided_by_256(tmp_path):
    values = np.array([[0, 255, 256], [32768, 65279, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    pixels = read_rgb(tmp_path / "deep.png", None)
    assert pixels[..., 0].tolist() == [[0, 0, 1], [128, 254, 255]]
    assert (pixels == pixels[..., :1]).all()


def test_transparency_is_laid_on_black():
    image = Image.new("RGBA", (3, 1))
    for k, alpha in enumerate((0, 128, 255)):
        image.putpixel((k, 0), (200, 100, 50, alpha))
    assert np.asarray(to_rgb(image))[0].tolist() == [[0, 0, 0], [100, 50, 25], [200, 100, 50]]


def test_grey_becomes_three_equal_channels(write_category):
    data = load_mvtec(write_category(mode="L", size=(8, 8)), size=8)
    assert bool((data.train == data.train[:, :1]).all()) and len(data.train.unique()) > 10


# The split


@pytest.mark.parametrize("n, fraction, held", [(219, 0.1, 21), (20, 0.1, 2), (5, 0.1, 1), (2, 0.9, 1)])
def test_the_split_is_a_partition(n, fraction, held):
    train, validation = split_validation(n, fraction, seed=3)
    assert len(validation) == held
    assert sorted(train.tolist() + validation.tolist()) == list(range(n))
    assert train.tolist() == sorted(train.tolist()) and validation.tolist() == sorted(validation.tolist())


def test_the_split_depends_on_the_seed_only():
    torch.manual_seed(1)
    first = split_validation(219, 0.1, seed=0)[1]
    torch.manual_seed(2)
    assert torch.equal(split_validation(219, 0.1, seed=0)[1], first)
    assert not torch.equal(split_validation(219, 0.1, seed=1)[1], first)
    chosen = [v for seed in range(200) for v in split_validation(20, 0.1, seed)[1].tolist()]
    assert set(chosen) == set(range(20))  # no image is always trained on


@pytest.mark.parametrize(
    "n, fraction", [(0, 0.1), (1, 0.1), (10, 0.0), (10, 1.0), (10, -0.5), (10, float("nan"))]
)
def test_impossible_splits_are_refused(n, fraction):
    with pytest.raises(UserError, match=f"cannot split {n} images"):
        split_validation(n, fraction)


# Bad input: one line that names the file


def truncated(file):
    file.write_bytes(file.read_bytes()[:60])


BAD = {
    "no folder": ("", shutil.rmtree, "no such folder"),
    "no training folder": ("train/good", shutil.rmtree, "no such folder"),
    "no test folder": ("test", shutil.rmtree, "no such folder"),
    "no normal test images": ("test/good", shutil.rmtree, "no such folder"),
    "no masks": ("ground_truth/crack", shutil.rmtree, "no mask"),
    "one mask missing": ("ground_truth/crack/002_mask.png", lambda f: f.unlink(), "no mask"),
    "not an image": ("train/good/004.png", lambda f: f.write_text("words"), "cannot be read as an image"),
    "empty file": ("test/good/001.png", lambda f: f.write_bytes(b""), "cannot be read as an image"),
    "truncated image": ("test/crack/001.png", truncated, "cannot be read as an image"),
    "truncated mask": ("ground_truth/crack/001_mask.png", truncated, "cannot be read as an image"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_in_one_line(category, case):
    below, spoil, message = BAD[case]
    spoil(category / below)
    with pytest.raises(UserError, match=message) as caught:
        load_mvtec(category, 8)
    line = str(caught.value)
    assert str(category / below) in line and "\n" not in line


@pytest.mark.parametrize("below", ["train/good", "test/good", "test/crack"])
def test_empty_folders_are_named(category, below):
    for file in (category / below).iterdir():
        file.unlink()
    with pytest.raises(UserError, match="no images") as caught:
        load_mvtec(category, 8)
    assert str(category / below) in str(caught.value)


def test_a_category_without_defects_is_named(category):
    for defect in ("crack", "scratch"):
        shutil.rmtree(category / "test" / defect)
    with pytest.raises(UserError, match="test: no folder of defects"):
        load_mvtec(category, 8)


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "capsule").write_text("words")
    with pytest.raises(UserError, match="no such folder"):
        load_mvtec(tmp_path / "capsule")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "train").write_text("words")
    with pytest.raises(UserError, match="no such folder"):
        load_mvtec(tmp_path / "deep")
