"""Figures of chapter 1: densities before and after a change of variables, by branches, in the plane."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure

from hw2lib.bilingual import LANGUAGES, Interval, Text, Words, localize
from hw2lib.symbolic import BranchDerivation, Density, Derivation, PlaneDerivation, change_of_variables

from . import style
from .explore import Control, Explorable, Reading, axis

_WORDS = {
    "z": Text("مقدار z", "value of z"),
    "x": Text("مقدار x", "value of x"),
    "density": Text("چگالی", "density"),
    "base": Text("پیش از تبدیل", "before"),
    "result": Text("پس از تبدیل", "after"),
    "sample": Text("نمونه", "sample"),
    "formula": Text("فرمول", "formula"),
    "map": Text("نگاشت", "the map"),
    "branch": Text("شاخهٔ {}", "branch {}"),
    "sum": Text("مجموع شاخه‌ها", "sum of the branches"),
    "plane": Text("نقطه‌های صفحه", "points of the plane"),
    "radius": Text("شعاع r", "radius r"),
    "angle": Text("زاویهٔ θ", "angle θ"),
}


def curve(
    density: Density, points: int = 400, window: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[np.ndarray, np.ndarray]:
    """The density on its support, or on what of it lies in a window, as arrays for plotting."""
    lower, upper = max(float(density.lower), window[0]), min(float(density.upper), window[1])
    x = np.linspace(lower, upper, points)
    values = sp.lambdify(density.variable, density.expression, "numpy")(x)
    return x, np.broadcast_to(values, x.shape)


@style.bilingual
def density_with_sample(derivation: Derivation, base: Density, sample: np.ndarray, lang: str) -> Figure:
    """Base density, map, and derived density over a histogram of a sample."""
    words = style.localized(_WORDS, lang)
    fig, axes = plt.subplots(1, 3, figsize=(7.6, 2.7))
    z, p = curve(base)
    axes[0].fill_between(z, p, color=style.COLORS["light"], alpha=0.5)
    axes[0].plot(z, p, color=style.COLORS["train"])
    axes[0].set(title=words["base"], xlabel=words["z"], ylabel=words["density"], ylim=(0, None))
    forward = sp.lambdify(base.variable, derivation.forward, "numpy")
    axes[1].plot(z, forward(z), color=style.COLORS["reference"])
    for value in np.linspace(z[0], z[-1], 6):  # equal pieces of z, and where they go
        axes[1].plot(
            [value, value, z[0]],
            [forward(z[0]), forward(value), forward(value)],
            lw=0.8,
            color=style.COLORS["accent"],
        )
    axes[1].set(title=words["map"], xlabel=words["z"], ylabel=words["x"])
    x, q = curve(derivation.density)
    axes[2].hist(sample, bins=40, density=True, color=style.COLORS["light"], alpha=0.6, label=words["sample"])
    axes[2].plot(x, q, color=style.COLORS["anomalous"], lw=2, label=words["formula"])
    axes[2].set(title=words["result"], xlabel=words["x"], ylim=(0, None))
    axes[2].legend()
    return fig


@style.bilingual
def branches(
    derivation: BranchDerivation,
    sample: np.ndarray,
    window: tuple[float, float],
    reach: float,
    lang: str,
) -> Figure:
    """A map with its branches, and the terms that they add to the density over a histogram.

    Args:
        derivation: of two or more branches.
        sample: values of x, shape (n,).
        window: part of the z axis to draw.
        reach: the x axis is drawn from a little above 0, where the density may be infinite, up to here.
        lang: ``fa`` or ``en``.
    """
    words = style.localized(_WORDS, lang)
    (variable,) = derivation.forward.free_symbols
    forward = sp.lambdify(variable, derivation.forward, "numpy")
    x = np.linspace(0.02 * reach, reach, 400)
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.1))
    bottom = np.zeros_like(x)
    for k, branch in enumerate(derivation.branches):
        color, name = style.COLORS[("train", "validation", "good", "accent")[k]], words["branch"]
        start, end = np.clip([float(branch.domain.start), float(branch.domain.end)], *window)
        z = np.linspace(start, end, 200)
        left.plot(z, forward(z), color=color, lw=2)
        term = sp.lambdify(derivation.density.variable, branch.density, "numpy")(x)
        label = name.format(style.digits(k + 1, lang))
        right.fill_between(x, bottom, bottom + term, color=color, alpha=0.35, lw=0, label=label)
        bottom = bottom + term
    level = 0.4 * reach  # one x, and the z of every branch that it comes from
    for branch in derivation.branches:
        at = float(branch.inverse.subs(derivation.density.variable, level))
        left.plot([at, at, 0], [0, level, level], color=style.COLORS["reference"], lw=0.9, ls=":")
    left.set(title=words["map"], xlabel=words["z"], ylabel=words["x"], ylim=(0, reach))
    heights, edges = np.histogram(sample, bins=60, range=(0, reach))
    right.stairs(
        heights / (len(sample) * np.diff(edges)),
        edges,
        color=style.COLORS["plain"],
        label=words["sample"],
    )
    right.plot(x, bottom, color=style.COLORS["reference"], lw=1.5, label=words["sum"])
    right.set(title=words["result"], xlabel=words["x"], ylabel=words["density"], ylim=(0, 1.05 * bottom[0]))
    right.legend()
    return fig


@style.bilingual
def polar(derivation: PlaneDerivation, points: np.ndarray, lang: str) -> Figure:
    """Points of the plane with two cells of equal dr and dθ, and radius and angle against their densities.

    Args:
        derivation: from Cartesian to polar coordinates.
        points: shape (n, 2).
        lang: ``fa`` or ``en``.
    """
    words = style.localized(_WORDS, lang)
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    fig, axes = plt.subplots(1, 3, figsize=(7.8, 2.9))
    axes[0].plot(*points[:1500].T, ".", ms=1.5, zorder=1, color=style.COLORS["plain"])
    for inner, color in ((0.5, "train"), (2.0, "validation")):
        theta = np.linspace(0.5, 1.0, 40)
        edge = np.concatenate(
            [
                [inner * np.cos(theta), inner * np.sin(theta)],
                [(inner + 0.5) * np.cos(theta[::-1]), (inner + 0.5) * np.sin(theta[::-1])],
            ],
            1,
        )
        axes[0].fill(*edge, color=style.COLORS[color], alpha=0.8)
    axes[0].set(title=words["plane"], xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
    for k, (ax, values, name) in enumerate(zip(axes[1:], (radius, angle), ("radius", "angle"), strict=True)):
        x, density = curve(derivation.density.marginal(k), window=(0.0, 4.5) if k == 0 else (-np.inf, np.inf))
        ax.hist(values, bins=45, density=True, color=style.COLORS["light"], alpha=0.6, label=words["sample"])
        ax.plot(x, density, color=style.COLORS["anomalous"], lw=2, label=words["formula"])
        ax.set(xlabel=words[name], ylim=(0, 1.35 * density.max()))
    axes[1].set_ylabel(words["density"])
    axes[1].legend(loc="upper right")
    return fig


@style.bilingual
def _stretched(base: Density, derivation: Derivation, piece: tuple[float, float], lang: str) -> Figure:
    """A density and a marked piece of it, before and after a map."""
    words = style.localized(_WORDS, lang)
    fig, axes = plt.subplots(1, 2, figsize=(7.2, 2.7), sharey=True)
    forward = sp.lambdify(base.variable, derivation.forward, "numpy")
    ends = (piece, sorted(forward(np.array(piece))))
    for ax, density, (low, high), name in zip(
        axes, (base, derivation.density), ends, ("base", "result"), strict=True
    ):
        x, p = curve(density, window=(-6.0, 6.0))
        inside = (x >= low) & (x <= high)
        ax.fill_between(x, p, color=style.COLORS["light"], alpha=0.4)
        ax.fill_between(x[inside], p[inside], color=style.COLORS["anomalous"], alpha=0.8)
        ax.plot(x, p, color=style.COLORS["train"])
        ax.set(title=words[name], xlabel=words["z" if name == "base" else "x"], xlim=(-6, 6), ylim=(0, None))
    axes[0].set_ylabel(words["density"])
    return fig


def affine(
    bases: Mapping[Words, Density],
    slopes: Sequence[float],
    shifts: Sequence[float],
    start: tuple[float, float],
    piece: tuple[float, float] = (0.5, 0.75),
) -> Explorable:
    """The map x = a z + b and the density of x, with a piece of z whose probability stays.

    The densities are derived (:func:`~hw2lib.symbolic.change_of_variables`) for each slope without a shift,
    and moved.

    Args:
        bases: densities of z, by the name under which the reader chooses one.
        slopes, shifts: values of a, none of them 0, and of b.
        start: the a and b that are shown at first.
        piece: the ends of the marked piece, inside every support.
    """
    x = sp.Symbol("x", real=True)
    exact = [sp.nsimplify(slope) for slope in slopes]
    derived = [[change_of_variables(base, x / a, x).density for a in exact] for base in bases.values()]
    at = [sp.nsimplify(end) for end in piece]
    scales = [  # how much lower the density of x is than that of z, at the same point of either
        [
            float(d.expression.subs(x, a * at[0]) / base.expression.subs(base.variable, at[0]))
            for a, d in zip(exact, of, strict=True)
        ]
        for base, of in zip(bases.values(), derived, strict=True)
    ]
    mass = [float(sp.integrate(base.expression, (base.variable, *at))) for base in bases.values()]
    tops = [float(curve(base, window=(-4.0, 4.0), points=401)[1].max()) for base in bases.values()]

    def support(density: Density, shift: float) -> Text:
        ends = Interval(float(density.lower) + shift, float(density.upper) + shift, ".2f")
        return Text(*(localize(ends, lang) for lang in LANGUAGES))

    def points(density: Density, window: tuple[float, float]) -> list[tuple[float, float]]:
        return [*zip(*curve(density, points=65, window=window), strict=True)]

    readings = [
        Reading(
            Text("تکیه‌گاه x", "support of x"),
            ("base", "slope", "shift"),
            [[[support(d, shift) for shift in shifts] for d in of] for of in derived],
        ),
        Reading(
            Text("بیشترین چگالی x", "highest density of x"),
            ("base", "slope"),
            [[top * scale for scale in of] for top, of in zip(tops, scales, strict=True)],
            ".2f",
        ),
        Reading(
            Text("درازای تکهٔ رنگی", "length of the marked piece"),
            ("slope",),
            [abs(a) * (piece[1] - piece[0]) for a in slopes],
            ".2f",
        ),
        Reading(Text("احتمال تکهٔ رنگی", "probability of the marked piece"), ("base",), mass, ".2f"),
    ]
    drawing = {
        "z": axis(_WORDS["z"], -6, 6, [-6, -3, 0, 3, 6]),
        "x": axis(_WORDS["x"], -6, 6, [-6, -3, 0, 3, 6]),
        "density": axis(_WORDS["density"], 0, 2.1, [0, 1, 2]),
        "curves": [points(base, (-4.0, 4.0)) for base in bases.values()],
        "pieces": [points(base, piece) for base in bases.values()],
        "scales": scales,
        "slopes": [*slopes],
        "shifts": [*shifts],
        "before": _WORDS["base"],
        "after": _WORDS["result"],
    }
    controls = [
        Control("slope", Text("شیب a", "slope a"), slopes, [*slopes].index(start[0]), ".2f"),
        Control("shift", Text("جابه‌جایی b", "shift b"), shifts, [*shifts].index(start[1]), ".2f"),
        Control("base", Text("چگالی z", "density of z"), [*bases], choice=True),
    ]
    first = next(iter(bases.values()))
    a, b = map(sp.nsimplify, start)
    still = _stretched(first, change_of_variables(first, (x - b) / a, x), piece)
    return Explorable("affine", controls, readings, drawing, still)
