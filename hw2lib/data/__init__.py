"""Data sets: MVTec AD, unpaired folders, generated stand-ins, verified download."""

from .mvtec import MVTecCategory, load_mvtec, split_validation

__all__ = ["MVTecCategory", "load_mvtec", "split_validation"]
