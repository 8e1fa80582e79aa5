"""Where the object is, learnt from normal images; dust beside it is no defect."""

import numpy as np
from scipy.ndimage import binary_fill_holes, gaussian_filter
from torch import Tensor

from .config import LocalConfig

_BORDER = 0.023  # width of the border, of the longer side: 6 pixels of 256
_INSIDE = 0.2  # of the widened object: about one margin outside its outline
_TOUCHING = 0.1  # most of the border that an object covers; a texture covers as much of it as of the middle


def object_mask(images: Tensor, config: LocalConfig) -> np.ndarray | None:
    """The object in the mean of normal images, widened; None where the border is not uniform.

    The mean image is split in two by its distance from the border's median colour, at the threshold
    that leaves the least variance within the parts; holes are filled. A texture has no mask: its border
    varies more than ``border_spread``, or is on both sides of the threshold like the middle.

    Args:
        images: normal ones, uint8, shape (n, 3, height, width).
        config: ``border_spread``, ``mask_margin``.

    Returns:
        Booleans, shape (height, width), or None.

    Source: Otsu 1979 (the threshold).
    """
    mean = images.float().mean(0).permute(1, 2, 0).double().numpy()
    width = max(1, round(_BORDER * max(mean.shape[:2])))
    inner = np.zeros(mean.shape[:2], bool)
    inner[width:-width, width:-width] = True
    border = mean[~inner]
    if border.std(0).mean() > config.border_spread:
        return None
    distance = np.sqrt(np.square(mean - np.median(border, 0)).sum(2))
    threshold = _otsu(distance)
    if (distance[~inner] > threshold).mean() > _TOUCHING:
        return None
    inside = binary_fill_holes(distance > threshold).astype(float)
    return gaussian_filter(inside, config.mask_margin * max(mean.shape[:2])) > _INSIDE


def _otsu(values: np.ndarray) -> float:
    counts, edges = np.histogram(values, 256)
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    total = np.cumsum(counts * middle)
    between = below * above * (total / np.maximum(below, 1) - (total[-1] - total) / np.maximum(above, 1)) ** 2
    return float(edges[1:][np.argmax(between)])
