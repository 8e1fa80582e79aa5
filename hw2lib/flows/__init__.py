"""Normalizing flows: masks and degrees, MADE, MAF, IAF, the staircase layout, staged inverse, couplings."""

from .autoregressive import AutoregressiveFlow
from .conditioning import best_nll
from .coupling import AdditiveCoupling, AffineCoupling, CouplingFlow
from .degrees import (
    made_masks,
    prefix_lengths,
    random_degrees,
    shared_degrees,
    spread_degrees,
    visible_inputs,
)
from .iaf import IAF
from .made import MADE
from .maf import MAF
from .masked_linear import MaskedLinear
from .pixels import DequantizedPixels, bits_per_dim
from .staged_inverse import Stage, inverse_stages, naive_inverse, staged_inverse, staged_inverse_plain
from .staircase import StaircaseLinear

__all__ = [
    "AdditiveCoupling",
    "AffineCoupling",
    "AutoregressiveFlow",
    "CouplingFlow",
    "IAF",
    "MADE",
    "MAF",
    "DequantizedPixels",
    "MaskedLinear",
    "Stage",
    "StaircaseLinear",
    "best_nll",
    "bits_per_dim",
    "inverse_stages",
    "made_masks",
    "naive_inverse",
    "prefix_lengths",
    "random_degrees",
    "shared_degrees",
    "spread_degrees",
    "staged_inverse",
    "staged_inverse_plain",
    "visible_inputs",
]
