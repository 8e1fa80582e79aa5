r"""Change of variables for a map that rises and falls: one term for each branch on which it is monotone.

    p_X(x) = Σ_k p_Z(f_k⁻¹(x)) · |d f_k⁻¹(x) / dx|,   the sum over the branches whose image holds x

Book: eq-branches.
"""

from dataclasses import dataclass

import sympy as sp

from .change_of_variables import Density, Derivation, NotInvertible, _between, poles_within


@dataclass(frozen=True)
class Branch:
    """One interval of z on which the map is strictly monotone.

    Attributes:
        domain: the interval of z.
        image: the interval of x that it is mapped onto.
        inverse: z on this branch, as a function of x.
        magnitude: |d inverse / dx|.
        density: the branch's term of p_X.
    """

    domain: sp.Interval
    image: sp.Interval
    inverse: sp.Expr
    magnitude: sp.Expr
    density: sp.Expr


@dataclass(frozen=True, repr=False)
class BranchDerivation(Derivation):
    """A density derived branch by branch.

    Attributes:
        equations: ``map``; for each branch k from 1 up ``branch k``, ``inverse k``, ``derivative k``
            and ``term k``; then ``support``, ``density`` and ``total``.
        branches: the branches, from left to right.
    """

    branches: tuple[Branch, ...]


def change_of_variables_by_branches(base: Density, forward: sp.Expr, variable: sp.Symbol) -> BranchDerivation:
    """Derive the density of X = f(Z) for a piecewise monotone f.

    The support is cut where f′ vanishes, where the argument of an absolute value vanishes, and at
    poles; on each piece f is inverted by itself.

    Args:
        base: the density of Z.
        forward: f, an expression in the base variable; it may contain absolute values.
        variable: the symbol x; declare it positive if f is never negative.

    Raises:
        NotInvertible: f is constant on an interval (X then has an atom and no density), has
            infinitely many branches, or a branch that sympy cannot invert.

    Source: book: eq-branches.

    Example:
        >>> z = sp.Symbol("z", real=True)
        >>> x = sp.Symbol("x", positive=True)
        >>> change_of_variables_by_branches(Density(z, sp.Rational(1, 2), -1, 1), z**2, x).density.expression
        1/(2*sqrt(x))
    """
    z, x = base.variable, variable
    forward = sp.sympify(forward)
    if not forward.has(z):
        raise NotInvertible(f"{forward} does not depend on {z}: X would be a constant")
    branches = tuple(
        _branch(base, _smooth(forward, z, lower, upper), lower, upper, x)
        for lower, upper in _pieces(forward, z, base.lower, base.upper)
    )
    lower = min((b.image.start for b in branches), key=float)
    upper = max((b.image.end for b in branches), key=float)
    density = Density(x, _sum(branches, x), lower, upper)
    name = sp.Function("p_X")(x)
    equations: list[tuple[str, sp.Basic]] = [("map", sp.Eq(x, forward, evaluate=False))]
    for k, branch in enumerate(branches, 1):
        equations += [
            (f"branch {k}", sp.Contains(z, branch.domain, evaluate=False)),
            (f"inverse {k}", sp.Eq(z, branch.inverse, evaluate=False)),
            (f"derivative {k}", sp.Eq(sp.Abs(sp.Derivative(z, x)), branch.magnitude, evaluate=False)),
            (f"term {k}", sp.Eq(sp.Function(f"p_{k}")(x), branch.density, evaluate=False)),
        ]
    equations += [
        ("support", sp.Contains(x, sp.Interval(lower, upper), evaluate=False)),
        ("density", sp.Eq(name, density.expression, evaluate=False)),
        ("total", sp.Eq(sp.Integral(name, (x, lower, upper)), density.total(), evaluate=False)),
    ]
    return BranchDerivation(tuple(equations), forward, density, branches)


