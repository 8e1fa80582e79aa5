r"""Change of variables in the plane, with a Jacobian determinant.

    p_Y(y₁, y₂) = p_Z(g(y₁, y₂)) · |det ∂g/∂y|,   z = g(y) the inverse map

Book: eq-plane.
"""

import itertools
from dataclasses import dataclass

import sympy as sp

from .change_of_variables import Density, NotADensity, NotInvertible, _between
from .equations import Equations

Pair = tuple[sp.Expr, sp.Expr]
_SHARES = (0.11, 0.31, 0.52, 0.73, 0.9)  # where a claim about a whole rectangle is tried out


@dataclass(frozen=True)
class PlaneDensity:
    """A probability density on a rectangle, whose sides may be infinite.

    Args:
        variables: two real symbols.
        expression: the density on the rectangle.
        support: (lower, upper) for each variable.

    Raises:
        NotADensity: it does not integrate to one, or is negative at one of 25 points.

    Example:
        >>> a, b = sp.symbols("a b", real=True)
        >>> PlaneDensity((a, b), sp.Rational(1, 6), ((0, 2), (0, 3))).marginal(1).expression
        1/3
    """

    variables: tuple[sp.Symbol, sp.Symbol]
    expression: sp.Expr
    support: tuple[Pair, Pair]

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", sp.sympify(self.expression))
        object.__setattr__(self, "support", tuple(tuple(map(sp.sympify, side)) for side in self.support))
        total = self.total()
        if sp.simplify(total - 1) != 0:
            raise NotADensity(f"{self.expression} integrates to {total}, not to 1")
        for point in self.points():
            if sp.N(self.expression.subs(point)) < 0:
                raise NotADensity(f"{self.expression} is negative at {point}")

    def total(self) -> sp.Expr:
        """The integral over the rectangle."""
        first, second = self._limits()
        return sp.simplify(sp.integrate(sp.integrate(self.expression, second), first))

    def marginal(self, k: int) -> Density:
        """The density of variable k, 0 or 1: the other is integrated out."""
        limits = self._limits()
        expression = sp.simplify(sp.integrate(self.expression, limits[1 - k]))
        return Density(self.variables[k], expression, *self.support[k])

    def points(self) -> list[dict[sp.Symbol, sp.Expr]]:
        """25 points inside the rectangle."""
        axes = [[_between(*side, share) for share in _SHARES] for side in self.support]
        return [dict(zip(self.variables, values, strict=True)) for values in itertools.product(*axes)]

    def _limits(self) -> tuple[tuple[sp.Symbol, sp.Expr, sp.Expr], ...]:
        return tuple((v, *side) for v, side in zip(self.variables, self.support, strict=True))


@dataclass(frozen=True, repr=False)
class PlaneDerivation(Equations):
    """A density in the plane, derived by a change of variables.

    Attributes:
        equations: ``inverse``, ``forward``, ``jacobian``, ``determinant``, ``support``, ``density``,
            ``total``, ``first`` and ``second`` (the two marginals).
        forward: y as a pair of expressions in z.
        jacobian: ∂z/∂y.
        determinant: its determinant.
        density: of y.
    """

    forward: Pair
    jacobian: sp.ImmutableMatrix
    determinant: sp.Expr
    density: PlaneDensity

    def independent(self) -> bool:
        """Is the density the product of its marginals?"""
        first, second = (self.density.marginal(k).expression for k in (0, 1))
        return sp.simplify(self.density.expression - first * second) == 0


