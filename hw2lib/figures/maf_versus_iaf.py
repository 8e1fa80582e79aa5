"""Figures of chapter 5: how depth and time grow with the dimension, and what few stages cost."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from hw2lib.bilingual import Text, localize

from . import style

_WORDS = {
    "size": Text("بُعد داده", "dimension of the data"),
    "depth": Text("گام‌های پیاپی در هر بلوک", "sequential steps per block"),
    "seconds": Text("زمان پردازنده (ثانیه)", "processor time (seconds)"),
    "extrapolated": Text("وارون ساده، برون‌یابی", "naive inverse, extrapolated"),
    "stages": Text("شمار مرحله‌ها در هر بلوک", "stages per block"),
    "nll": Text("زیان دادهٔ آزمون (نات)", "loss on held-out data (nats)"),
    "bound": Text("کران یک بلوک", "bound of one block"),
    "entropy": Text("آنتروپی داده", "entropy of the data"),
}
KINDS = {
    "parallel": Text("یک گذر", "one pass"),
    "staged": Text("وارون مرحله‌ای", "staged inverse"),
    "naive": Text("وارون ساده", "naive inverse"),
}
WAYS = {
    "MAF density": Text("چگالی MAF: یک گذر", "MAF density: one pass"),
    "IAF sampling": Text("نمونه‌برداری IAF: یک گذر", "IAF sampling: one pass"),
    "MAF sampling, staged": Text("نمونه‌برداری MAF: مرحله‌ای", "MAF sampling: staged"),
    "IAF density, staged": Text("چگالی IAF: مرحله‌ای", "IAF density: staged"),
    "MAF sampling, naive": Text("نمونه‌برداری MAF: ساده", "MAF sampling: naive"),
    "IAF density, naive": Text("چگالی IAF: ساده", "IAF density: naive"),
}
_BLOCKS = {
    1: Text("یک بلوک، آموزش‌دیده", "one block, trained"),
    2: Text("دو بلوک، آموزش‌دیده", "two blocks, trained"),
}
# The model gives the colour, the way through it the line.
_SERIES = {
    "MAF density": ("train", "-", "o"),
    "IAF sampling": ("anomalous", "-", "s"),
    "MAF sampling, staged": ("train", "--", "o"),
    "IAF density, staged": ("anomalous", "--", "s"),
    "MAF sampling, naive": ("train", ":", "o"),
    "IAF density, naive": ("anomalous", ":", "s"),
}


@style.bilingual
def growth(
    depths: Mapping[str, Mapping[int, int]], seconds: Mapping[str, Mapping[int, float]], lang: str
) -> Figure:
    """Counted steps and measured time over the dimension, all on logarithmic axes.

    Args:
        depths: for ``parallel``, ``staged`` and ``naive``, the sequential steps at each dimension.
        seconds: for ``MAF density``, ``IAF sampling`` and, ending in ``, staged`` or ``, naive``,
            ``MAF sampling`` and ``IAF density``, the seconds at each dimension measured. Where the naive
            way was not measured, D times a pass is drawn instead, thin and named as such.
        lang: ``fa`` or ``en``.
    """
    words = style.localized(_WORDS, lang)
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.2, 5.0), width_ratios=(2, 3))
    for kind, dashes in (("naive", ":"), ("staged", "--"), ("parallel", "-")):
        _line(left, depths[kind], localize(KINDS[kind], lang), "reference", dashes, "D")
    for name, (color, dashes, marker) in _SERIES.items():
        _line(right, seconds[name], localize(WAYS[name], lang), color, dashes, marker)
    passes, measured = seconds["IAF sampling"], seconds["IAF density, naive"]
    beyond = {d: d * value for d, value in passes.items() if d >= max(measured)}
    right.plot(*_points(beyond), color=style.COLORS["plain"], lw=1, ls=":", label=words["extrapolated"])
    sizes = list(passes)
    names = [style.digits(f"{d:,}".replace(",", "\u202f"), lang) for d in sizes]
    for ax, label, columns in ((left, "depth", 1), (right, "seconds", 2)):
        ax.set(xlabel=words["size"], title=words[label])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticks(sizes, names, rotation=40)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=columns, fontsize=8.5)
    return fig


@style.bilingual
def price(
    bound: Mapping[int, float], trained: Mapping[int, Mapping[int, float]], entropy: float, lang: str
) -> Figure:
    """Loss over the number of stages: the exact bound of one block, and what training reached.

    Args:
        bound: for each number of stages, the least expected loss of one block.
        trained: for 1 and 2 blocks, the held-out loss at each number of stages.
        entropy: of the data, below which no model gets.
        lang: ``fa`` or ``en``.
    """
    words = style.localized(_WORDS, lang)
    fig, ax = plt.subplots(figsize=(6.2, 3.6))
    ax.plot(*_points(bound), color=style.COLORS["reference"], lw=1.3, label=words["bound"])
    ax.axhline(entropy, color=style.COLORS["plain"], ls="--", label=words["entropy"])
    for blocks, color, marker in ((1, "train", "o"), (2, "anomalous", "s")):
        xs, ys = _points(trained[blocks])
        ax.plot(xs, ys, marker, color=style.COLORS[color], label=localize(_BLOCKS[blocks], lang))
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(bound), [style.digits(s, lang) for s in bound])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel=words["stages"], ylabel=words["nll"])
    ax.legend()
    return fig


def _line(ax: Axes, values: Mapping[int, float], label: str, color: str, dashes: str, marker: str) -> None:
    ax.loglog(*_points(values), color=style.COLORS[color], ls=dashes, marker=marker, ms=4, label=label)


def _points(values: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(list(values)), np.array(list(values.values()))
