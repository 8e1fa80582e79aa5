"""Figures of chapter 8: a defect in a sum, filters, densities of one cell, calibration, maps, methods."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from hw2lib.bilingual import Text, Words

from . import style

METHODS: dict[str, Words] = {
    "neighbours": Text("نزدیک‌ترین همسایه", "nearest neighbour"),
    "gaussian": Text("گاوسی مکان‌به‌مکان", "position-wise Gaussian"),
    "maf": Text("MAF شرطی", "conditional MAF"),
    "neighbours_and_maf": Text("همسایه و MAF با هم", "neighbour and MAF together"),
}
_WORDS: dict[str, Words] = {
    "moved": Text("شمار جمله‌های تغییرکرده، k", "terms that moved, k"),
    "formula": Text("مجموع، با فرمول", "the sum, by the formula"),
    "sum": Text("مجموع، با شبیه‌سازی", "the sum, simulated"),
    "group": Text("بزرگ‌ترین گروه، با شبیه‌سازی", "the largest group, simulated"),
    "even": Text("زوج", "even"),
    "odd": Text("فرد", "odd"),
}


@style.bilingual
def diluted(simulated: Mapping[int, tuple[float, float]], curve: Mapping[float, float], lang: str) -> Figure:
    """AUROC of a sum and of its largest group against the number of terms that moved.

    Args:
        simulated: by k, the areas of the sum and of the largest group of k.
        curve: by k, the area of the sum by the formula.
    """
    words = style.localized(_WORDS, lang)
    fig, ax = plt.subplots(figsize=(6.4, 3.3))
    ax.plot(*zip(*curve.items(), strict=True), color=style.COLORS["train"], lw=1.6, label=words["formula"])
    for j, (name, color, mark) in enumerate((("sum", "train", "o"), ("group", "anomalous", "s"))):
        values = [areas[j] for areas in simulated.values()]
        ax.plot([*simulated], values, mark, color=style.COLORS[color], ms=6, label=words[name])
    ax.axhline(0.5, color=style.COLORS["reference"], lw=1, ls=":")
    ax.set(xscale="log", xlabel=words["moved"], ylabel="AUROC", ylim=(0.47, 1.02))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


@style.bilingual
def filters(bank: Tensor, directions: int, lang: str) -> Figure:
    """The filters of one width: even ones above, odd ones below, a column for each direction.

    Args:
        bank: as :func:`~hw2lib.anomaly.local.line_filters` gives them, for one width.
        directions: number of columns.
    """
    words = style.localized(_WORDS, lang)
    fig, axes = plt.subplots(2, directions, figsize=(8.2, 2.5))
    for row, (line, name) in enumerate(zip(axes, ("even", "odd"), strict=True)):
        for k, ax in enumerate(line):
            picture = bank[2 * k + row].numpy()
            top = np.abs(picture).max()
            ax.imshow(picture, cmap="PuOr", vmin=-top, vmax=top, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
        line[0].set_ylabel(words[name])
    for k, ax in enumerate(axes[0]):
        ax.set_title(style.digits(f"{180 * k / directions:.4g}°", lang), fontsize=9.5)
    return fig
