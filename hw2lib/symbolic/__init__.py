"""Derivations in sympy that show their steps."""

from .change_of_variables import Density, Derivation, NotADensity, NotInvertible, change_of_variables
from .coupling import (
    CouplingDerivation,
    NotACoupling,
    additive_coupling,
    affine_coupling,
    general_coupling,
)
from .steps import Steps

__all__ = [
    "CouplingDerivation",
    "Density",
    "Derivation",
    "NotACoupling",
    "NotADensity",
    "NotInvertible",
    "Steps",
    "additive_coupling",
    "affine_coupling",
    "change_of_variables",
    "general_coupling",
]
