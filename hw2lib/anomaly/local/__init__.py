"""A likelihood that sees the defect: densities of local features, calibrated place by place."""

from .calibration import Calibration, image_p_values
from .config import LocalConfig
from .densities import DENSITIES, ConditionalFlow, HeldOut, LocalDensity, Neighbours, PlaceGaussian
from .detector import LocalDetector, top_mean
from .features import LineFeatures, line_filters
from .objects import object_mask
from .synthetic import KINDS, SyntheticDefects, synthetic_defects

__all__ = [
    "DENSITIES",
    "KINDS",
    "Calibration",
    "ConditionalFlow",
    "HeldOut",
    "LineFeatures",
    "LocalConfig",
    "LocalDensity",
    "LocalDetector",
    "Neighbours",
    "PlaceGaussian",
    "SyntheticDefects",
    "image_p_values",
    "line_filters",
    "object_mask",
    "synthetic_defects",
    "top_mean",
]
