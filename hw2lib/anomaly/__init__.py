"""Anomaly detection: scores and maps of a flow and of a VAE, and detectors that cost seconds."""

from .corrected import complexity_scores, compressed_bits, corrupt, ratio_scores, typicality_scores
from .maps import map_scores, pixel_auroc, pixel_auroc_report, pixel_placements
from .reconstruction import VAEScores, flow_reconstruction_errors, vae_error_maps, vae_scores
from .scores import image_bits_per_dim, nll_maps, nll_scores, smooth

__all__ = [
    "VAEScores",
    "complexity_scores",
    "compressed_bits",
    "corrupt",
    "flow_reconstruction_errors",
    "image_bits_per_dim",
    "map_scores",
    "nll_maps",
    "nll_scores",
    "pixel_auroc",
    "pixel_auroc_report",
    "pixel_placements",
    "ratio_scores",
    "smooth",
    "typicality_scores",
    "vae_error_maps",
    "vae_scores",
]
