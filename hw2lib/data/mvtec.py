"""One category of MVTec AD, or anything in its folder layout, as arrays.

    ROOT/train/good/*.png
    ROOT/test/good/*.png, ROOT/test/<defect>/*.png
    ROOT/ground_truth/<defect>/<name>_mask.png, or <name>.png; without ROOT/ground_truth there are no masks

Bergmann et al. 2019. Images of any size and mode become 8-bit RGB of one size; folders below those of the
layout are read too.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hw2lib.errors import UserError

from .images import (
    NOTES,
    check_name,
    filled,
    is_leftover,
    list_images,
    open_image,
    read_rgb,
    resized_mask,
    resized_rgb,
    stack,
)

# The normal images, and what tables call all defects together, and their pixels.
RESERVED = {"good", "all", "pixels"}


@dataclass(frozen=True)
class MVTecCategory:
    """A category in memory.

    Attributes:
        name: the category, such as ``capsule``.
        train: uint8, shape (n, 3, size, size), normal images only.
        train_files: names below ``train/``, such as ``good/000.png``.
        test: uint8, shape (m, 3, size, size).
        test_files: names below ``test/``, such as ``crack/003.png``.
        test_defects: m names; ``good`` is normal.
        masks: bool, shape (m, size, size), True where an image is defective; None where the folder has
            no masks, and nothing can be measured by pixel.
        checksum: SHA-256 over the names and bytes of all files read.
    """

    name: str
    train: Tensor
    train_files: list[str]
    test: Tensor
    test_files: list[str]
    test_defects: list[str]
    masks: Tensor | None
    checksum: str

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self.train.shape[-1]

    @property
    def features(self) -> int:
        """D, the number of values in one image."""
        return self.train[0].numel()

    @property
    def anomalous(self) -> np.ndarray:
        """Boolean labels of the test images, True for every kind of defect."""
        return np.array([d != "good" for d in self.test_defects])


def load_mvtec(root: str | Path, size: int = 128) -> MVTecCategory:
    """Read a category folder.

    Images whose size is already ``size`` are taken bit by bit; others are resized (Lanczos with
    antialiasing; a mask's pixel stays marked if any that it covers is). Transparent pixels are laid on black.
    What tools leave behind is skipped, and so are masks without an image; nothing else is.

    Args:
        root: the category folder, such as ``mvtec/capsule``.
        size: height and width of the result in pixels.

    Raises:
        UserError: a folder is missing or empty or has a reserved name, an image cannot be read or would be
            passed over; a mask is missing, there twice, blank, or of other proportions than its image.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    digest = hashlib.sha256()
    train_paths = list_images(_only_folders(root / "train", {"good"}) / "good")
    test_root = _only_folders(root / "test")
    kinds = sorted(p.name for p in test_root.iterdir() if p.is_dir() and not is_leftover(p.name))
    if "good" not in kinds:
        raise UserError(f"{test_root / 'good'}: no such folder")
    if len(kinds) == 1:
        raise UserError(f"{test_root}: no folder of defects beside good")
    for kind in kinds:
        check_name(test_root / kind)
        if kind.lower() in RESERVED and kind != "good":
            raise UserError(f"{test_root / kind}: {kind} cannot name a kind of defect; rename the folder")
    kinds = ["good", *(kind for kind in kinds if kind != "good")]
    test_paths = {path: kind for kind in kinds for path in list_images(test_root / kind)}
    masks = _open_masks(root, test_paths, digest)
    train = stack([read_rgb(path, size, digest, root) for path in train_paths])
    test, test_masks = [], []
    for path, kind in test_paths.items():
        image = open_image(path, digest, root)
        test.append(resized_rgb(image, size))
        if masks is None or kind == "good":
            test_masks.append(np.zeros((size, size), dtype=bool))
            continue
        mask_path, mask = masks[path]
        if abs(mask.height - mask.width * image.height / image.width) > 1:
            wrong = f"{mask.width}×{mask.height} pixels do not fit the {image.width}×{image.height} of"
            raise UserError(f"{mask_path}: {wrong} {kind}/{path.name}")
        test_masks.append(resized_mask(mask, size))
        if not test_masks[-1].any():
            raise UserError(f"{mask_path}: the mask marks nothing")
    return MVTecCategory(
        name=root.resolve().name,
        train=train,
        train_files=[p.relative_to(root / "train").as_posix() for p in train_paths],
        test=stack(test),
        test_files=[p.relative_to(test_root).as_posix() for p in test_paths],
        test_defects=list(test_paths.values()),
        masks=None if masks is None else torch.from_numpy(np.stack(test_masks)),
        checksum=digest.hexdigest(),
    )


def _only_folders(folder: Path, expected: set[str] | None = None) -> Path:
    """The folder, once it is sure that no image beside its sub-folders would be passed over."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    for path in sorted(folder.iterdir()):
        if is_leftover(path.name) or path.suffix.lower() in NOTES:
            continue
        if not path.is_dir() or (expected and path.name not in expected):
            names = " or ".join(sorted(expected or {"good", "a kind of defect"}))
            raise UserError(f"{path}: would not be read; images belong into a folder {names}")
    return folder


def _open_masks(root: Path, images: dict[Path, str], digest) -> dict[Path, tuple[Path, Image.Image]] | None:
    """Each defective image's mask and where it lies; None where the category has no masks at all."""
    truth = root / "ground_truth"
    if not filled(truth):
        return None
    found = defaultdict(list)
    for kind in sorted({kind for kind in images.values() if kind != "good"}):
        for path in list_images(truth / kind) if filled(truth / kind) else ():
            stem = path.relative_to(truth).with_suffix("").as_posix()
            found[stem.lower().removesuffix("_mask")].append(path)
    masks, taken = {}, set()
    for path, kind in images.items():
        if kind == "good":
            continue
        stem = path.relative_to(root / "test").with_suffix("").as_posix()
        candidates = found[stem.lower()]
        if not candidates:
            raise UserError(f"{truth / stem}_mask.png: no mask for {kind}/{path.name}")
        if len(candidates) > 1:
            names = " and ".join(str(candidate.relative_to(truth)) for candidate in candidates)
            raise UserError(f"{truth}: {names} are both masks of {kind}/{path.name}")
        if candidates[0] in taken:
            raise UserError(f"{candidates[0]}: is a mask of two images; {kind}/{path.name} is one of them")
        taken.add(candidates[0])
        masks[path] = candidates[0], open_image(candidates[0], digest, root)
    return masks


def split_validation(n: int, fraction: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Split n indices at random into training and validation.

    Args:
        n: number of images, at least 2.
        fraction: share for validation, in (0, 1); ⌊n · fraction⌋ images, at least one.
        seed: the same seed gives the same split.

    Returns:
        Training indices and validation indices, each sorted.
    """
    if n < 2 or not 0 < fraction < 1:
        raise UserError(f"cannot split {n} images with validation fraction {fraction}")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    held = max(1, int(n * fraction))
    return order[held:].sort().values, order[:held].sort().values
