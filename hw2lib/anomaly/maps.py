"""Pixel-level evaluation, beside what location alone would give.

A capsule lies in the middle of its image and so do its defects: a map that says only *where
capsules are*, the same for every image, already ranks pixels well. The baseline makes that visible.
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

from hw2lib.errors import UserError
from hw2lib.statistics.delong import Placements

from .scores import smooth


def pixel_auroc(maps: np.ndarray, masks: np.ndarray) -> float:
    """AUROC over all pixels of all images; maps and masks of shape (n, height, width)."""
    return float(roc_auc_score(masks.ravel(), maps.ravel()))


def pixel_placements(maps: np.ndarray, masks: np.ndarray) -> Placements:
    """Placements of all pixels, an image being a cluster; maps and masks of shape (n, height, width).

    Their variance counts images and not pixels: two pixels of one defect are found together.
    """
    images = np.repeat(np.arange(len(maps)), maps[0].size)
    return Placements.of(masks.ravel(), maps.ravel(), images)


def pixel_auroc_report(
    maps: np.ndarray, normal_maps: np.ndarray, masks: ArrayLike | None, sigma: float = 2.0
) -> dict[str, float] | None:
    """Pixel AUROC of a map, of location alone, and of what is left when location is taken out.

    Args:
        maps: test maps, shape (n, h, w).
        normal_maps: maps of held-out normal images, shape (m, h, w), m ≥ 2.
        masks: True on defective pixels, shape (n, h, w); None where the category has none.
        sigma: Gaussian smoothing in pixels.

    Returns:
        ``raw``: the smoothed map; ``location_only``: the mean normal map, the same for every image;
        ``minus_mean``: map minus mean normal map; ``standardized``: that divided by the normal
        standard deviation; ``sigma``. None without masks.
    """
    if masks is None:
        return None
    masks = np.asarray(masks)
    test, normal = smooth(maps, sigma), smooth(normal_maps, sigma)
    mean, spread = normal.mean(0), normal.std(0)
    spread = spread + 1e-6 * (float(spread.max()) or 1.0)  # maps that never vary are left as they are
    return {
        "raw": pixel_auroc(test, masks),
        "location_only": pixel_auroc(np.broadcast_to(mean, test.shape), masks),
        "minus_mean": pixel_auroc(test - mean, masks),
        "standardized": pixel_auroc((test - mean) / spread, masks),
        "sigma": sigma,
    }


def map_scores(maps: np.ndarray, normal_maps: np.ndarray, top: int = 1, sigma: float = 2.0) -> np.ndarray:
    """S(x), the mean of the highest cells of the smoothed map less the mean normal map; shape (n,).

    A sum over all pixels drowns a defect of a few of them in the noise of all others. With ``top`` 1 the
    score is the maximum, with all cells it is the sum again, up to constants.

    Args:
        maps: of the images to be scored, shape (n, h, w).
        normal_maps: maps of held-out normal images, shape (m, h, w).
        top: number of cells.
        sigma: Gaussian smoothing in pixels.

    Raises:
        UserError: ``top`` is not between 1 and the number of cells.

    Source: the maximum as in Defard et al. 2021, the mean of the highest as in Pang et al. 2021.

    Example:
        >>> maps = np.array([[[0.0, 1.0], [5.0, 3.0]]])
        >>> [map_scores(maps, np.ones((2, 2, 2)), top, sigma=0)[0].item() for top in (1, 2)]
        [4.0, 3.0]
    """
    cells = maps[0].size
    if not 1 <= top <= cells:
        raise UserError(f"top={top}: expected 1 to {cells}, the cells of a map")
    centred = (smooth(maps, sigma) - smooth(normal_maps, sigma).mean(0)).reshape(len(maps), cells)
    return np.partition(centred, cells - top, axis=1)[:, cells - top :].mean(1)
