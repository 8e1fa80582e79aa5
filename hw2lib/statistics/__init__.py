"""Statistics of scores and series: ROC curves, intervals, DeLong's test, imbalance, trends, cycles."""

from .delong import Comparison, Placements, against, compare
from .imbalance import (
    Alarms,
    Threshold,
    average_precision,
    best_threshold,
    class_weights,
    count_alarms,
    precision_recall_points,
)
from .intervals import (
    Estimate,
    auroc_interval,
    bootstrap_mean,
    found_by_all,
    hanley_mcneil_error,
    intervals_per_defect,
    mean_interval,
    ratio_interval,
)
from .oscillation import Oscillation, oscillation
from .red_noise import RedNoise
from .roc import auroc, auroc_per_defect, roc_points
from .trends import Trend, trend

__all__ = [
    "Alarms",
    "Comparison",
    "Estimate",
    "Oscillation",
    "Placements",
    "RedNoise",
    "Threshold",
    "Trend",
    "against",
    "auroc",
    "auroc_interval",
    "auroc_per_defect",
    "average_precision",
    "best_threshold",
    "bootstrap_mean",
    "class_weights",
    "compare",
    "count_alarms",
    "found_by_all",
    "hanley_mcneil_error",
    "intervals_per_defect",
    "mean_interval",
    "oscillation",
    "precision_recall_points",
    "ratio_interval",
    "roc_points",
    "trend",
]