def change_of_variables_in_the_plane(
    base: PlaneDensity,
    inverse: Pair,
    forward: Pair,
    variables: tuple[sp.Symbol, sp.Symbol],
    support: tuple[Pair, Pair],
) -> PlaneDerivation:
    """Derive the density of Y = f(Z) in the plane.

    Args:
        base: the density of Z.
        inverse: g = f⁻¹, z as two expressions in ``variables``.
        forward: f, y as two expressions in the base variables.
        variables: the symbols y₁, y₂; declare them positive where they are.
        support: the rectangle that y fills, (lower, upper) for each variable.

    Raises:
        NotInvertible: the determinant vanishes or changes sign inside the rectangle, f(g(y)) is not
            y there (the map covers its image more than once), or g leaves a part of the mass of Z
            uncovered. What holds on the whole rectangle is tried at 25 points in 30 digits.

    Source: book: eq-plane.

    Example:
        >>> a, b, u, v = sp.symbols("a b u v", real=True)
        >>> base = PlaneDensity((a, b), 1, ((0, 1), (0, 1)))
        >>> stretched = change_of_variables_in_the_plane(
        ...     base, (u / 2, v / 3), (2 * a, 3 * b), variables=(u, v), support=((0, 2), (0, 3))
        ... )
        >>> stretched.determinant
        1/6
    """
    y = tuple(variables)
    inverse, forward = (tuple(map(sp.sympify, pair)) for pair in (inverse, forward))
    (a, b), (c, d) = (tuple(map(sp.sympify, side)) for side in support)
    support = (a, b), (c, d)
    to_y = dict(zip(base.variables, inverse, strict=True))
    jacobian = sp.ImmutableMatrix(inverse).jacobian(y)
    determinant = sp.simplify(jacobian.det())
    axes = [[_between(*side, share) for share in _SHARES] for side in support]
    points = [dict(zip(y, values, strict=True)) for values in itertools.product(*axes)]
    magnitude = _magnitude(determinant, points)
    for point in points:
        there = {v: expression.subs(point) for v, expression in to_y.items()}
        back = [sp.N(f.subs(there) - point[v], 30) for f, v in zip(forward, y, strict=True)]
        if not all(gap.is_number and abs(gap) < 1e-20 for gap in back):
            raise NotInvertible(f"f(g(y)) is not y at {point}: not one to one on this rectangle")
    expression = sp.simplify(base.expression.subs(to_y, simultaneous=True) * magnitude)
    try:
        density = PlaneDensity(y, expression, support)
    except NotADensity as error:
        raise NotInvertible(
            f"the map does not cover the support of {base.variables} once: {error}"
        ) from error
    name = sp.Function("p_Y")(*y)
    limits = [(v, *side) for v, side in zip(y, support, strict=True)]
    marginals = [density.marginal(k) for k in (0, 1)]
    region = sp.ProductSet(*(sp.Interval(*side) for side in support))
    equations = (
        ("inverse", _equal(sp.ImmutableMatrix(base.variables), sp.ImmutableMatrix(inverse))),
        ("forward", _equal(sp.ImmutableMatrix(y), sp.ImmutableMatrix(forward))),
        ("jacobian", _equal(sp.MatrixSymbol("J", 2, 2), jacobian)),
        ("determinant", _equal(sp.Determinant(sp.MatrixSymbol("J", 2, 2)), determinant)),
        ("support", sp.Contains(sp.Tuple(*y), region, evaluate=False)),
        ("density", _equal(name, density.expression)),
        ("total", _equal(sp.Integral(name, limits[1], limits[0]), density.total())),
        ("first", _equal(sp.Function(f"p_{y[0]}")(y[0]), marginals[0].expression)),
        ("second", _equal(sp.Function(f"p_{y[1]}")(y[1]), marginals[1].expression)),
    )
    return PlaneDerivation(equations, forward, jacobian, determinant, density)


def _magnitude(determinant: sp.Expr, points: list[dict[sp.Symbol, sp.Expr]]) -> sp.Expr:
    """|determinant| on a rectangle on which it keeps its sign."""
    if determinant == 0:
        raise NotInvertible("the Jacobian determinant is zero: the map folds the plane onto a curve")
    values = [sp.N(determinant.subs(point)) for point in points]
    if not all(value.is_real for value in values):
        raise NotInvertible(f"the Jacobian determinant {determinant} is not real on the whole rectangle")
    if min(values) <= 0 <= max(values):
        raise NotInvertible(f"the Jacobian determinant {determinant} vanishes or changes sign inside")
    return determinant if values[0] > 0 else -determinant


def _equal(left: sp.Basic, right: sp.Basic) -> sp.Equality:
    return sp.Eq(left, right, evaluate=False)
