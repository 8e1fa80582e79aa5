"""Changes of variables: the report's two examples by structure and by number, and maps that are refused."""

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy import stats

from hw2lib.symbolic import Density, NotADensity, NotInvertible, change_of_variables

z, x = sp.symbols("z x", real=True)
half = sp.Rational(1, 2)


def first():
    """T1.1a: Z uniform on [0, 1], Z = (X − 1)/2."""
    return change_of_variables(Density(z, 1, 0, 1), (x - 1) / 2, x)


def second():
    """T1.1b: Z uniform on [0, 2], Z = ln X."""
    return change_of_variables(Density(z, half, 0, 2), sp.log(x), x)


def gaussian():
    """A standard normal Z and Z = (X − 3)/2."""
    base = Density(z, sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi), -sp.oo, sp.oo)
    return change_of_variables(base, (x - 3) / 2, x)


def falling():
    """A decreasing map: Z exponential, X = e^{−Z}, so that X is uniform."""
    return change_of_variables(Density(z, sp.exp(-z), 0, sp.oo), -sp.log(x), x)


# Structure


def test_the_first_example_step_by_step():
    d = first()
    assert d.step("inverse") == sp.Eq(z, (x - 1) / 2)
    assert sp.simplify(d.step("forward").rhs - (2 * z + 1)) == 0 and d.step("forward").lhs == x
    assert d.step("derivative").rhs == half and d.step("derivative").lhs == sp.Derivative(z, x)
    assert (d.density.lower, d.density.upper) == (1, 3)
    assert d.step("support") == sp.Contains(x, sp.Interval(1, 3), evaluate=False)
    assert d.density.expression == half and d.step("density").rhs == half
    assert d.step("total").rhs == 1 and d.density.total() == 1
    assert d.step("total").lhs == sp.Integral(half, (x, 1, 3))


def test_the_second_example_step_by_step():
    d = second()
    assert d.step("forward").rhs == sp.exp(z)
    assert sp.simplify(d.step("derivative").rhs - 1 / x) == 0
    assert (d.density.lower, d.density.upper) == (1, sp.exp(2))
    assert sp.simplify(d.density.expression - 1 / (2 * x)) == 0
    assert d.density.total() == 1
    assert sp.simplify(d.density.cumulative() - sp.log(x) / 2) == 0


def test_the_steps_come_in_their_order():
    names = [name for name, _ in first().steps]
    assert names == ["inverse", "forward", "derivative", "support", "density", "total"]


def test_a_normal_moves_and_widens():
    d = gaussian()
    expected = sp.exp(-(((x - 3) / 2) ** 2) / 2) / (2 * sp.sqrt(2 * sp.pi))
    assert sp.simplify(d.density.expression - expected) == 0
    assert (d.density.lower, d.density.upper) == (-sp.oo, sp.oo)


def test_a_decreasing_map_swaps_the_ends_and_keeps_the_density_positive():
    d = falling()
    assert (d.density.lower, d.density.upper) == (0, 1)
    assert sp.simplify(d.density.expression - 1) == 0
    assert sp.simplify(d.step("derivative").rhs + 1 / x) == 0


# Numbers, by mpmath and by sampling


@pytest.mark.parametrize("derive", [first, second, gaussian])
def test_the_density_integrates_to_one_numerically(derive):
    density = derive().density
    f = sp.lambdify(x, density.expression, "mpmath")
    ends = [mpmath.mpf(sp.N(e, 30)) if e.is_finite else mpmath.inf * sp.sign(e) for e in
            (density.lower, density.upper)]  # fmt: skip
    with mpmath.workdps(25):
        assert abs(mpmath.quad(f, [mpmath.mpmathify(e) for e in ends]) - 1) < mpmath.mpf(10) ** -15


