"""Data sets: MVTec AD, unpaired folders, generated stand-ins, verified download."""

from .mvtec import MVTecCategory, load_mvtec, split_validation
from .source import capsules_from_environment, unpaired_from_environment
from .synthetic.capsules import capsule_standin, make_capsules
from .synthetic.unpaired import make_apple2orange, make_summer2winter, unpaired_standin

__all__ = [
    "MVTecCategory",
    "capsule_standin",
    "capsules_from_environment",
    "load_mvtec",
    "make_apple2orange",
    "make_capsules",
    "make_summer2winter",
    "split_validation",
    "unpaired_from_environment",
    "unpaired_standin",
]
