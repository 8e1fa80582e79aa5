"""Coupling layers: derived in sympy, and as networks whose determinant is held against the full Jacobian."""

import itertools
import math
import time

import mpmath
import pytest
import sympy as sp
import torch
from torch.autograd.functional import jacobian

from hw2lib.experiments.determinant_cost import (
    determinant_by_elimination,
    determinant_of_triangle,
    growth_exponent,
    processor_seconds,
)
from hw2lib.flows import AdditiveCoupling, AffineCoupling, CouplingFlow
from hw2lib.flows.coupling import LOG_SCALE_BOUND
from hw2lib.symbolic import (
    NotACoupling,
    NotInvertible,
    additive_coupling,
    affine_coupling,
    general_coupling,
)

# Functions for numbers: m and t without structure, s of both signs.
SHIFTS = [
    lambda *z: sp.sin(z[0]) * sum(z),
    lambda *z: sp.exp(-sum(a**2 for a in z)),
    lambda *z: sp.cos(3 * z[-1]) + z[0] ** 3,
    lambda *z: z[0] - 2 * z[-1] ** 2,
]
SCALES = [
    lambda *z: sp.exp(sp.sin(sum(z))),
    lambda *z: -(1 + z[0] ** 2) / 3,
    lambda *z: -sp.exp(z[-1] / 2),
    lambda *z: 2 + z[-1] ** 4,
]


def together(functions, d):
    """The first d of the functions as one function that gives d components."""
    return lambda *z: tuple(f(*z) for f in functions[:d])


def leibniz(matrix: sp.Matrix) -> sp.Expr:
    """The determinant by its definition, the signed sum over permutations: no triangles are assumed."""
    n = matrix.rows
    terms = []
    for order in itertools.permutations(range(n)):
        entries = [matrix[i, order[i]] for i in range(n)]
        if all(entry != 0 for entry in entries):
            terms.append(sp.combinatorics.Permutation(list(order)).signature() * sp.prod(entries))
    return sp.Add(*terms)


def numeric_determinant(derivation, point: list[mpmath.mpf]) -> mpmath.mpf:
    """det ∂x/∂z at a point by central differences of the map in 80 digits."""
    f = sp.lambdify(derivation.variables, list(derivation.forward), "mpmath")
    h, n = mpmath.mpf(10) ** -25, len(point)
    matrix = mpmath.matrix(n, n)
    for j in range(n):
        up, down = ([p + sign * h * (i == j) for i, p in enumerate(point)] for sign in (1, -1))
        for i, (a, b) in enumerate(zip(f(*up), f(*down), strict=True)):
            matrix[i, j] = (a - b) / (2 * h)
    return mpmath.det(matrix)


# Derivations


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("passive", [None, 1, 2])
def test_additive_structure(d, passive):
    derivation = additive_coupling(d, passive=passive)
    k = passive or d
    assert derivation.block(0, 0) == sp.eye(k) and derivation.block(0, 1) == sp.zeros(k, d)
    assert derivation.block(1, 1) == sp.eye(d) and derivation.block(1, 0).shape == (d, k)
    assert all(entry != 0 for entry in derivation.block(1, 0))
    assert derivation.determinant == 1 and sp.simplify(leibniz(derivation.jacobian) - 1) == 0


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("passive", [None, 1])
def test_affine_structure(d, passive):
    vector = affine_coupling(d, passive=passive)
    z = vector.variables[: passive or d]
    expected = sp.prod(1 / sp.Function(f"s_{i + 1}", real=True, nonzero=True)(*z) for i in range(d))
    assert sp.simplify(vector.determinant - expected) == 0
    assert sp.simplify(leibniz(vector.jacobian) - expected) == 0
    assert vector.block(0, 1) == sp.zeros(len(z), d) and vector.block(1, 1).is_diagonal()
    scalar = affine_coupling(d, passive=passive, scale="scalar")
    s = sp.Function("s", real=True, nonzero=True)(*z)
    assert sp.simplify(scalar.determinant - s**-d) == 0
    assert sp.simplify(leibniz(scalar.jacobian) - s**-d) == 0


