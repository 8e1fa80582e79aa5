"""Masks: found under their usual names, converted as images are, and none lost."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from faults import cases, fault
from PIL import Image
from typer.testing import CliRunner

from hw2lib.cli import app
from hw2lib.data import load_mvtec
from hw2lib.data.images import resized_mask
from hw2lib.errors import UserError

RAMP = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12) * 2


# Masks


def crack_masks(category: Path) -> list[Path]:
    return sorted((category / "ground_truth" / "crack").iterdir())


def renamed(category: Path, form: str) -> None:
    for path in crack_masks(category):
        place = path.with_name(form.format(path.stem.removesuffix("_mask")))
        if place.suffix.lower() == path.suffix:
            path.rename(place)
        else:
            Image.open(path).save(place)
            path.unlink()


@pytest.mark.parametrize(
    "form",
    [
        "{}_mask.PNG",
        "{}.png",
        "{}_mask.bmp",
        "{}.bmp",
        "{}.tif",
        "{}_MASK.png",
        "{}_mask.webp",
        "{}_mask.jpg",
    ],
)
@fault(
    "mask",
    "Masks under other names and in other containers.",
    "The masks are called 000_mask.PNG, 000.png, 000_MASK.png, or are BMP, TIFF, WebP or JPEG files.",
    "They are found, and mark the same pixels.",
)
def test_masks_are_found(write_category, form):
    category = write_category(size=(16, 16))
    before = load_mvtec(category, 16).masks
    renamed(category, form)
    assert torch.equal(load_mvtec(category, 16).masks, before)


@fault(
    "mask",
    "A category without masks.",
    "The folder ground_truth is removed, or holds nothing but .DS_Store.",
    "The images are read and scored; no pixel measure is taken.",
)
def test_without_masks_there_are_images_and_no_masks(category):

    for path in (category / "ground_truth").iterdir():
        shutil.rmtree(path)
    (category / "ground_truth" / ".DS_Store").touch()
    data = load_mvtec(category, 8)
    assert data.masks is None and data.test.shape == (12, 3, 8, 8)


def as_mode(path: Path, mode: str) -> None:
    marked = np.asarray(Image.open(path)) > 0
    if mode == "I;16":
        Image.fromarray(marked.astype(np.uint16)).save(path)  # labels 0 and 1, nearly black to a viewer
    elif mode == "0/1":
        Image.fromarray(marked.astype(np.uint8)).save(path)
    elif mode == "red on transparent":
        pixels = np.zeros((*marked.shape, 4), dtype=np.uint8)
        pixels[marked] = (255, 0, 0, 255)
        pixels[~marked] = (255, 255, 255, 0)
        Image.fromarray(pixels).save(path)
    elif mode == "palette":
        image = Image.fromarray(marked.astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 0, 0, 200])
        image.save(path)
    else:
        Image.fromarray(marked.astype(np.uint8) * 255).convert(mode).save(path)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "I;16", "0/1", "palette", "red on transparent"])
@fault(
    "mask",
    "Masks in another mode or depth.",
    "The masks are of 1, 8 or 16 bits, hold 0 and 1, have a palette, colours or transparency.",
    "They mark the same pixels.",
)
def test_masks_of_any_mode_mark_the_same(category, mode):
    before = load_mvtec(category, 10).masks
    for path in crack_masks(category):
        as_mode(path, mode)
    assert torch.equal(load_mvtec(category, 10).masks, before)


@pytest.mark.parametrize("orientation", [3, 6, 8])
@fault(
    "mask",
    "A photograph on its side with an upright mask.",
    "The defective images get an orientation tag, their masks stay as a viewer shows the images.",
    "Image and mask fit.",
)
def test_masks_fit_photographs_on_their_side(write_category, orientation):
    category = write_category(size=(24, 10))
    before = load_mvtec(category, 10)
    exif, turn = Image.Exif(), {3: 2, 6: 1, 8: -1}[orientation]
    exif[0x0112] = orientation
    for path in (category / "test" / "crack").iterdir():
        Image.fromarray(np.rot90(np.asarray(Image.open(path)), turn)).save(path, exif=exif)
    after = load_mvtec(category, 10)
    assert torch.equal(after.masks, before.masks) and torch.equal(after.test, before.test)


@pytest.mark.parametrize("source, size", [(256, 32), (1000, 32), (1000, 128), (100, 33)])
@fault(
    "mask",
    "A defect smaller than a pixel of the resized mask.",
    "A mask with a mark of 3×3 pixels, at each of many places, is brought to 32 pixels.",
    "The mark stays, at its place and no larger than the pixels it touches.",
)
def test_the_smallest_defect_stays(source, size):
    for top, left in ((0, 0), (source - 3, 0), (source // 3, source // 7), (11, source - 3), (50, 50)):
        pixels = np.zeros((source, source), dtype=np.uint8)
        pixels[top : top + 3, left : left + 3] = 255
        mask = resized_mask(Image.fromarray(pixels), size)
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        for cells, start in ((rows, top), (columns, left)):
            assert cells[0] == start * size // source
            assert cells[-1] == -(-(start + 3) * size // source) - 1


BAD_MASKS = {
    "blank": (
        "A mask that marks nothing.",
        "The mask of a defective image is black.",
        lambda p: Image.new("L", (12, 10)).save(p),
        "the mask marks nothing",
    ),
    "turned": (
        "A mask of other proportions than its image.",
        "A mask of 10×12 pixels for an image of 12×10.",
        lambda p: Image.new("L", (10, 12), 255).save(p),
        "10×12 pixels do not fit the 12×10 of crack/001.png",
    ),
    "twice": (
        "Two masks for one image.",
        "001.bmp lies beside 001_mask.png.",
        lambda p: Image.new("L", (12, 10), 255).save(p.with_name("001.bmp")),
        "are both masks of crack/001.png",
    ),
    "shared": (
        "Two images that share a mask.",
        "001.bmp lies beside 001.png in the folder of a defect.",
        lambda p: Image.new("RGB", (12, 10)).save(p.parents[2] / "test" / "crack" / "001.bmp"),
        "is a mask of two images; crack/001.png is one of them",
    ),
    "missing": (
        "A mask that is missing among others.",
        "One of four masks is removed.",
        lambda p: p.unlink(),
        "no mask for crack/001.png",
    ),
    "float": (
        "A mask of floating-point numbers.",
        "A TIFF in mode F in place of a mask.",
        lambda p: Image.new("F", (12, 10), 1.0).save(p, "TIFF"),
        "no 8 or 16 bits",
    ),
    "cut": (
        "A mask that was copied half.",
        "A PNG mask without its end.",
        lambda p: p.write_bytes(p.read_bytes()[:60]),
        "cannot be read as an image",
    ),
}


@pytest.mark.parametrize(
    "spoil, message", cases("mask", "The category is refused in one line that names the mask.", BAD_MASKS)
)
def test_bad_masks_are_named(category, spoil, message):
    path = category / "ground_truth" / "crack" / "001_mask.png"
    spoil(path)
    with pytest.raises(UserError, match=message) as caught:
        load_mvtec(category, 8)
    assert "ground_truth" in str(caught.value) and "\n" not in str(caught.value)


@fault(
    "mask",
    "A category without masks is trained on and scored.",
    "The folder ground_truth is removed before `hw2 train maf` and `hw2 score`.",
    "Both finish; the AUROC of images is there, and the pixel AUROC is null.",
)
def test_without_masks_a_flow_is_trained_and_scored(category, tmp_path):
    shutil.rmtree(category / "ground_truth")
    run = CliRunner().invoke
    settings = ["size=8", "hidden_features=[8]", "transforms=2", "epochs=1", "evaluate_epochs=[1]"]
    options = [part for setting in settings for part in ("--set", setting)]
    paths = ["--data", str(category), "--out", str(tmp_path / "run"), "--device", "cpu"]
    trained = run(app, ["train", "maf", *paths, *options], catch_exceptions=False)
    assert trained.exit_code == 0, trained.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())["ema"]
    assert metrics["pixel_auroc"] is None and set(metrics["auroc"]) == {"all", "crack", "scratch"}
    scores = ["score", str(tmp_path / "run"), "--data", str(category), "--out", str(tmp_path / "scores.csv")]
    assert run(app, scores, catch_exceptions=False).exit_code == 0
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 13
