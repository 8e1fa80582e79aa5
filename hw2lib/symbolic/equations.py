"""A derivation: named steps, each an equation, shown as one aligned display."""

from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef


@dataclass(frozen=True)
class Equations:
    """Named equations in the order in which they were derived.

    A notebook shows them as aligned mathematics. There the arguments of unknown functions are left
    out: s₁(z₁, z₂) is written s₁. The equations themselves keep them.

    Attributes:
        equations: pairs (name, equation).

    Example:
        >>> a, b = sp.symbols("a b")
        >>> Equations((("start", sp.Eq(a, b)),)).equation("start")
        Eq(a, b)
    """

    equations: tuple[tuple[str, sp.Basic], ...]

    def equation(self, name: str) -> sp.Basic:
        """The equation of one step."""
        return dict(self.equations)[name]

    def only(self, *names: str) -> "Equations":
        """Some of the steps, to be shown by themselves.

        Raises:
            KeyError: there is no such step.
        """
        return Equations(tuple((name, self.equation(name)) for name in names))

    def _repr_markdown_(self) -> str:
        lines = r" \\[4pt] ".join(_aligned(equation) for _, equation in self.equations)
        return f"$$\\begin{{aligned}} {lines} \\end{{aligned}}$$"

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {equation}" for name, equation in self.equations)


def _aligned(equation: sp.Basic) -> str:
    """One line of an aligned display."""
    if isinstance(equation, sp.Contains):
        element, region = equation.args
        return f"{sp.latex(element)} &\\in {sp.latex(region)}"
    return f"{sp.latex(_short(equation.lhs))} &= {sp.latex(_short(equation.rhs))}"


def _short(side: sp.Basic) -> sp.Basic:
    """Unknown functions and their first derivatives without arguments, and det J in place of |J|.

    Densities keep their arguments: functions called p or p_… are named by them.
    """
    symbols: dict[sp.Basic, sp.Symbol] = {}
    for derivative in side.atoms(sp.Derivative):
        inner = derivative.expr
        if isinstance(inner, AppliedUndef) and derivative.derivative_count == 1:
            by = sp.latex(derivative.variables[0])
            symbols[derivative] = sp.Symbol(rf"\frac{{\partial {_name(inner)}}}{{\partial {by}}}")
    for function in side.atoms(AppliedUndef):
        if not function.func.__name__.startswith("p"):
            symbols[function] = sp.Symbol(f"{{{_name(function)}}}")
    for determinant in side.atoms(sp.Determinant):
        if not isinstance(determinant.arg, sp.MatrixBase):
            matrix = sp.latex(determinant.arg)
            matrix = matrix if determinant.arg.is_Atom or determinant.arg.is_symbol else f"({matrix})"
            symbols[determinant] = sp.Symbol(rf"{{\det {matrix}}}")
    return side.xreplace(symbols)


def _name(function: AppliedUndef) -> str:
    return sp.latex(sp.Symbol(function.func.__name__))


def formula(value: object) -> str:
    r"""An expression as Markdown.

    >>> formula(1 / (2 * sp.Symbol("x")))
    '$\\frac{1}{2 x}$'
    """
    return f"${sp.latex(value)}$"