@pytest.mark.parametrize("d", [2, 3])
def test_the_power_is_right_for_a_scalar_only(d):
    values = sp.symbols(f"a_1:{d + 1}", positive=True)
    vector = affine_coupling(d, s=lambda *z: values)
    for candidate in (*values, sum(values) / d):
        assert sp.simplify(vector.determinant - candidate**-d) != 0
    shared = vector.determinant.subs({value: values[0] for value in values})
    assert sp.simplify(shared - values[0] ** -d) == 0


@pytest.mark.parametrize("kind, scale", [("scalar", "scalar"), ("vector", "vector")])
def test_every_d_contains_the_concrete_ones(kind, scale):
    size = sp.Symbol("d", integer=True, positive=True)
    formula = general_coupling(kind).equation("determinant").rhs
    for d in (1, 2, 3, 5):
        at = formula.subs(size, d).doit()
        if kind == "vector":
            names = {sp.IndexedBase("s")[i + 1]: sp.Symbol(f"a{i}", positive=True) for i in range(d)}
            concrete = affine_coupling(d, s=lambda *z, names=names: tuple(names.values()))
            assert sp.simplify(at.xreplace(names) - concrete.determinant) == 0
        else:
            s = sp.Symbol("s", real=True, nonzero=True)
            assert sp.simplify(at - affine_coupling(d, lambda *z, s=s: s, scale=scale).determinant) == 0
    assert general_coupling("additive").equation("determinant").rhs == 1
    product = general_coupling(kind).equation("schur").rhs
    assert sp.Determinant(sp.Identity(size)) in product.args


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("kind", ["additive", "vector", "scalar"])
def test_numbers_in_high_precision(d, kind):
    if kind == "additive":
        derivation = additive_coupling(d, together(SHIFTS, d))
    elif kind == "vector":
        derivation = affine_coupling(d, together(SCALES, d), together(SHIFTS, d))
    else:
        derivation = affine_coupling(d, SCALES[1], together(SHIFTS, d), scale="scalar")
    generator = torch.Generator().manual_seed(d)
    z, x = derivation.variables, derivation.images
    with mpmath.workdps(80):
        for _ in range(2):
            point = [mpmath.mpf(float(v)) for v in torch.randn(2 * d, generator=generator)]
            formula = sp.lambdify(z, derivation.determinant, "mpmath")(*point)
            assert abs(numeric_determinant(derivation, point) / formula - 1) < mpmath.mpf(10) ** -40
            image = sp.lambdify(z, list(derivation.forward), "mpmath")(*point)
            back = sp.lambdify(x, list(derivation.inverse), "mpmath")(*image)
            assert max(abs(a - b) for a, b in zip(back, point, strict=True)) < mpmath.mpf(10) ** -70


def test_the_sign_can_be_negative():
    negative = affine_coupling(3, s=lambda *z: (-2, 1, 1))
    assert negative.determinant == sp.Rational(-1, 2)
    assert affine_coupling(2, s=lambda a, b: (-2, -1)).determinant == sp.Rational(1, 2)


@pytest.mark.parametrize("derivation", [additive_coupling(2), affine_coupling(3, passive=2)])
def test_inverse_steps(derivation):
    round_trip = derivation.equation("round_trip").rhs
    assert list(round_trip) == list(derivation.variables)
    to_x = dict(zip(derivation.variables, derivation.images, strict=True))
    inverse = derivation.equation("inverse_determinant").rhs
    assert sp.simplify(inverse * derivation.determinant.xreplace(to_x) - 1) == 0


def test_the_display_is_short_and_complete():
    text = affine_coupling(2)._repr_markdown_()
    assert text.startswith(r"$$\begin{aligned}") and text.count("&=") == 7
    assert r"\frac{\partial s_{1}}{\partial z_{2}}" in text and r"\left(z_{1},z_{2} \right)" not in text
    assert repr(affine_coupling(1)).startswith("map: ")


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: additive_coupling(0), ValueError, "d=0"),
        (lambda: additive_coupling(2, passive=0), ValueError, "passive=0"),
        (lambda: additive_coupling(1.5), ValueError, "d=1.5"),
        (lambda: additive_coupling(2, lambda a, b: a), NotACoupling, "m has 1 components, expected 2"),
        (lambda: additive_coupling(1, lambda a: sp.Symbol("z_2", real=True)), NotACoupling, "depends on z_2"),
        (lambda: affine_coupling(1, t=lambda a: (a, a)), NotACoupling, "t has 2 components, expected 1"),
        (lambda: affine_coupling(2, s=lambda a, b: (1, 0)), NotInvertible, "a scale is zero"),
        (lambda: affine_coupling(1, s=lambda a: a - 2), NotInvertible, "vanishes at z_1 = 2"),
        (lambda: affine_coupling(1, s=sp.sin), NotInvertible, "vanishes at z_1 = "),
        (lambda: affine_coupling(1, s=lambda a: 1 / a), NotInvertible, "has poles"),
        (lambda: affine_coupling(2, s=lambda a, b: (a + b, 1)), NotInvertible, "cannot be shown"),
        (lambda: affine_coupling(2, scale="matrix"), ValueError, "scale='matrix'"),
        (lambda: general_coupling("full"), ValueError, "kind='full'"),
    ],
)
def test_bad_derivations_say_why(make, error, message):
    with pytest.raises(error, match=message):
        make()


