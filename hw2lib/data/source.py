"""The only place that decides which data is read: a real folder, or a synthetic set.

The real sets are read where ``--data`` or the variable HW2_DATA names them, never by being found nearby.
"""

import os
from pathlib import Path

from .mvtec import MVTecCategory, load_mvtec
from .synthetic.capsules import capsule_standin
from .synthetic.unpaired import _checked, unpaired_standin
from .unpaired import Recipe, UnpairedImages, load_unpaired

# The folders of the real sets below the one that HW2_DATA names.
FOLDERS = {"apple2orange": "apple2orange", "summer2winter": "summer2winter_yosemite"}


def capsules_from_environment(size: int = 64) -> tuple[MVTecCategory, bool]:
    """The capsules of the folder that HW2_DATA names, else the generated ones.

    Args:
        size: height and width in pixels.

    Returns:
        The category, and whether it is the stand-in.

    Raises:
        UserError: HW2_DATA is set, but holds no ``mvtec/capsule``.
    """
    folder = os.environ.get("HW2_DATA")
    if folder:
        return load_mvtec(Path(folder) / "mvtec" / "capsule", size), False
    return capsule_standin(size), True


def unpaired_from_environment(
    name: str, size: int = 64, recipe: Recipe = "crop", **counts: int
) -> tuple[UnpairedImages, bool]:
    """The set in the folder that HW2_DATA names, else the generated one.

    Args:
        name, size, recipe: as for :func:`unpaired_standin`.
        counts: ``train`` and ``test`` of the generated set.

    Returns:
        The images, and whether they are the stand-in.

    Raises:
        UserError: no such set, or HW2_DATA is set and does not hold it.
    """
    _checked(name, size=size, **counts)
    if folder := os.environ.get("HW2_DATA"):
        return load_unpaired(Path(folder) / FOLDERS[name], size, recipe), False
    return unpaired_standin(name, size, recipe, **counts), True
