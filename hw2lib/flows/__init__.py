"""Normalizing flows: masks and degrees, MADE, MAF, IAF, the staircase layout, staged inverse, couplings."""

from .autoregressive import AutoregressiveFlow
from .coupling import AdditiveCoupling, AffineCoupling, CouplingFlow
from .degrees import (
    made_masks,
    prefix_lengths,
    random_degrees,
    shared_degrees,
    spread_degrees,
    visible_inputs,
)
from .fast.staircase import StaircaseLinear
from .iaf import IAF
from .inverse import naive_inverse, staged_inverse, staged_inverse_plain
from .made import MADE
from .maf import MAF
from .masked_linear import MaskedLinear
from .pixels import DequantizedPixels, bits_per_dim
from .stages import Stage, inverse_stages

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
