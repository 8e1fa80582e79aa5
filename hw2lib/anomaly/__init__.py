"""Anomaly detection: scores, maps, evaluation with confidence intervals."""

from .compare import Comparison, Placements, compare
from .evaluate import (
    Estimate,
    auroc,
    auroc_interval,
    auroc_per_defect,
    hanley_mcneil_error,
    intervals_per_defect,
    roc_points,
)
from .imbalance import (
    Threshold,
    average_precision,
    best_threshold,
    class_weights,
    precision_recall_points,
)
from .pixelwise import pixel_auroc, pixel_auroc_report, pixel_placements
from .reconstruction import VAEScores, flow_reconstruction_errors, vae_error_maps, vae_scores
from .scores import image_bits_per_dim, nll_maps, nll_scores, smooth

__all__ = [
    "Comparison",
    "Estimate",
    "VAEScores",
    "Placements",
    "Threshold",
    "auroc",
    "auroc_interval",
    "auroc_per_defect",
    "average_precision",
    "best_threshold",
    "class_weights",
    "compare",
    "flow_reconstruction_errors",
    "hanley_mcneil_error",
    "image_bits_per_dim",
    "intervals_per_defect",
    "nll_maps",
    "nll_scores",
    "pixel_auroc",
    "pixel_auroc_report",
    "pixel_placements",
    "precision_recall_points",
    "roc_points",
    "smooth",
    "vae_error_maps",
    "vae_scores",
]
