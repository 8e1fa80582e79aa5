"""Data sets: MVTec AD, unpaired folders, synthetic sets, verified download."""

from .mvtec import MVTecCategory, load_mvtec, split_validation
from .source import capsules_from_environment, unpaired_from_environment
from .synthetic.capsules import make_capsules, synthetic_capsules
from .synthetic.unpaired import make_apple2orange, make_summer2winter, synthetic_unpaired

__all__ = [
    "MVTecCategory",
    "synthetic_capsules",
    "capsules_from_environment",
    "load_mvtec",
    "make_apple2orange",
    "make_capsules",
    "make_summer2winter",
    "split_validation",
    "unpaired_from_environment",
    "synthetic_unpaired",
]
