"""Figures of chapter 2: block Jacobians of coupling layers, and what determinants cost."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from hw2lib.bilingual import Text, Words, localize

from . import style

_INPUT, _OUTPUT = Text("ورودی", "input"), Text("خروجی", "output")
_SIZE = Text("بُعد d", "dimension d")
_COSTS = (
    Text("شمار ضرب و تقسیم", "multiplications and divisions"),
    Text("زمان پردازنده (ثانیه)", "processor time (seconds)"),
)
_KINDS = {
    "full": Text("ماتریس دلخواه", "general matrix"),
    "triangle": Text("ماتریس مثلثی", "triangular matrix"),
}
_SLOPES = {"full": (3, Text("شیب ۳", "slope 3"), "--"), "triangle": (1, Text("شیب ۱", "slope 1"), ":")}


@style.bilingual
def block_jacobians(matrices: Mapping[Words, np.ndarray], passive: int, lang: str) -> Figure:
    """|∂u_i/∂x_j| on a logarithmic scale, with the borders of the blocks; exact zeros are white.

    Args:
        matrices: square Jacobians by their titles.
        passive: how many coordinates the layer passes on.
        lang: ``fa`` or ``en``.
    """
    fig, axes = plt.subplots(1, len(matrices), figsize=(2.75 * len(matrices), 3.0), squeeze=False)
    for ax, (title, matrix) in zip(axes[0], matrices.items(), strict=True):
        magnitude = np.ma.masked_equal(np.abs(matrix), 0)
        image = ax.imshow(magnitude, norm=LogNorm(1e-3, 30), interpolation="nearest")
        for line in (ax.axhline, ax.axvline):
            line(passive - 0.5, color=style.COLORS["anomalous"], lw=1.5)
        ax.set(title=localize(title, lang), xticks=[], yticks=[])
        ax.set(xlabel=localize(_INPUT, lang), ylabel=localize(_OUTPUT, lang))
        ax.grid(False)
    fig.colorbar(image, ax=axes[0].tolist(), shrink=0.8)
    return fig


@style.bilingual
def growth(
    counts: Mapping[str, Mapping[int, float]], times: Mapping[str, Mapping[int, float]], lang: str
) -> Figure:
    """Cost over dimension on two logarithmic axes, for the kinds ``full`` and ``triangle``.

    Args:
        counts: for each kind, the number of multiplications at each dimension.
        times: for each kind, the seconds at each dimension.
        lang: ``fa`` or ``en``.
    """
    fig, axes = plt.subplots(1, 2, figsize=(7.6, 3.4))
    for ax, costs, title in zip(axes, (counts, times), _COSTS, strict=True):
        for kind, color, marker in (("full", "anomalous", "o"), ("triangle", "train", "s")):
            look = {"color": style.COLORS[color], "marker": marker, "ms": 4}
            ax.loglog(*zip(*costs[kind].items(), strict=True), **look, label=localize(_KINDS[kind], lang))
        for kind, (slope, label, dashes) in _SLOPES.items():
            _guide(ax, costs[kind], slope, localize(label, lang), dashes)
        ax.set(xlabel=localize(_SIZE, lang), title=localize(title, lang))
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_xticks(list(counts["full"]), [str(size) for size in counts["full"]])
    axes[0].legend()
    return fig


def _guide(ax: Axes, costs: Mapping[int, float], slope: int, label: str, dashes: str) -> None:
    """A line of the given slope through the last point, a little below it."""
    sizes = np.array(list(costs)[-3:], dtype=float)
    ax.loglog(
        sizes,
        0.4 * list(costs.values())[-1] * (sizes / sizes[-1]) ** slope,
        color=style.COLORS["plain"],
        ls=dashes,
        label=label,
    )
