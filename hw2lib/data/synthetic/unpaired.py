"""Synthetic sets in the layout of the two unpaired ones: fruit, and scenes of two seasons.

They can be shared, need no download, and are read by the same loader. Everything follows from a seed;
no picture of one domain is a picture of the other, and none occurs twice.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from hw2lib.data.folders import atomic_directory
from hw2lib.data.images import stack
from hw2lib.data.unpaired import SPLITS, Recipe, UnpairedImages, load_size
from hw2lib.errors import UserError

from .fruit import draw_fruit
from .scenes import draw_scene

_Draw = Callable[[np.random.Generator, int], np.ndarray]

# Domain A and domain B of each set.
SETS: dict[str, tuple[_Draw, _Draw]] = {
    "apple2orange": (partial(draw_fruit, "apple"), partial(draw_fruit, "orange")),
    "summer2winter": (partial(draw_scene, "summer"), partial(draw_scene, "winter")),
}
_LEAST = {"size": 16, "train": 1, "test": 1}


def synthetic_unpaired(
    name: str, size: int = 64, recipe: Recipe = "crop", train: int = 64, test: int = 16, seed: int = 0
) -> UnpairedImages:
    """Generated images of a set in memory.

    Args:
        name: ``apple2orange`` or ``summer2winter``.
        size: height and width in pixels that a network gets, at least 16.
        recipe: as in :func:`~hw2lib.data.unpaired.load_unpaired`; the training images are drawn at the
            size from which the recipe crops.
        train: training images of each domain.
        test: test images of each domain.
        seed: the same seed gives the same scenes at every size.

    Raises:
        UserError: no such set, a size below 16 or a count below 1.
    """
    draw = _checked(name, size=size, train=train, test=test)
    side = load_size(size) if recipe == "crop" else size
    images = {}
    for split in SPLITS:
        pixels = side if split.startswith("train") else size
        count = train if split.startswith("train") else test
        images[split] = stack([_picture(draw, name, split, k, pixels, seed) for k in range(count)])
    digest = hashlib.sha256()
    for split in SPLITS:
        digest.update(split.encode() + images[split].numpy().tobytes())
    return UnpairedImages(
        name=f"{name}-synthetic",
        size=size,
        images=images,
        files={split: [_file(k) for k in range(len(images[split]))] for split in SPLITS},
        checksum=digest.hexdigest(),
        duplicates=[],
    )


def make_unpaired(
    name: str, out: str | Path, size: int = 64, train: int = 64, test: int = 16, seed: int = 0
) -> None:
    """Write a synthetic set as ``out/trainA``, ``trainB``, ``testA``, ``testB``.

    Args:
        name: as for :func:`synthetic_unpaired`, like the other arguments.
        out: folder to create.

    Raises:
        UserError: ``out`` exists and is not an empty folder, or cannot be written; no such set; a size or
            count too small.
    """
    draw = _checked(name, size=size, train=train, test=test)
    with atomic_directory(out) as part:
        for split in SPLITS:
            (part / split).mkdir(exist_ok=True)
            for k in range(train if split.startswith("train") else test):
                pixels = _picture(draw, name, split, k, size, seed)
                Image.fromarray(pixels).save(part / split / _file(k))


make_apple2orange = partial(make_unpaired, "apple2orange")
make_summer2winter = partial(make_unpaired, "summer2winter")


def _checked(name: str, **values: int) -> tuple[_Draw, _Draw]:
    """How the two domains of a set are drawn."""
    if name not in SETS:
        raise UserError(f"{name}: no such synthetic set; expected {' or '.join(SETS)}")
    for key, value in values.items():
        if value < _LEAST[key]:
            raise UserError(f"{key}={value}: a synthetic set needs at least {_LEAST[key]}")
    return SETS[name]


def _picture(draw: tuple[_Draw, _Draw], name: str, split: str, k: int, pixels: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, list(SETS).index(name), SPLITS.index(split), k])
    return draw["AB".index(split[-1])](rng, pixels)


def _file(k: int) -> str:
    return f"{k:04d}.png"
