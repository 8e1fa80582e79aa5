"""The only place that decides which data is read: a real folder, or a synthetic set.

The real sets are read where ``--data`` or the variable HW2_DATA names them, never by being found nearby.
"""

import os
from pathlib import Path

from .mvtec import MVTecCategory, load_mvtec
from .synthetic.capsules import synthetic_capsules
from .synthetic.unpaired import synthetic_unpaired
from .unpaired import Recipe, UnpairedImages, load_unpaired

# The folders of the real sets below the one that HW2_DATA names.
FOLDERS = {"apple2orange": "apple2orange", "summer2winter": "summer2winter_yosemite"}


def load_capsules(folder: Path | None, size: int = 64) -> MVTecCategory:
    """The real capsules of a category folder; synthetic ones where none is named.

    Args:
        folder: in the layout of MVTec AD.
        size: height and width in pixels.

    Raises:
        UserError: the folder holds no such category.
    """
    return synthetic_capsules(size) if folder is None else load_mvtec(folder, size)


def load_pair(
    name: str, folder: Path | None, size: int = 64, recipe: Recipe = "crop", **counts: int
) -> UnpairedImages:
    """The real images of two domains in a folder; the synthetic set of a name where none is named.

    Args:
        name: ``apple2orange`` or ``summer2winter``.
        folder: with trainA, trainB, testA and testB.
        size, recipe: as for :func:`~hw2lib.data.unpaired.load_unpaired`.
        counts: ``train`` and ``test`` of the synthetic set.

    Raises:
        UserError: the folder holds no such set, or there is no synthetic one of that name.
    """
    if folder is None:
        return synthetic_unpaired(name, size, recipe, **counts)
    return load_unpaired(folder, size, recipe)


def capsules_from_environment(size: int = 64) -> tuple[MVTecCategory, bool]:
    """The capsules of the folder that HW2_DATA names, else synthetic ones.

    Args:
        size: height and width in pixels.

    Returns:
        The category, and whether it is synthetic.

    Raises:
        UserError: HW2_DATA is set, but holds no ``mvtec/capsule``.
    """
    folder = _named("mvtec/capsule")
    return load_capsules(folder, size), folder is None


def unpaired_from_environment(
    name: str, size: int = 64, recipe: Recipe = "crop", **counts: int
) -> tuple[UnpairedImages, bool]:
    """The set in the folder that HW2_DATA names, else the synthetic one.

    Args:
        name, size, recipe: as for :func:`synthetic_unpaired`.
        counts: ``train`` and ``test`` of the synthetic set.

    Returns:
        The images, and whether they are synthetic.

    Raises:
        UserError: no such set, or HW2_DATA is set and does not hold it.
    """
    folder = _named(FOLDERS.get(name, name))
    return load_pair(name, folder, size, recipe, **counts), folder is None


def _named(below: str) -> Path | None:
    """A folder below the one that HW2_DATA names, if it names one."""
    root = os.environ.get("HW2_DATA")
    return Path(root) / below if root else None