# Networks


def lively(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """In float64 with weights that make the layer far from the identity."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.6)
    return module


LAYERS = {
    "additive": lambda: AdditiveCoupling(6, (9,)),
    "additive, three of seven": lambda: AdditiveCoupling(7, (9, 8), passive=3, flip=True),
    "affine": lambda: AffineCoupling(6, (9,)),
    "affine, one of five, flipped": lambda: AffineCoupling(5, (9,), passive=1, flip=True),
    "affine, scalar": lambda: AffineCoupling(7, (9,), scale="scalar"),
    "additive flow": lambda: CouplingFlow(6, (9,), 3, "additive"),
    "affine flow": lambda: CouplingFlow(7, (9,), 4),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_determinant_is_that_of_the_full_jacobian(name):
    layer = lively(LAYERS[name](), seed=1)
    x = torch.randn(5, layer.features, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    u, log_det = layer(x)
    assert u.shape == x.shape and log_det.shape == (5,)
    for row, value in zip(x, log_det, strict=True):
        full = jacobian(lambda v: layer(v[None])[0][0], row)
        assert abs(float((torch.linalg.slogdet(full).logabsdet - value).detach())) < 1e-10
    if "affine" in name:
        assert float(log_det.detach().abs().min()) > 1e-3
    else:
        assert log_det.tolist() == [0.0] * 5


@pytest.mark.parametrize("name", LAYERS)
def test_round_trips(name):
    layer = lively(LAYERS[name](), seed=3)
    x = torch.randn(50, layer.features, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    u, log_det = layer(x)
    assert float((u - x).detach().abs().max()) > 0.1
    torch.testing.assert_close(layer.inverse(u), x, rtol=0, atol=1e-10)
    torch.testing.assert_close(layer(layer.inverse(x))[0], x, rtol=0, atol=1e-10)
    assert layer(x[:0])[0].shape == (0, layer.features)


@pytest.mark.parametrize("flip", [False, True])
def test_which_coordinates_pass_through(flip):
    layer = lively(AffineCoupling(7, (8,), passive=2, flip=flip))
    x = torch.randn(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    same = (layer(x)[0] == x).all(0).tolist()
    assert same == ([False] * 5 + [True] * 2 if flip else [True] * 2 + [False] * 5)
    full = jacobian(lambda v: layer(v[None])[0][0], x[0])
    first, rest = (range(5, 7), range(5)) if flip else (range(2), range(2, 7))
    assert all(float(full[i, j]) == float(i == j) for i in first for j in range(7))
    assert all(float(full[i, j]) == 0 for i in rest for j in rest if i != j)
    assert all(float(full[i, j]) != 0 for i in rest for j in first)


def test_a_shared_scale_gives_the_power_and_a_vector_does_not():
    x = torch.randn(1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    for scale, agrees in (("scalar", True), ("vector", False)):
        layer = lively(AffineCoupling(8, (9,), scale=scale), seed=7)
        _, log_scale = layer._parameters_of(x[:, :4])
        power = -4 * log_scale[0, 0]
        assert (abs(float((layer(x)[1] - power).detach())) < 1e-12) is agrees


def test_the_formulas_by_hand():
    layer = AffineCoupling(3, (), passive=1).double()
    with torch.no_grad():
        layer.network[0].weight.copy_(torch.tensor([[2.0], [0.0], [0.0], [1.0]]))
        layer.network[0].bias.copy_(torch.tensor([0.0, 1.0, 0.5, 0.0]))
    u, log_det = layer(torch.tensor([[3.0, 10.0, 20.0]], dtype=torch.float64))
    a, b = (LOG_SCALE_BOUND * math.tanh(v / LOG_SCALE_BOUND) for v in (0.5, 3.0))
    expected = [3.0, (10 - 6) * math.exp(-a), (20 - 1) * math.exp(-b)]
    torch.testing.assert_close(u[0], torch.tensor(expected, dtype=torch.float64))
    assert float(log_det) == pytest.approx(-a - b)


def test_a_flow_in_the_plane_integrates_to_one():
    flow = lively(CouplingFlow(2, (8,), 2), seed=8)
    axis = torch.linspace(-20, 20, 1601, dtype=torch.float64)
    with torch.no_grad():
        density = flow.log_prob(torch.cartesian_prod(axis, axis)).exp()
    assert float(density.sum()) * 0.025**2 == pytest.approx(1, abs=1e-3)


def test_the_inverse_has_a_gradient():
    layer = lively(AffineCoupling(4, (6,)))
    u = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer.inverse, (u,))
    assert torch.autograd.gradcheck(lambda v: layer(v), (u,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_types_and_devices(device, dtype):
    flow = CouplingFlow(10, (16,), 4).to(device, dtype)
    x = torch.randn(3, 10, device=device, dtype=dtype)
    u, log_det = flow(x)
    assert u.dtype == log_det.dtype == dtype and u.device.type == device
    torch.testing.assert_close(flow.inverse(u), x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: AdditiveCoupling(1), "features=1"),
        (lambda: AdditiveCoupling(4, passive=4), "passive=4"),
        (lambda: AdditiveCoupling(4, passive=0), "passive=0"),
        (lambda: AdditiveCoupling(4, (0,)), "hidden_features"),
        (lambda: AffineCoupling(4, scale="matrix"), "scale='matrix'"),
        (lambda: CouplingFlow(4, kind="linear"), "kind='linear'"),
        (lambda: CouplingFlow(4, layers=0), "layers=0"),
        (lambda: AdditiveCoupling(4)(torch.zeros(4)), r"\(batch, 4\)"),
        (lambda: AffineCoupling(4).inverse(torch.zeros(2, 5)), r"\(2, 5\)"),
    ],
)
def test_bad_layers_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# What determinants cost


@pytest.mark.parametrize("d", [1, 2, 5, 12])
def test_elimination_finds_the_determinant_and_counts(d):
    generator = torch.Generator().manual_seed(d)
    matrix = torch.randn(d, d, dtype=torch.float64, generator=generator)
    value, count = determinant_by_elimination(matrix)
    assert value == pytest.approx(float(torch.linalg.det(matrix)), rel=1e-9)
    assert count == (d**3 - d) // 3 + d
    value, count = determinant_of_triangle(matrix.tril())
    assert value == pytest.approx(float(torch.linalg.det(matrix.tril())), rel=1e-9) and count == d


def test_elimination_of_singular_and_wrong_matrices():
    assert determinant_by_elimination(torch.ones(3, 3))[0] == 0
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        determinant_by_elimination(torch.ones(2, 3))


def test_growth_exponents():
    sizes = [4, 8, 16, 32]
    assert growth_exponent(sizes, [7 * s**2 for s in sizes]) == pytest.approx(2)
    full, triangle = (
        growth_exponent(sizes, [f(torch.eye(s) + 1)[1] for s in sizes])
        for f in (determinant_by_elimination, determinant_of_triangle)
    )
    assert 2.5 < full < 3 and triangle == pytest.approx(1)
    for sizes, costs in (([1], [1]), ([1, 2], [1, 0]), ([1, 2], [1, 2, 3])):
        with pytest.raises(ValueError, match="growth"):
            growth_exponent(sizes, costs)


def test_processor_seconds_are_the_shortest_on_one_thread():
    calls = []

    def call():
        calls.append(torch.get_num_threads())
        started = time.thread_time()
        while time.thread_time() - started < (0.05 if len(calls) < 3 else 0.002):
            pass
        time.sleep(0.02)  # waiting is not work

    assert 0.002 <= processor_seconds(call, 3) < 0.02
    assert calls == [1] * 4
