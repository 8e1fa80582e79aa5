"""Statistics of scores and series: ROC curves, intervals, DeLong's test, class imbalance, trends."""

from .delong import Comparison, Placements, compare
from .imbalance import (
    Threshold,
    average_precision,
    best_threshold,
    class_weights,
    precision_recall_points,
)
from .intervals import Estimate, auroc_interval, hanley_mcneil_error, intervals_per_defect
from .roc import auroc, auroc_per_defect, roc_points
from .trends import Trend, trend

__all__ = [
    "Comparison",
    "Estimate",
    "Placements",
    "Threshold",
    "Trend",
    "auroc",
    "auroc_interval",
    "auroc_per_defect",
    "average_precision",
    "best_threshold",
    "class_weights",
    "compare",
    "hanley_mcneil_error",
    "intervals_per_defect",
    "precision_recall_points",
    "roc_points",
    "trend",
]
