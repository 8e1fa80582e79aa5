"""Derivations in sympy that show their steps."""

from .change_of_variables import Density, Derivation, NotADensity, NotInvertible, change_of_variables

__all__ = ["Density", "Derivation", "NotADensity", "NotInvertible", "change_of_variables"]
