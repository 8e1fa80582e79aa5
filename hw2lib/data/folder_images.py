"""Images of one shape from a folder or a list of files: of any size and mode, square or not."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from hw2lib.errors import UserError

from .images import list_images, open_image, stack, to_rgb

_ASPECT = 0.02  # how far the ratio of an image's sides may be from that of the others


@dataclass(frozen=True)
class Images:
    """Images in memory.

    Attributes:
        images: uint8, shape (n, 3, height, width).
        files: their names, below the folder that they were read from.
        checksum: SHA-256 over the names and bytes of all files read.
    """

    images: Tensor
    files: list[str]
    checksum: str


def normal_images_in(folder: Path) -> list[Path]:
    """The normal images of a category in the MVTec AD layout, or of a folder that holds nothing else."""
    good = folder / "train" / "good"
    return list_images(good if good.is_dir() else folder)


def shape_for(path: Path, size: int, multiple: int) -> tuple[int, int]:
    """Height and width of an image scaled to a longer side of ``size``, rounded to a multiple.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "wide.png"
        ...     Image.new("L", (300, 200)).save(path)
        ...     shape_for(path, 256, 4)
        (172, 256)
    """
    width, height = open_image(path).size
    scale = size / max(width, height)
    rows, columns = (max(1, round(side * scale / multiple)) * multiple for side in (height, width))
    return rows, columns


def load_images(
    paths: Sequence[Path],
    shape: tuple[int, int],
    root: Path,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Images:
    """Read images and resize those of another shape (Lanczos with antialiasing).

    Args:
        paths: the files, below ``root``.
        shape: height and width of the result in pixels.
        root: names are given from here.
        report: takes what is being done, how much of it is done, and of how much.

    Raises:
        UserError: a file cannot be read, or its sides are in another ratio than those of ``shape``.
    """
    digest, pixels = hashlib.sha256(), []
    height, width = shape
    for done, path in enumerate(paths):
        image = to_rgb(open_image(path, digest, root))
        if abs(image.width * height / (image.height * width) - 1) > _ASPECT + 1 / min(shape):
            raise UserError(
                f"{path}: is {image.width}×{image.height} pixels; expected sides like {width}×{height}"
            )
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        pixels.append(np.asarray(image))
        report("reading", done + 1, len(paths))
    return Images(stack(pixels), [path.relative_to(root).as_posix() for path in paths], digest.hexdigest())
