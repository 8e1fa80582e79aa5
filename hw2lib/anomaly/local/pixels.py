"""Maps of cells as maps of pixels."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter


def pixel_maps(maps: np.ndarray, cell: int, smoothing: float) -> np.ndarray:
    """Blur maps of cells and interpolate them between the cells' centres.

    Args:
        maps: (n, rows, columns).
        cell: side of a cell in pixels.
        smoothing: σ in cells.

    Returns:
        float32, (n, rows · cell, columns · cell).
    """
    blurred = gaussian_filter(maps, (0, smoothing, smoothing), mode="nearest") if smoothing else maps
    values = torch.from_numpy(np.ascontiguousarray(blurred, np.float32))[:, None]
    return torch.nn.functional.interpolate(values, scale_factor=cell, mode="bilinear")[:, 0].numpy()
