r"""The change-of-variables formula, step by step, in sympy.

    p_X(x) = p_Z(f⁻¹(x)) · |d f⁻¹(x) / dx|

for a strictly monotone f with X = f(Z). Book: eq-change-of-variables.
"""

from dataclasses import dataclass

import sympy as sp

from .equations import Equations

_TRIED = (0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99)  # where in the support the sign is looked at


class NotADensity(ValueError):
    """The function is negative somewhere, or does not integrate to one."""


class NotInvertible(ValueError):
    """The map is not strictly monotone on the support."""


@dataclass(frozen=True)
class Density:
    """A probability density on an interval.

    Args:
        variable: a real symbol.
        expression: its value on the support, as a function of the variable.
        lower: left end of the support, may be −oo.
        upper: right end of the support, may be oo.

    Raises:
        NotADensity: it does not integrate to one, or is negative at one of nine points of the support.

    Example:
        >>> z = sp.Symbol("z", real=True)
        >>> Density(z, sp.Rational(1, 2), 0, 2).total()
        1
    """

    variable: sp.Symbol
    expression: sp.Expr
    lower: sp.Expr
    upper: sp.Expr

    def __post_init__(self) -> None:
        for name in ("expression", "lower", "upper"):
            object.__setattr__(self, name, sp.sympify(getattr(self, name)))
        total, where = self.total(), f"{self.expression} on [{self.lower}, {self.upper}]"
        if total.has(sp.Integral):
            raise NotADensity(f"{where}: sympy cannot integrate it, so it is not shown to be a density")
        if sp.simplify(total - 1) != 0:
            raise NotADensity(f"{where} integrates to {total}, not to 1")
        for share in _TRIED:
            point = _between(self.lower, self.upper, share)
            value = sp.re(sp.N(self.expression.subs(self.variable, point)))
            if value is not sp.nan and value < 0:  # at single points it need not be defined
                raise NotADensity(f"{where} is negative at {point}")

    def total(self) -> sp.Expr:
        """The integral over the support."""
        return sp.simplify(sp.integrate(self.expression, (self.variable, self.lower, self.upper)))

    def piecewise(self) -> sp.Piecewise:
        """The density on the whole line, zero outside the support."""
        x = self.variable
        return sp.Piecewise((self.expression, (x >= self.lower) & (x <= self.upper)), (0, True))

    def cumulative(self) -> sp.Expr:
        """The distribution function on the support."""
        t = sp.Dummy("t", **self.variable.assumptions0)
        return sp.simplify(
            sp.integrate(self.expression.subs(self.variable, t), (t, self.lower, self.variable))
        )


@dataclass(frozen=True, repr=False)
class Derivation(Equations):
    """A density derived by a change of variables, with every step as an equation.

    Attributes:
        equations: pairs (name, equation): ``inverse``, ``forward``, ``derivative``, ``support``,
            ``density`` and ``total``.
        forward: f, as an expression in the base variable.
        density: the result.
    """

    forward: sp.Expr
    density: Density


