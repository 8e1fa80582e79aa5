"""Normalizing flows: masks and degrees, MADE, MAF, the staircase layout, the staged inverse, couplings."""

from .coupling import AdditiveCoupling, AffineCoupling, CouplingFlow
from .degrees import made_masks, prefix_lengths, random_degrees, spread_degrees, visible_inputs
from .made import MADE
from .maf import MAF
from .masked_linear import MaskedLinear
from .pixels import DequantizedPixels, bits_per_dim
from .staged_inverse import Stage, inverse_stages, naive_inverse, staged_inverse, staged_inverse_plain
from .staircase import StaircaseLinear

__all__ = [
    "AdditiveCoupling",
    "AffineCoupling",
    "CouplingFlow",
    "MADE",
    "MAF",
    "DequantizedPixels",
    "MaskedLinear",
    "Stage",
    "StaircaseLinear",
    "bits_per_dim",
    "inverse_stages",
    "made_masks",
    "naive_inverse",
    "prefix_lengths",
    "random_degrees",
    "spread_degrees",
    "staged_inverse",
    "staged_inverse_plain",
    "visible_inputs",
]
