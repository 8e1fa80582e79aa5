"""One category of MVTec AD, or anything in its folder layout, as arrays.

    ROOT/train/good/*.png
    ROOT/test/good/*.png, ROOT/test/<defect>/*.png
    ROOT/ground_truth/<defect>/<name>_mask.png

Bergmann et al. 2019. Images of any size and mode become 8-bit RGB of one size.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from hw2lib.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


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
        masks: bool, shape (m, size, size), True where an image is defective.
        checksum: SHA-256 over the names and bytes of all files read.
    """

    name: str
    train: Tensor
    train_files: list[str]
    test: Tensor
    test_files: list[str]
    test_defects: list[str]
    masks: Tensor
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
    antialiasing; masks by nearest neighbour). Transparent pixels are laid on black.

    Args:
        root: the category folder, such as ``mvtec/capsule``.
        size: height and width of the result in pixels.

    Raises:
        UserError: a folder is missing or empty, an image cannot be read, a mask is missing.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    digest = hashlib.sha256()
    train_paths = _images(root / "train" / "good")
    test_root = root / "test"
    if not test_root.is_dir():
        raise UserError(f"{test_root}: no such folder")
    kinds = sorted(p.name for p in test_root.iterdir() if p.is_dir())
    if "good" not in kinds:
        raise UserError(f"{test_root / 'good'}: no such folder")
    if len(kinds) == 1:
        raise UserError(f"{test_root}: no folder of defects beside good")
    test_paths = [
        p for kind in ["good", *(k for k in kinds if k != "good")] for p in _images(test_root / kind)
    ]
    masks = [_read_mask(root, p, size, digest) for p in test_paths]
    return MVTecCategory(
        name=root.resolve().name,
        train=_stack([read_rgb(p, size, digest, root) for p in train_paths]),
        train_files=[p.relative_to(root / "train").as_posix() for p in train_paths],
        test=_stack([read_rgb(p, size, digest, root) for p in test_paths]),
        test_files=[p.relative_to(test_root).as_posix() for p in test_paths],
        test_defects=[p.parent.name for p in test_paths],
        masks=torch.from_numpy(np.stack(masks)),
        checksum=digest.hexdigest(),
    )


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


def read_rgb(path: Path, size: int | None, digest=None, root: Path | None = None) -> np.ndarray:
    """One image as uint8 of shape (height, width, 3); ``size=None`` keeps its size."""
    image = to_rgb(open_image(path, digest, root))
    if size is not None and image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image)


def open_image(path: Path, digest=None, root: Path | None = None) -> Image.Image:
    """Decode an image fully; a file that cannot be read is named."""
    try:
        if digest is not None:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
        image = Image.open(path)
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as an image") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: {error}") from error
    return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to 8-bit RGB: 16-bit grey is divided by 256, transparency is laid on black."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        image = Image.fromarray((values // 256).astype(np.uint8))
    elif image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image.convert("RGB")


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise UserError(f"{folder}: no images in this folder")
    return paths


def _read_mask(root: Path, image: Path, size: int, digest) -> np.ndarray:
    kind = image.parent.name
    if kind == "good":
        return np.zeros((size, size), dtype=bool)
    path = root / "ground_truth" / kind / f"{image.stem}_mask.png"
    if not path.is_file():
        raise UserError(f"{path}: no mask for {kind}/{image.name}")
    mask = open_image(path, digest, root).convert("L")
    if mask.size != (size, size):
        mask = mask.resize((size, size), Image.Resampling.NEAREST)
    return np.asarray(mask) > 0


def _stack(images: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
