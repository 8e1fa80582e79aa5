"""Two sets of images without pairs, in the official CycleGAN layout.

    ROOT/trainA/*  ROOT/trainB/*  ROOT/testA/*  ROOT/testB/*

Zhu et al. 2017. Images of any size and mode become 8-bit RGB squares.
"""

import hashlib
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from hw2lib.errors import UserError

from .images import list_images, read_rgb, stack

SPLITS = ("trainA", "trainB", "testA", "testB")
Recipe = Literal["crop", "resize"]


@dataclass(frozen=True)
class UnpairedImages:
    """The four splits in memory.

    Attributes:
        name: of the set, such as ``apple2orange``.
        size: height and width of the images that a network gets.
        images: per split, uint8 of shape (n, 3, side, side); the test splits have side ``size``, the
            training splits ``load_size(size)`` where a random crop is still to be taken.
        files: per split, the file names in the order of the images.
        checksum: SHA-256 over the names and bytes of all files.
        duplicates: groups of identical files, each a list of names such as ``trainA/1.jpg``.
    """

    name: str
    size: int
    images: dict[str, Tensor]
    files: dict[str, list[str]]
    checksum: str
    duplicates: list[list[str]]

    @property
    def epoch_length(self) -> int:
        """Images of the larger training split: one pass over it is an epoch."""
        return max(len(self.images["trainA"]), len(self.images["trainB"]))


def load_size(size: int) -> int:
    """Side before the random crop, 286/256 of the crop as published: 143 for 128."""
    return round(size * 286 / 256)


def load_unpaired(root: str | Path, size: int = 128, recipe: Recipe = "crop") -> UnpairedImages:
    """Read a folder in the official layout.

    Args:
        root: the folder with trainA, trainB, testA and testB.
        size: height and width of the images that a network gets.
        recipe: ``"crop"``: training images are resized to 286/256 of ``size``, to be cropped at random
            (the published recipe); ``"resize"``: to ``size`` itself.

    Raises:
        UserError: a folder is missing or holds no images, or an image cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    if recipe not in ("crop", "resize"):
        raise UserError(f"recipe {recipe!r}: expected crop or resize")
    paths = {split: list_images(root / split) for split in SPLITS}
    sides = dict.fromkeys(SPLITS, size)
    if recipe == "crop":
        sides |= {"trainA": load_size(size), "trainB": load_size(size)}
    digest = _Digest()
    return UnpairedImages(
        name=root.resolve().name,
        size=size,
        images={s: stack([read_rgb(p, sides[s], digest, root) for p in paths[s]]) for s in SPLITS},
        files={s: [p.relative_to(root / s).as_posix() for p in paths[s]] for s in SPLITS},
        checksum=digest.all.hexdigest(),
        duplicates=sorted(group for group in digest.groups.values() if len(group) > 1),
    )


class _Digest:
    """One checksum over all files, and the names of those whose bytes are the same; each is read once."""

    def __init__(self) -> None:
        self.all, self.groups = hashlib.sha256(), defaultdict[bytes, list[str]](list)

    def update(self, named: bytes) -> None:
        self.all.update(named)
        name, _, content = named.partition(b"\0")
        self.groups[hashlib.sha256(content).digest()].append(os.fsdecode(name))


def duplicates_report(groups: list[list[str]]) -> dict[str, int]:
    """Counts of what duplicates spoil.

    Args:
        groups: of identical files, as :attr:`UnpairedImages.duplicates`.

    Returns:
        ``groups``; ``test_in_train``: test files with an identical training file; ``train_in_both``:
        groups with files in trainA and in trainB.
    """
    counts = {"groups": len(groups), "test_in_train": 0, "train_in_both": 0}
    for group in groups:
        splits = [name.split("/")[0] for name in group]
        training = {"trainA", "trainB"} & set(splits)
        counts["test_in_train"] += sum(s.startswith("test") for s in splits) if training else 0
        counts["train_in_both"] += len(training) == 2
    return counts


def epoch_order(n: int, count: int, generator: torch.Generator) -> Tensor:
    """Indices for ``count`` images out of n: whole passes in random order, the last one cut short.

    Each domain gets an order of its own; the smaller one begins again before the larger one ends.
    """
    passes = [torch.randperm(n, generator=generator) for _ in range(-(-count // n))]
    return torch.cat(passes)[:count]


def augment(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Crop each image at random, mirror it with probability ½, and scale it to [−1, 1].

    Args:
        images: uint8, shape (n, 3, side, side) with side ≥ size.
        size: side of the crop; equal to the images' own, only the mirroring is random.
        generator: of the places and the mirroring.

    Returns:
        float32 of shape (n, 3, size, size).
    """
    room = images.shape[-1] - size + 1
    crops = []
    for image in images:
        top, left = torch.randint(room, (2,), generator=generator).tolist()
        crop = image[:, top : top + size, left : left + size]
        mirrored = torch.rand((), generator=generator) < 0.5
        crops.append(crop.flip(-1) if mirrored else crop)
    return to_signed(torch.stack(crops))


def to_signed(images: Tensor) -> Tensor:
    """uint8 0…255 to float32 in [−1, 1], the range of a generator's tanh."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """[−1, 1] to uint8, rounded to the nearest of 256 levels."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def read_image(path: Path, size: int) -> Tensor:
    """One image file as float32 in [−1, 1], shape (1, 3, size, size)."""
    return to_signed(stack([read_rgb(path, size)]))
