"""Derivations in sympy that show their steps."""

from .change_of_variables import Density, Derivation, NotADensity, NotInvertible, change_of_variables
from .coupling import (
    CouplingDerivation,
    NotACoupling,
    additive_coupling,
    affine_coupling,
    general_coupling,
)
from .equations import Equations, formula
from .piecewise import Branch, BranchDerivation, change_of_variables_by_branches
from .plane import PlaneDensity, PlaneDerivation, change_of_variables_in_the_plane

__all__ = [
    "Branch",
    "BranchDerivation",
    "CouplingDerivation",
    "Density",
    "Derivation",
    "NotACoupling",
    "NotADensity",
    "NotInvertible",
    "PlaneDensity",
    "PlaneDerivation",
    "Equations",
    "additive_coupling",
    "affine_coupling",
    "change_of_variables",
    "change_of_variables_by_branches",
    "change_of_variables_in_the_plane",
    "formula",
    "general_coupling",
]
