"""Sheets of images: one PNG, written and cut up again."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from hw2lib.data.images import read_rgb
from hw2lib.errors import UserError

from .folder import write_bytes


def save_grid(path: Path, images: Tensor, columns: int = 5, padding: int = 2) -> None:
    """Write images, uint8 of shape (n, 3, size, size), as one PNG."""
    grid = make_grid(images, nrow=columns, padding=padding, pad_value=255).permute(1, 2, 0).numpy()
    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grid)).save(data, "PNG", optimize=True)
    write_bytes(path, data.getvalue())


def cut_sheet(path: Path, size: int, columns: int, padding: int = 2) -> np.ndarray:
    """The images of a sheet of ``columns`` columns, uint8 of shape (rows, columns, size, size, 3).

    Raises:
        UserError: the sheet cannot be read, or is no such sheet.
    """
    sheet, step = read_rgb(path, None), size + padding
    rows = (sheet.shape[0] - padding) // step
    if sheet.shape[:2] != (padding + rows * step, padding + columns * step) or rows < 1:
        raise UserError(f"{path}: is no sheet of {columns} columns of images of {size} pixels")
    tiles = sheet[padding:, padding:]
    return tiles.reshape(rows, step, columns, step, 3).swapaxes(1, 2)[:, :, :size, :size]