def _pieces(forward: sp.Expr, z: sp.Symbol, lower: sp.Expr, upper: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
    """The support, cut where f may turn: at kinks, at poles and at zeros of f′."""
    foreign = forward.atoms(sp.sign, sp.floor, sp.ceiling, sp.Heaviside, sp.Piecewise, sp.Max, sp.Min)
    if foreign:
        raise NotInvertible(f"{foreign.pop()}: of functions with cases only absolute values can be split")
    cuts = set()
    for absolute in forward.atoms(sp.Abs):
        cuts |= _points(absolute.args[0], z, lower, upper)
    cuts |= poles_within(forward, z, lower, upper)
    for start, end in _between_cuts(cuts, lower, upper):
        slope = sp.simplify(sp.diff(_smooth(forward, z, start, end), z))
        if slope == 0:
            raise NotInvertible(f"{forward} is constant on [{start}, {end}]: X has an atom there, no density")
        cuts |= _points(slope, z, start, end)
    return _between_cuts(cuts, lower, upper)


def _between_cuts(cuts: set[sp.Expr], lower: sp.Expr, upper: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
    ends = [lower, *sorted(cuts, key=float), upper]
    return list(zip(ends, ends[1:], strict=False))


def _points(expression: sp.Expr, z: sp.Symbol, lower: sp.Expr, upper: sp.Expr) -> set[sp.Expr]:
    """The zeros of an expression inside the interval; they must be finitely many."""
    zeros = sp.solveset(expression, z, sp.Interval.open(lower, upper))
    if zeros is sp.S.EmptySet:
        return set()
    if not isinstance(zeros, sp.FiniteSet):
        raise NotInvertible(f"the zeros of {expression} on [{lower}, {upper}] are no finite list: {zeros}")
    return set(zeros)


def _smooth(forward: sp.Expr, z: sp.Symbol, lower: sp.Expr, upper: sp.Expr) -> sp.Expr:
    """f with each absolute value resolved by its sign on the interval."""
    middle = _between(lower, upper, 0.5)

    def resolve(argument: sp.Expr) -> sp.Expr:
        return argument if sp.N(argument.subs(z, middle)) >= 0 else -argument

    return forward.replace(sp.Abs, resolve)  # from the inside out


def _branch(base: Density, forward: sp.Expr, lower: sp.Expr, upper: sp.Expr, x: sp.Symbol) -> Branch:
    z = base.variable
    ends = [sp.limit(forward, z, lower, "+"), sp.limit(forward, z, upper, "-")]
    start, end = sorted(ends, key=float)
    if x.is_positive and start < 0:
        raise NotInvertible(f"{x} is declared positive, but f maps [{lower}, {upper}] onto [{start}, {end}]")
    inside = [_between(lower, upper, share) for share in (0.1, 0.35, 0.5, 0.65, 0.9)]
    unknown = sp.Dummy("z")  # without assumptions, or sympy drops roots of which it does not know the sign
    fitting = []
    try:
        candidates = sp.solve(forward.subs(z, unknown) - x, unknown)
    except NotImplementedError:
        candidates = []
    period = sp.periodicity(forward, z)
    if period is not None:  # sympy gives one or two of the infinitely many
        candidates = [c + k * period for c in candidates for k in (-1, 0, 1)]
    for candidate in candidates:
        gaps = [abs(sp.N(candidate.subs(x, forward.subs(z, point)) - point, 30)) for point in inside]
        if all(gap.is_number and gap < 1e-12 for gap in gaps):
            fitting.append(candidate)
    if len(fitting) != 1:
        raise NotInvertible(f"{x} = {forward} could not be solved for {z} on [{lower}, {upper}]")
    inverse = sp.simplify(fitting[0])
    if inverse.has(sp.I):
        raise NotInvertible(f"the inverse of {forward} on [{lower}, {upper}] has no real closed form")
    slope = sp.simplify(sp.diff(inverse, x))
    rising = sp.re(sp.N(slope.subs(x, forward.subs(z, inside[2])))) > 0
    magnitude = slope if rising else -slope
    density = sp.simplify(base.expression.subs(z, inverse) * magnitude)
    return Branch(sp.Interval(lower, upper), sp.Interval(start, end), inverse, magnitude, density)


def _sum(branches: tuple[Branch, ...], x: sp.Symbol) -> sp.Expr:
    """The sum of the branches' terms; by cases where their images differ."""
    ends = sorted({end for b in branches for end in (b.image.start, b.image.end)}, key=float)
    cases = []
    for start, end in zip(ends, ends[1:], strict=False):
        middle = _between(start, end, 0.5)
        terms = [b.density for b in branches if b.image.contains(middle) == True]  # noqa: E712
        cases.append((sp.simplify(sp.Add(*terms)), x <= end))
    return cases[0][0] if len(cases) == 1 else sp.Piecewise(*cases[:-1], (cases[-1][0], True))
