"""Data sets: MVTec AD, unpaired folders, generated stand-ins, verified download."""

from .mvtec import MVTecCategory, load_mvtec, split_validation
from .standin_capsules import capsule_standin, capsules_from_environment, make_capsules

__all__ = [
    "MVTecCategory",
    "capsule_standin",
    "capsules_from_environment",
    "load_mvtec",
    "make_capsules",
    "split_validation",
]
