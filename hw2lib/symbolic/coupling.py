r"""Coupling layers in sympy: the block Jacobian, its determinant and the inverse, step by step.

The first k coordinates pass through, the other d are moved by functions of the first ones:

    additive:  x_A = z_A,  x_B = z_B − m(z_A)              det ∂x/∂z = 1
    affine:    x_A = z_A,  x_B = (z_B − t(z_A)) / s(z_A)   det ∂x/∂z = ∏_i 1/s_i(z_A)

The direction and the signs are the report's. Book: eq-coupling-additive, eq-coupling-affine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from .change_of_variables import NotInvertible, poles_within
from .equations import Equations

Components = Callable[..., "sp.Expr | Sequence[sp.Expr]"]


class NotACoupling(ValueError):
    """The functions of a coupling layer see coordinates that they must not see, or have a wrong size."""


@dataclass(frozen=True, repr=False)
class CouplingDerivation(Equations):
    """A coupling layer z → x, with every step as an equation.

    Attributes:
        equations: ``map``, ``jacobian``, ``blocks``, ``determinant``, ``inverse``,
            ``inverse_determinant`` and ``round_trip``.
        variables: z_1 … z_{k+d}.
        images: x_1 … x_{k+d}.
        forward: x as a column in z.
        inverse: z as a column in x.
        jacobian: ∂x/∂z.
        determinant: its determinant, from the diagonal blocks.
        passive: k, how many coordinates pass through.
    """

    variables: tuple[sp.Symbol, ...]
    images: tuple[sp.Symbol, ...]
    forward: sp.ImmutableMatrix
    inverse: sp.ImmutableMatrix
    jacobian: sp.ImmutableMatrix
    determinant: sp.Expr
    passive: int

    def block(self, row: int, column: int) -> sp.ImmutableMatrix:
        """The block (row, column) of the Jacobian, each 0 (passes through) or 1 (is moved)."""
        parts = slice(0, self.passive), slice(self.passive, None)
        return self.jacobian[parts[row], parts[column]]


def additive_coupling(d: int, m: Components | None = None, passive: int | None = None) -> CouplingDerivation:
    """Derive the additive coupling layer x_B = z_B − m(z_A) on k + d coordinates.

    Args:
        d: how many coordinates are moved.
        m: called with z_1 … z_k, gives the d components of the shift (for d = 1 an expression will
            do); by default unknown functions m_1 … m_d.
        passive: k, by default d.

    Raises:
        NotACoupling: m has not d components, or depends on a coordinate that it moves.
        ValueError: d or passive is less than one.

    Source: Dinh et al. 2015, section 3.2; book: eq-coupling-additive.

    Example:
        >>> additive_coupling(2).determinant
        1
    """
    z, x, k = _coordinates(d, passive)
    shift = _components("m", m, z, k, d)
    return _derive(z, x, k, shift, [sp.Integer(1)] * d)


def affine_coupling(
    d: int,
    s: Components | None = None,
    t: Components | None = None,
    passive: int | None = None,
    scale: str = "vector",
) -> CouplingDerivation:
    """Derive the affine coupling layer x_B = (z_B − t(z_A)) / s(z_A) on k + d coordinates.

    Args:
        d: how many coordinates are moved.
        s: called with z_1 … z_k, gives the scales: d of them, or one if ``scale="scalar"``; by
            default unknown functions without zeros.
        t: called with z_1 … z_k, gives the d shifts; by default unknown functions.
        passive: k, by default d.
        scale: ``"vector"``, a scale for each coordinate, or ``"scalar"``, one that all d share.

    Raises:
        NotInvertible: a scale vanishes somewhere, or cannot be shown not to.
        NotACoupling: s or t has a wrong number of components, or depends on a coordinate that it moves.
        ValueError: d or passive is less than one, or scale is neither of the two words.

    Source: Dinh et al. 2017, section 3.2 (there s is an exponential and multiplies); book:
    eq-coupling-affine, eq-coupling-determinant.

    Example:
        >>> affine_coupling(3, s=lambda *z: (2, 4, 5)).determinant
        1/40
    """
    if scale not in ("vector", "scalar"):
        raise ValueError(f"scale={scale!r}: expected 'vector' or 'scalar'")
    z, x, k = _coordinates(d, passive)
    if scale == "scalar":
        scales = _components("s", s, z, k, 1, numbered=False) * d
    else:
        scales = _components("s", s, z, k, d, nonzero=True)
    for component in dict.fromkeys(scales):
        _refuse_zeros(component)
    return _derive(z, x, k, _components("t", t, z, k, d), scales)


def general_coupling(kind: str) -> Equations:
    """The determinant for every d at once, from a block matrix of symbolic size.

    Args:
        kind: ``"additive"``, ``"scalar"`` (affine, one scale for all) or ``"vector"`` (affine, a
            scale for each coordinate).

    Returns:
        Equations ``jacobian``, ``schur`` (the determinant of a 2 × 2 block matrix), for a vector of
        scales ``block`` (its lower right block, entry by entry), and ``determinant``.

    Raises:
        ValueError: another kind.

    Example:
        >>> general_coupling("scalar").equation("determinant").rhs
        s**(-d)
    """
    d = sp.Symbol("d", integer=True, positive=True)
    s = sp.Symbol("s", real=True, nonzero=True)
    diagonal = sp.MatrixSymbol("D", d, d)
    lower_right = {"additive": sp.Identity(d), "scalar": sp.Identity(d) / s, "vector": diagonal}.get(kind)
    if lower_right is None:
        raise ValueError(f"kind={kind!r}: expected 'additive', 'scalar' or 'vector'")
    one, zero, lower_left = sp.Identity(d), sp.ZeroMatrix(d, d), sp.MatrixSymbol("C", d, d)
    jacobian = sp.BlockMatrix([[one, zero], [lower_left, lower_right]])
    name = sp.Determinant(sp.MatrixSymbol("J", 2 * d, 2 * d))
    schur = lower_right - lower_left * one.inverse() * zero
    determinant = sp.simplify(jacobian.det().doit())
    equations = [
        ("jacobian", sp.Eq(name.arg, jacobian, evaluate=False)),
        ("schur", sp.Eq(name, sp.Mul(sp.Determinant(one), sp.Determinant(schur), evaluate=False))),
    ]
    if kind == "vector":
        scales = sp.IndexedBase("s")
        i, j = sp.symbols("i j", integer=True, positive=True)
        entry = sp.IndexedBase("D")[i, j]
        equations.append(("block", sp.Eq(entry, sp.KroneckerDelta(i, j) / scales[i], evaluate=False)))
        determinant = determinant.subs(sp.Determinant(diagonal), sp.Product(1 / scales[i], (i, 1, d)))
    equations.append(("determinant", sp.Eq(name, determinant, evaluate=False)))
    return Equations(tuple(equations))


def _coordinates(d: int, passive: int | None) -> tuple[tuple[sp.Symbol, ...], tuple[sp.Symbol, ...], int]:
    k = d if passive is None else passive
    for name, value in (("d", d), ("passive", k)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value!r}: expected a whole number, at least 1")
    z, x = (sp.symbols(f"{letter}_1:{k + d + 1}", real=True) for letter in "zx")
    return z, x, k


def _components(
    name: str,
    function: Components | None,
    z: tuple[sp.Symbol, ...],
    k: int,
    count: int,
    nonzero: bool | None = None,
    numbered: bool = True,
) -> list[sp.Expr]:
    """The components of m, s or t, as expressions in z_1 … z_k."""
    if function is None:
        known = {"real": True} | ({"nonzero": True} if name == "s" or nonzero else {})
        names = [f"{name}_{i + 1}" if numbered else name for i in range(count)]
        return [sp.Function(each, **known)(*z[:k]) for each in names]
    value = function(*z[:k])
    values = [sp.sympify(v) for v in (value if isinstance(value, (list, tuple, sp.MatrixBase)) else [value])]
    if len(values) != count:
        raise NotACoupling(f"{name} has {len(values)} components, expected {count}")
    for i, component in enumerate(values):
        foreign = sorted(component.free_symbols.intersection(z[k:]), key=z.index)
        if foreign:
            raise NotACoupling(
                f"{name}_{i + 1} = {component} depends on {foreign[0]}, which the layer moves: "
                f"it may depend on the first {k} coordinates only"
            )
    return values


def _refuse_zeros(scale: sp.Expr) -> None:
    """Pass only a scale that is known to have no real zero, and no pole: its inverse would vanish there."""
    if scale.is_zero:
        raise NotInvertible("a scale is zero: the layer divides by it")
    if scale.is_nonzero or scale.is_positive or scale.is_negative:
        return
    variables = sorted(scale.free_symbols, key=str)
    if len(variables) == 1 and not scale.atoms(AppliedUndef):
        zeros = sp.solveset(scale, variables[0], sp.S.Reals)
        if poles := poles_within(scale, variables[0], -sp.oo, sp.oo):
            raise NotInvertible(f"the scale {scale} has poles, {poles}: the layer has no inverse there")
        if zeros is sp.S.EmptySet:
            return
        if isinstance(zeros, sp.FiniteSet) or zeros.is_iterable:
            raise NotInvertible(
                f"the scale {scale} vanishes at {variables[0]} = {next(iter(zeros))}: the layer divides by it"
            )
    raise NotInvertible(f"the scale {scale} cannot be shown to have no zero: write it as an exponential")


def _derive(
    z: tuple[sp.Symbol, ...],
    x: tuple[sp.Symbol, ...],
    k: int,
    shift: list[sp.Expr],
    scale: list[sp.Expr],
) -> CouplingDerivation:
    """All steps of x_B = (z_B − shift) / scale."""
    to_x = dict(zip(z[:k], x[:k], strict=True))
    moved = [(b - t) / s for b, t, s in zip(z[k:], shift, scale, strict=True)]
    forward = sp.ImmutableMatrix([*z[:k], *moved])
    back = [b * s.xreplace(to_x) + t.xreplace(to_x) for b, t, s in zip(x[k:], shift, scale, strict=True)]
    inverse = sp.ImmutableMatrix([*x[:k], *back])
    jacobian, inverse_jacobian = forward.jacobian(z), inverse.jacobian(x)
    diagonal = jacobian[:k, :k], jacobian[k:, k:]
    determinant = sp.simplify(diagonal[0].det() * diagonal[1].det())
    round_trip = inverse.xreplace(dict(zip(x, forward, strict=True))).applyfunc(sp.simplify)
    size = len(z)
    name, back_name = sp.MatrixSymbol("J", size, size), sp.MatrixSymbol("J^{-1}", size, size)
    blocks = sp.Mul(*(sp.Determinant(block) for block in diagonal), evaluate=False)
    equations = (
        ("map", _equal(sp.ImmutableMatrix(x), forward)),
        ("jacobian", _equal(name, jacobian)),
        ("blocks", _equal(sp.Determinant(name), blocks)),
        ("determinant", _equal(sp.Determinant(name), determinant)),
        ("inverse", _equal(sp.ImmutableMatrix(z), inverse)),
        ("inverse_determinant", _equal(sp.Determinant(back_name), sp.simplify(inverse_jacobian.det()))),
        ("round_trip", _equal(sp.Symbol("{f^{-1}(f(z))}"), round_trip)),
    )
    return CouplingDerivation(equations, z, x, forward, inverse, jacobian, determinant, k)


def _equal(left: sp.Basic, right: sp.Basic) -> sp.Equality:
    return sp.Eq(left, right, evaluate=False)
