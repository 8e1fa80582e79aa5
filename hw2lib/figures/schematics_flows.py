"""Schematics of chapters 1 to 6: how a flow is built, drawn from the models and masks themselves."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from hw2lib.bilingual import Text
from hw2lib.symbolic import Density, Derivation

from . import style

_STRETCH = {"z": Text("چگالی z", "density of z"), "x": Text("چگالی x", "density of x")}


@style.bilingual
def stretched_intervals(
    derivation: Derivation, base: Density, pieces: Sequence[tuple[float, float]], lang: str
) -> Figure:
    """Where a map takes pieces of the z axis, both axes in one scale; an area is the mass over its piece.

    Args:
        derivation: of an increasing map in one dimension.
        base: the density before.
        pieces: intervals of z.
        lang: ``fa`` or ``en``.
    """
    words = style.localized(_STRETCH, lang)
    forward = sp.lambdify(base.variable, derivation.forward, "numpy")
    ends = [float(end) for d in (base, derivation.density) for end in (d.lower, d.upper)]
    fig, axes = plt.subplots(2, 1, figsize=(7.4, 3.7), sharex=True, sharey=True, gridspec_kw={"hspace": 0.35})
    for ax, density, name in zip(axes, (base, derivation.density), "zx", strict=True):
        x = np.linspace(float(density.lower), float(density.upper), 300)
        height = sp.lambdify(density.variable, density.expression, "numpy")
        curve = np.broadcast_to(height(x), x.shape)
        ax.plot([x[0], *x, x[-1]], [0, *curve, 0], color=style.COLORS["reference"], lw=1.2)
        for piece, color in zip(pieces, style.PALETTE, strict=False):
            low, high = piece if name == "z" else forward(np.array(piece))
            inside = np.linspace(low, high, 60)
            ax.fill_between(inside, np.broadcast_to(height(inside), 60), color=color, alpha=0.5, lw=0)
        ax.set_ylabel(words[name])
        ax.set_xlabel(f"${name}$", loc="right", labelpad=-2)
        ax.tick_params(labelbottom=True)
        ax.grid(False)
    axes[0].set(xlim=(min(ends) - 0.2, max(ends) + 0.2), ylim=(0, 1.15 * axes[0].get_ylim()[1]))
    for piece, color in zip(pieces, style.PALETTE, strict=False):
        for value in piece:
            there, here = (float(forward(value)), axes[1].get_ylim()[1]), (value, 0.0)
            line = ConnectionPatch(here, there, "data", "data", axesA=axes[0], axesB=axes[1])
            line.set(color=color, lw=1.1, ls="--", arrowstyle="-|>", mutation_scale=9)
            fig.add_artist(line)
    return fig
