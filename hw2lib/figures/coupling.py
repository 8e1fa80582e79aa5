"""Figures of chapter 2: block Jacobians of coupling layers, and what determinants cost."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from . import style

_WORDS = {
    "fa": {
        "input": "ورودی",
        "output": "خروجی",
        "size": "بُعد d",
        "counts": "شمار ضرب و تقسیم",
        "seconds": "زمان پردازنده (ثانیه)",
        "full": "ماتریس کلی",
        "triangle": "ماتریس مثلثی",
        "cubic": "شیب ۳",
        "linear": "شیب ۱",
    },
    "en": {
        "input": "input",
        "output": "output",
        "size": "dimension d",
        "counts": "multiplications and divisions",
        "seconds": "processor time (seconds)",
        "full": "general matrix",
        "triangle": "triangular matrix",
        "cubic": "slope 3",
        "linear": "slope 1",
    },
}


def block_jacobians(matrices: Sequence[np.ndarray], titles: Sequence[str], passive: int, lang: str) -> Figure:
    """|∂u_i/∂x_j| on a logarithmic scale, with the borders of the blocks; exact zeros are white."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, axes = plt.subplots(1, len(matrices), figsize=(2.75 * len(matrices), 3.0), squeeze=False)
        for ax, matrix, title in zip(axes[0], matrices, titles, strict=True):
            magnitude = np.ma.masked_equal(np.abs(matrix), 0)
            image = ax.imshow(magnitude, norm=LogNorm(1e-3, 30), cmap="viridis", interpolation="nearest")
            for line in (ax.axhline, ax.axvline):
                line(passive - 0.5, color=style.COLORS["anomalous"], lw=1.5)
            ax.set(title=title, xlabel=words["input"], ylabel=words["output"], xticks=[], yticks=[])
            ax.grid(False)
        fig.colorbar(image, ax=axes[0].tolist(), shrink=0.8)
        return style.finish(fig, lang)


def growth(
    counts: Mapping[str, Mapping[int, float]], times: Mapping[str, Mapping[int, float]], lang: str
) -> Figure:
    """Cost over dimension on two logarithmic axes, for the kinds ``full`` and ``triangle``.

    Args:
        counts: for each kind, the number of multiplications at each dimension.
        times: for each kind, the seconds at each dimension.
        lang: ``fa`` or ``en``.
    """
    words = _WORDS[lang]
    with style.language(lang):
        fig, axes = plt.subplots(1, 2, figsize=(7.6, 3.4))
        for ax, costs, label in ((axes[0], counts, "counts"), (axes[1], times, "seconds")):
            for kind, color, marker in (("full", "anomalous", "o"), ("triangle", "train", "s")):
                sizes, values = zip(*costs[kind].items(), strict=True)
                ax.loglog(sizes, values, color=style.COLORS[color], marker=marker, ms=4, label=words[kind])
            _guide(ax, costs["full"], 3, words["cubic"], "--")
            _guide(ax, costs["triangle"], 1, words["linear"], ":")
            ax.set(xlabel=words["size"], title=words[label])
            ax.xaxis.set_minor_formatter(NullFormatter())
        sizes = list(counts["full"])
        axes[0].set_xticks(sizes, [style.digits(size, lang) for size in sizes])
        axes[0].legend()
        return style.finish(fig, lang)


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
