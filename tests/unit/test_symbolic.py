"""Changes of variables in sympy: monotone, branch by branch, and in the plane."""

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy import stats

from hw2lib.symbolic import (
    Density,
    NotADensity,
    NotInvertible,
    PlaneDensity,
    change_of_variables,
    change_of_variables_by_branches,
    change_of_variables_in_the_plane,
)

Z, Y = sp.symbols("z y", real=True)
X = sp.Symbol("x", positive=True)
NORMAL = Density(Z, sp.exp(-(Z**2) / 2) / sp.sqrt(2 * sp.pi), -sp.oo, sp.oo)
A, B, U, V, THETA = sp.symbols("a b u v theta", real=True)
R = sp.Symbol("r", positive=True)
WHOLE = (-sp.oo, sp.oo)
GAUSS = PlaneDensity((A, B), sp.exp(-(A**2 + B**2) / 2) / (2 * sp.pi), (WHOLE, WHOLE))
SQUARE = PlaneDensity((A, B), 1, ((0, 1), (0, 1)))
POLAR = {
    "inverse": (R * sp.cos(THETA), R * sp.sin(THETA)),
    "forward": (sp.sqrt(A**2 + B**2), sp.atan2(B, A)),
    "variables": (R, THETA),
}


def uniform(lower, upper):
    return Density(Z, 1 / (sp.sympify(upper) - lower), lower, upper)


# One branch


@pytest.mark.parametrize(
    "base, inverse, expression, support",
    [
        (uniform(0, 1), (X - 1) / 2, sp.Rational(1, 2), (1, 3)),
        (uniform(0, 2), sp.log(X), 1 / (2 * X), (1, sp.exp(2))),
        (uniform(0, 1), sp.exp(-2 * X), 2 * sp.exp(-2 * X), (0, sp.oo)),
        (NORMAL, (Y - 3) / 2, sp.exp(-((Y - 3) ** 2) / 8) / sp.sqrt(8 * sp.pi), WHOLE),
    ],
)
def test_monotone_maps(base, inverse, expression, support):
    variable = X if inverse.has(X) else Y
    derivation = change_of_variables(base, inverse, variable)
    assert sp.simplify(derivation.density.expression - expression) == 0
    assert all(sp.simplify(a - b) == 0 or a == b for a, b in zip(_ends(derivation), support, strict=True))
    assert derivation.density.total() == 1
    names = ("inverse", "forward", "derivative", "support", "density", "total")
    assert tuple(name for name, _ in derivation.equations) == names
    assert derivation._repr_markdown_().count(r"\\[4pt]") == 5


def _ends(derivation):
    return derivation.density.lower, derivation.density.upper


# Several branches


@pytest.mark.parametrize(
    "base, forward, variable, expression, support, branches",
    [
        (NORMAL, Z**2, X, sp.exp(-X / 2) / sp.sqrt(2 * sp.pi * X), (0, sp.oo), 2),
        (NORMAL, abs(Z), X, sp.sqrt(2 / sp.pi) * sp.exp(-(X**2) / 2), (0, sp.oo), 2),
        (uniform(-1, 1), Z**2, X, 1 / (2 * sp.sqrt(X)), (0, 1), 2),
        (uniform(-1, 1), Z**4, X, X ** sp.Rational(-3, 4) / 4, (0, 1), 2),
        (uniform(-sp.pi, sp.pi), sp.cos(Z), Y, 1 / (sp.pi * sp.sqrt(1 - Y**2)), (-1, 1), 2),
        (uniform(-1, 1), abs(abs(Z) - sp.Rational(1, 2)), X, sp.Integer(2), (0, sp.Rational(1, 2)), 4),
        (uniform(0, 1), 2 * Z + 1, X, sp.Rational(1, 2), (1, 3), 1),
    ],
)
def test_branches(base, forward, variable, expression, support, branches):
    derivation = change_of_variables_by_branches(base, forward, variable)
    assert sp.simplify(derivation.density.expression - expression) == 0
    assert _ends(derivation) == support and len(derivation.branches) == branches
    assert derivation.density.total() == 1
    assert sum(name.startswith("inverse") for name, _ in derivation.equations) == branches
    point = sp.Rational(3, 10)
    assert sp.simplify(sum(b.density for b in derivation.branches) - expression).subs(variable, point) == 0


def test_one_branch_agrees_with_the_monotone_formula():
    base = uniform(0, 2)
    by_branches = change_of_variables_by_branches(base, sp.exp(Z), X).density
    monotone = change_of_variables(base, sp.log(X), X).density
    assert sp.simplify(by_branches.expression - monotone.expression) == 0
    assert (by_branches.lower, by_branches.upper) == (monotone.lower, monotone.upper)


