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
from .inverse import (
    dependency_depth,
    jacobi_inverse,
    naive_inverse,
    passes_per_block,
    staged_inverse,
    staged_inverse_plain,
)
from .made import MADE
from .maf import MAF
from .masked_linear import MaskedLinear
from .pixels import DequantizationBound, DequantizedPixels, bits_per_dim, dequantization_bound
from .stages import Stage, inverse_stages

__all__ = [
    "AdditiveCoupling",
    "AffineCoupling",
    "AutoregressiveFlow",
    "CouplingFlow",
    "IAF",
    "MADE",
    "MAF",
    "DequantizationBound",
    "DequantizedPixels",
    "MaskedLinear",
    "Stage",
    "StaircaseLinear",
    "bits_per_dim",
    "dependency_depth",
    "dequantization_bound",
    "inverse_stages",
    "jacobi_inverse",
    "made_masks",
    "naive_inverse",
    "passes_per_block",
    "prefix_lengths",
    "random_degrees",
    "shared_degrees",
    "spread_degrees",
    "staged_inverse",
    "staged_inverse_plain",
    "visible_inputs",
]