def change_of_variables(base: Density, inverse: sp.Expr, variable: sp.Symbol) -> Derivation:
    """Derive the density of X = f(Z) from that of Z.

    Args:
        base: the density of Z.
        inverse: f⁻¹(x), the base variable as an expression in ``variable``.
        variable: the symbol x; declare it real, or positive where the map needs it.

    Raises:
        NotInvertible: f⁻¹ has no single solution for x, or is not strictly monotone on the support.

    Source: book: eq-change-of-variables.

    Example:
        >>> z, x = sp.symbols("z x", real=True)
        >>> change_of_variables(Density(z, 1, 0, 1), (x - 1) / 2, x).density.expression
        1/2
    """
    z, x = base.variable, variable
    inverse = sp.sympify(inverse)
    if not inverse.has(x):
        raise NotInvertible(f"{inverse} does not depend on {x}: every x would have the same z")
    forward = _forward(base, inverse, x)
    ends = [sp.limit(forward, z, base.lower, "+"), sp.limit(forward, z, base.upper, "-")]
    if poles_within(forward, z, base.lower, base.upper) or not all(end.is_extended_real for end in ends):
        raise NotInvertible(f"{x} = {forward} has poles on the support of {z}: not monotone there")
    lower, upper = sorted(ends, key=lambda end: sp.N(end))
    derivative = sp.simplify(sp.diff(inverse, x))
    magnitude = _magnitude(derivative, x, lower, upper)
    density = Density(x, sp.simplify(base.expression.subs(z, inverse) * magnitude), lower, upper)
    equations = (
        ("inverse", sp.Eq(z, inverse)),
        ("forward", sp.Eq(x, forward)),
        ("derivative", sp.Eq(sp.Derivative(z, x), derivative)),
        ("support", sp.Contains(x, sp.Interval(lower, upper), evaluate=False)),
        ("density", sp.Eq(sp.Function("p_X")(x), density.expression)),
        ("total", sp.Eq(sp.Integral(density.expression, (x, lower, upper)), density.total(), evaluate=False)),
    )
    return Derivation(equations, forward, density)


def _forward(base: Density, inverse: sp.Expr, x: sp.Symbol) -> sp.Expr:
    """The one real solution of z = f⁻¹(x) for x on the support of z."""
    z = base.variable
    inside = [_between(base.lower, base.upper, share) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]

    def solves(candidate: sp.Expr) -> list[bool]:
        """At which of the places the candidate is a solution for x."""
        values = [sp.N(candidate.subs(z, value)) for value in inside]
        return [bool(v.is_real) and not (x.is_positive and v <= 0) for v in values]

    solutions = {s: places for s in sp.solve(sp.Eq(z, inverse), x) if any(places := solves(s))}
    if not solutions:
        raise NotInvertible(f"{z} = {inverse} has no solution for {x} on the support of {z}")
    if not any(map(all, solutions.values())):
        raise NotInvertible(
            f"sympy has no formula for {x} in {z} = {inverse} that is real on the whole support of {z}"
        )
    if len(solutions) > 1:
        raise NotInvertible(
            f"{z} = {inverse} has {len(solutions)} solutions for {x} on the support of {z}: not one to one"
        )
    return sp.simplify(next(iter(solutions)))


def poles_within(expression: sp.Expr, z: sp.Symbol, lower: sp.Expr, upper: sp.Expr) -> set[sp.Expr]:
    """The poles of an expression inside an interval.

    Raises:
        NotInvertible: they cannot be found, or are no finite list.
    """
    try:
        poles = sp.singularities(expression, z, sp.Interval.open(lower, upper))
    except NotImplementedError as error:
        raise NotInvertible(f"the poles of {expression} could not be found") from error
    if not isinstance(poles, sp.FiniteSet) and poles is not sp.S.EmptySet:
        raise NotInvertible(f"the poles of {expression} on [{lower}, {upper}] are no finite list: {poles}")
    return set(poles)


def _between(lower: sp.Expr, upper: sp.Expr, share: float) -> sp.Expr:
    """A point inside an interval whose ends may be infinite."""
    share = sp.Rational(str(share))
    if lower.is_finite and upper.is_finite:
        return lower + share * (upper - lower)
    if lower.is_finite:
        return lower + share / (1 - share)
    if upper.is_finite:
        return upper - share / (1 - share)
    return (share - sp.Rational(1, 2)) * 10


def _magnitude(derivative: sp.Expr, x: sp.Symbol, lower: sp.Expr, upper: sp.Expr) -> sp.Expr:
    """|derivative| on an interval where it keeps its sign."""
    zeros = sp.solveset(derivative, x, sp.Interval.open(lower, upper))
    if zeros != sp.S.EmptySet:
        raise NotInvertible(f"the derivative {derivative} vanishes inside [{lower}, {upper}], at {zeros}")
    return derivative if derivative.subs(x, _between(lower, upper, 0.5)) > 0 else -derivative