@pytest.mark.parametrize(
    "base, forward, variable, values",
    [
        (uniform(-1, 2), Z**2, X, {0.25: 2 / 3, 2.25: 1 / 9, 0.81: 1 / 2.7}),
        (uniform(-1, 1), 1 / Z, Y, {-2: 1 / 8, 0.5: 0, 3: 1 / 18}),
        (uniform(-1, 2), abs(Z), X, {0.5: 2 / 3, 1.5: 1 / 3}),
    ],
)
def test_images_that_differ_give_a_density_by_cases(base, forward, variable, values):
    density = change_of_variables_by_branches(base, forward, variable).density
    assert density.expression.has(sp.Piecewise) and density.total() == 1
    for at, expected in values.items():
        at = sp.nsimplify(at)
        assert float(density.expression.subs(variable, at)) == pytest.approx(float(expected))


def test_branches_in_high_precision():
    """∫ p_X over an interval against the mass of its two preimages, in 40 digits."""
    density = change_of_variables_by_branches(NORMAL, Z**2, X).density
    p = sp.lambdify(X, density.expression, "mpmath")
    with mpmath.workdps(40):
        for low, high in ((0.3, 1.7), (2, 5)):
            mass = mpmath.quad(p, [low, high])
            preimages = 2 * (mpmath.ncdf(mpmath.sqrt(high)) - mpmath.ncdf(mpmath.sqrt(low)))
            assert abs(mass - preimages) < mpmath.mpf(10) ** -35


def random_points(n, lower, upper, seed=0):
    """Random rationals, so that 50 digits of them are exact."""
    rng = np.random.default_rng(seed)
    return [sp.Rational(int(k), 10**9) for k in rng.integers(lower * 10**9, upper * 10**9, n)]


@pytest.mark.parametrize(
    "derive, expected, lower, upper",
    [
        (lambda: change_of_variables(uniform(0, 2), sp.log(X), X), lambda x: 1 / (2 * x), 1, 7),
        (lambda: change_of_variables(NORMAL, (Y - 3) / 2, Y), lambda x: mpmath.npdf(x, 3, 2), -2, 8),
        (
            lambda: change_of_variables_by_branches(NORMAL, Z**2, X),
            lambda x: mpmath.exp(-x / 2) / mpmath.sqrt(2 * mpmath.pi * x),
            0,
            12,
        ),
        (lambda: change_of_variables_by_branches(NORMAL, abs(Z), X), lambda x: 2 * mpmath.npdf(x), 0, 6),
        (
            lambda: change_of_variables_by_branches(uniform(-sp.pi, sp.pi), sp.cos(Z), Y),
            lambda x: 1 / (mpmath.pi * mpmath.sqrt(1 - x**2)),
            -1,
            1,
        ),
    ],
)
def test_densities_at_random_points_in_fifty_digits(derive, expected, lower, upper):
    """Against closed forms written in mpmath, which sympy has not seen."""
    density = derive().density
    with mpmath.workdps(60):
        for point in random_points(20, lower, upper):
            found = mpmath.mpf(sp.N(density.expression.subs(density.variable, point), 60))
            exact = expected(mpmath.mpf(point.p) / point.q)
            assert abs(found - exact) < mpmath.mpf(10) ** -50 * abs(exact)


def test_rayleigh_at_random_points_in_fifty_digits():
    polar = change_of_variables_in_the_plane(GAUSS, **POLAR, support=((0, sp.oo), (-sp.pi, sp.pi)))
    with mpmath.workdps(60):
        for r, theta in zip(random_points(10, 0, 5), random_points(10, -3, 3, seed=1), strict=True):
            found = mpmath.mpf(sp.N(polar.density.expression.subs({R: r, THETA: theta}), 60))
            # The density in the plane at that point, times the area of a cell in r and θ.
            radius, angle = (mpmath.mpf(value.p) / value.q for value in (r, theta))
            a, b = radius * mpmath.cos(angle), radius * mpmath.sin(angle)
            exact = mpmath.npdf(a) * mpmath.npdf(b) * radius
            assert abs(found - exact) < mpmath.mpf(10) ** -50 * exact


