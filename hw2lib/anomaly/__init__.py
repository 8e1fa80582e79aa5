"""Anomaly detection: scores and maps of a flow and of a VAE, and detectors that cost seconds."""

from .maps import pixel_auroc, pixel_auroc_report, pixel_placements
from .reconstruction import VAEScores, flow_reconstruction_errors, vae_error_maps, vae_scores
from .scores import image_bits_per_dim, nll_maps, nll_scores, smooth

__all__ = [
    "VAEScores",
    "flow_reconstruction_errors",
    "image_bits_per_dim",
    "nll_maps",
    "nll_scores",
    "pixel_auroc",
    "pixel_auroc_report",
    "pixel_placements",
    "smooth",
    "vae_error_maps",
    "vae_scores",
]
