"""Anomaly detection: scores, maps, evaluation with confidence intervals."""

from .evaluate import (
    Estimate,
    auroc,
    auroc_interval,
    auroc_per_defect,
    hanley_mcneil_error,
    intervals_per_defect,
    roc_points,
)
from .pixelwise import pixel_auroc, pixel_auroc_report
from .scores import image_bits_per_dim, nll_maps, nll_scores, smooth

__all__ = [
    "Estimate",
    "auroc",
    "auroc_interval",
    "auroc_per_defect",
    "hanley_mcneil_error",
    "image_bits_per_dim",
    "intervals_per_defect",
    "nll_maps",
    "nll_scores",
    "pixel_auroc",
    "pixel_auroc_report",
    "roc_points",
    "smooth",
]