def test_distribution_function_of_a_square():
    derivation = change_of_variables_by_branches(NORMAL, Z**2, X)
    cdf = sp.lambdify(X, derivation.density.cumulative(), ["scipy", "numpy"])
    at = np.array([0.1, 1.0, 3.0])
    np.testing.assert_allclose(cdf(at), stats.chi2(1).cdf(at), rtol=1e-12)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: change_of_variables_by_branches(NORMAL, sp.sin(Z), Y), NotInvertible, "no finite list"),
        (lambda: change_of_variables_by_branches(uniform(-1, 1), abs(Z) + Z, X), NotInvertible, "atom"),
        (lambda: change_of_variables_by_branches(NORMAL, sp.Integer(3), Y), NotInvertible, "constant"),
        (
            lambda: change_of_variables_by_branches(NORMAL, sp.sign(Z) * Z, Y),
            NotInvertible,
            "absolute values",
        ),
        (lambda: change_of_variables_by_branches(uniform(-1, 1), Z, X), NotInvertible, "declared positive"),
        (
            lambda: change_of_variables_by_branches(uniform(-2, 2), Z**3 - 3 * Z, Y),
            NotInvertible,
            "closed form",
        ),
        (
            lambda: change_of_variables_by_branches(uniform(0, 1), Z + sp.exp(Z) * Z**2, Y),
            NotInvertible,
            "finite|solved",
        ),
        (lambda: change_of_variables(uniform(0, 1), (X - 2) ** 2, X), NotInvertible, "2 solutions"),
        (lambda: change_of_variables(uniform(-1, 1), Y**3, Y), NotInvertible, "real on the whole support"),
        (lambda: change_of_variables(uniform(-1, 2), 1 / Y, Y), NotInvertible, "has poles"),
        (lambda: change_of_variables_by_branches(NORMAL, sp.tan(Z), Y), NotInvertible, "no finite list"),
        (lambda: change_of_variables(uniform(0, 1), sp.Integer(1), X), NotInvertible, "does not depend"),
        (lambda: Density(Z, 1, 0, 2), NotADensity, "integrates to 2"),
        (lambda: Density(Z, 2 * Z - sp.Rational(1, 2), 0, sp.Rational(1, 4)), NotADensity, "integrates to"),
        (lambda: Density(Z, 3 - 4 * Z, 0, 1), NotADensity, "negative"),
        (lambda: Density(Z, sp.exp(-(sp.log(Z) ** 2) * sp.sin(Z)), 1, 2), NotADensity, "cannot integrate"),
    ],
)
def test_bad_input_says_why(make, error, message):
    with pytest.raises(error, match=message):
        make()


# The plane


def test_polar_coordinates_give_rayleigh():
    polar = change_of_variables_in_the_plane(GAUSS, **POLAR, support=((0, sp.oo), (-sp.pi, sp.pi)))
    assert sp.simplify(polar.determinant - R) == 0
    assert sp.simplify(polar.density.expression - R * sp.exp(-(R**2) / 2) / (2 * sp.pi)) == 0
    radius, angle = polar.density.marginal(0), polar.density.marginal(1)
    assert sp.simplify(radius.expression - R * sp.exp(-(R**2) / 2)) == 0
    assert sp.simplify(angle.expression - 1 / (2 * sp.pi)) == 0
    assert polar.independent() and polar.density.total() == 1
    assert polar._repr_markdown_().count(r"\\[4pt]") == 8
    cdf = sp.lambdify(R, radius.cumulative(), "numpy")
    np.testing.assert_allclose(cdf(np.array([0.5, 2.0])), stats.rayleigh.cdf([0.5, 2.0]), rtol=1e-12)


def test_box_muller_gives_independent_normals():
    """With a negative determinant: u = −√(−2 ln a) cos 2πb, v = −√(−2 ln a) sin 2πb."""
    length = sp.sqrt(-2 * sp.log(A))
    result = change_of_variables_in_the_plane(
        SQUARE,
        inverse=(sp.exp(-(U**2 + V**2) / 2), sp.atan2(V, U) / (2 * sp.pi) + sp.Rational(1, 2)),
        forward=(-length * sp.cos(2 * sp.pi * B), -length * sp.sin(2 * sp.pi * B)),
        variables=(U, V),
        support=(WHOLE, WHOLE),
    )
    assert result.independent()
    for k, variable in enumerate((U, V)):
        expected = sp.exp(-(variable**2) / 2) / sp.sqrt(2 * sp.pi)
        assert sp.simplify(result.density.marginal(k).expression - expected) == 0


def test_a_shear_is_not_independent():
    shear = change_of_variables_in_the_plane(
        GAUSS, inverse=(U, V - 2 * U), forward=(A, B + 2 * A), variables=(U, V), support=(WHOLE, WHOLE)
    )
    assert shear.determinant == 1 and not shear.independent()
    variance = sp.integrate(V**2 * shear.density.marginal(1).expression, (V, *WHOLE))
    assert sp.simplify(variance - 5) == 0


@pytest.mark.parametrize(
    "make, error, message",
    [
        (
            lambda: change_of_variables_in_the_plane(
                GAUSS, **POLAR, support=((0, sp.oo), (-2 * sp.pi, 2 * sp.pi))
            ),
            NotInvertible,
            "not one to one",
        ),
        (
            lambda: change_of_variables_in_the_plane(GAUSS, **POLAR, support=((0, sp.oo), (-sp.pi, 0))),
            NotInvertible,
            "integrates to 1/2",
        ),
        (
            lambda: change_of_variables_in_the_plane(
                GAUSS, (U + V, U + V), (A, B), (U, V), support=(WHOLE, WHOLE)
            ),
            NotInvertible,
            "determinant is zero",
        ),
        (
            lambda: change_of_variables_in_the_plane(
                GAUSS, (U**2, V), (sp.sqrt(A), B), (U, V), support=(WHOLE, WHOLE)
            ),
            NotInvertible,
            "changes sign",
        ),
        (lambda: PlaneDensity((A, B), 1, ((0, 1), (0, 2))), NotADensity, "integrates to 2"),
        (lambda: PlaneDensity((A, B), 4 * A - 1, ((0, 1), (0, 1))), NotADensity, "negative"),
    ],
)
def test_bad_maps_of_the_plane_say_why(make, error, message):
    with pytest.raises(error, match=message):
        make()