@pytest.mark.parametrize("derive, point", [(first, 1.7), (second, 2.9), (second, 6.5), (gaussian, 0.4)])
def test_the_derivative_step_is_the_slope(derive, point):
    d = derive()
    inverse = sp.lambdify(x, d.step("inverse").rhs, "mpmath")
    slope = float(d.step("derivative").rhs.subs(x, point))
    assert float(mpmath.diff(inverse, point)) == pytest.approx(slope, rel=1e-10)
    assert float(inverse(sp.lambdify(z, d.forward, "mpmath")(0.3))) == pytest.approx(0.3, rel=1e-12)


@pytest.mark.parametrize("derive, upper", [(first, 1.0), (second, 2.0), (falling, None)])
def test_samples_pushed_through_the_map_follow_the_density(derive, upper):
    d, rng = derive(), np.random.default_rng(0)
    base = rng.exponential(size=5000) if upper is None else rng.uniform(0, upper, 5000)
    pushed = sp.lambdify(z, d.forward, "numpy")(base)
    f = sp.lambdify(x, d.density.expression, "numpy")
    grid = np.linspace(float(d.density.lower) + 1e-9, float(d.density.upper), 4001)
    values = np.broadcast_to(f(grid), grid.shape)
    steps = np.diff(grid) * (values[1:] + values[:-1]) / 2
    cumulative = np.concatenate([[0.0], np.cumsum(steps)])
    result = stats.kstest(pushed, lambda t: np.interp(t, grid, cumulative))
    assert result.pvalue > 1e-3


def test_the_cumulative_distribution_starts_at_zero_and_ends_at_one():
    for derive in (first, second):
        density = derive().density
        cumulative = density.cumulative()
        assert sp.simplify(cumulative.subs(x, density.lower)) == 0
        assert sp.simplify(cumulative.subs(x, density.upper)) == 1
        assert sp.simplify(sp.diff(cumulative, x) - density.expression) == 0


def test_outside_the_support_the_density_is_zero():
    whole = second().density.piecewise()
    assert whole.subs(x, half) == 0 and whole.subs(x, 8) == 0
    assert whole.subs(x, 2) == sp.Rational(1, 4)


# Display


def test_a_derivation_shows_its_steps_as_aligned_equations():
    text = second()._repr_markdown_()
    assert text.startswith("$$\\begin{aligned}") and text.endswith("\\end{aligned}$$")
    assert text.count("\\\\[4pt]") == 5 and text.count("&") == 6
    assert "x &\\in \\left[1, e^{2}\\right]" in text
    assert "density: Eq(p_X(x), 1/(2*x))" in repr(second())


# What is refused


@pytest.mark.parametrize(
    "expression, lower, upper, total",
    [(1, 0, 2, "2"), (half, 0, 1, "1/2"), (1 / z, 1, 2, "log"), (-1, 0, 1, "-1")],
)
def test_functions_that_do_not_integrate_to_one_are_no_densities(expression, lower, upper, total):
    with pytest.raises(NotADensity, match="integrates to") as caught:
        Density(z, expression, lower, upper)
    assert total in str(caught.value)


def test_a_function_that_is_negative_somewhere_is_no_density():
    """4z − 1 integrates to one on [0, 1] and is below zero near its left end."""
    assert sp.integrate(4 * z - 1, (z, 0, 1)) == 1
    with pytest.raises(NotADensity, match="negative"):
        Density(z, 4 * z - 1, 0, 1)


@pytest.mark.parametrize(
    "inverse, message",
    [
        (x**2, "2 solutions"),
        (sp.Integer(3), "does not depend on x"),
        (sp.sin(x), "solutions"),
        ((x - half) ** 2, "solutions"),
    ],
)
def test_maps_that_are_not_one_to_one_are_refused(inverse, message):
    with pytest.raises(NotInvertible, match=message):
        change_of_variables(Density(z, 1, 0, 1), inverse, x)


def test_a_solution_off_the_support_does_not_count():
    """x² has two roots; with x declared positive one is left."""
    positive = sp.Symbol("x", positive=True)
    d = change_of_variables(Density(z, 1, 0, 1), positive**2, positive)
    assert d.density.expression == 2 * positive and d.density.total() == 1


def test_both_refusals_are_value_errors():
    assert issubclass(NotADensity, ValueError) and issubclass(NotInvertible, ValueError)
