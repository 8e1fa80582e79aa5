"""Figures of chapter 8: a defect in a sum, filters, densities of one cell, calibration, maps, methods."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from hw2lib.bilingual import Text, Words, localize
from hw2lib.statistics import Estimate

from . import diagram, style
from .anomaly import DEFECTS

METHODS: dict[str, Words] = {
    "neighbours": Text("نزدیک‌ترین همسایه", "nearest neighbour"),
    "gaussian": Text("گاوسی مکان‌به‌مکان", "position-wise Gaussian"),
    "maf": Text("جریان شرطی MAF", "conditional MAF"),
    "neighbours_and_maf": Text("همسایه و MAF با هم", "neighbour and MAF together"),
}
_WORDS: dict[str, Words] = {
    "moved": Text("شمار جمله‌های تغییرکرده، k", "terms that moved, k"),
    "formula": Text("مجموع، با فرمول", "the sum, by the formula"),
    "sum": Text("مجموع، با شبیه‌سازی", "the sum, simulated"),
    "group": Text("بزرگ‌ترین گروه، با شبیه‌سازی", "the largest group, simulated"),
    "even": Text("زوج", "even"),
    "odd": Text("فرد", "odd"),
    "feature": Text("ویژگی زوج", "even feature"),
    "other": Text("ویژگی فرد", "odd feature"),
    "wanted": Text("احتمال اعلام‌شده", "probability it says"),
    "found": Text("سهم خانه‌های سالم تازه", "share of fresh normal cells"),
    "ideal": Text("واسنجی کامل", "perfect calibration"),
    "value": Text("مقدار", "value"),
    "missed": Text("از دست رفته", "missed"),
    "alarm": Text("هشدار نادرست", "false alarm"),
    "row": Text("سطر (پیکسل)", "row (pixels)"),
    "column": Text("ستون (پیکسل)", "column (pixels)"),
}
ABLATIONS: dict[str, Words] = {
    "all": Text("همه با هم", "all of it"),
    "no_object_mask": Text("بدون ماسک شیء", "without the object mask"),
    "isotropic_filters": Text("فیلترهای گرد", "round filters"),
    "values_pooled": Text("میانگین پاسخ به‌جای انرژی", "mean response for energy"),
    "not_calibrated": Text("بدون واسنجی", "without calibration"),
    "one_mode": Text("گاوسی به‌جای همسایه", "Gaussian for neighbours"),
    "largest_cell": Text("تنها بزرگ‌ترین خانه", "largest cell alone"),
    "mean_of_all_cells": Text("میانگین همهٔ خانه‌ها", "mean of all cells"),
}
MEASURES: dict[str, Words] = {
    "all": Text("مقدار AUROC، تصویر", "image AUROC"),
    "average_precision": Text("میانگین دقت، تصویر", "average precision, images"),
    "f1_max": Text("بیشینهٔ F1، تصویر", "F1-max, images"),
    "pixel_auroc": Text("مقدار AUROC، پیکسل", "pixel AUROC"),
    "aupro_0.3": Text("سنجهٔ AUPRO تا ۰٫۳", "AUPRO to 0.3"),
    "aupro_0.05": Text("سنجهٔ AUPRO تا ۰٫۰۵", "AUPRO to 0.05"),
    "aupimo": "AUPIMO",
    "pixel_f1_max": Text("بیشینهٔ F1، پیکسل", "F1-max, pixels"),
    "pixel_average_precision": Text("میانگین دقت، پیکسل", "average precision, pixels"),
}
LOCATION_ONLY = Text("تنها نقشهٔ میانگین", "mean map only")
_COLORS = {"neighbours": "anomalous", "gaussian": "plain", "maf": "train", "neighbours_and_maf": "good"}
_STAGES = (
    Text("تصویر", "image"),
    Text("فیلترهای\nکشیده", "elongated\nfilters"),
    Text("ویژگی‌های\nهر خانه", "features of\neach cell"),
    Text("چگالی به\nشرط مکان", "density, given\nthe place"),
    Text("واسنجی", "calibration"),
    Text("میانگین پنج\nخانهٔ بزرگ‌تر", "mean of the\nfive largest"),
)
_SHAPES = ("3×256×256", "32×256×256", "35×64×64", "64×64", "64×64", "1")


@style.bilingual
def pipeline(lang: str) -> Figure:
    """From an image to its score, with the shape of what leaves each stage."""
    fig, ax = diagram.canvas(11.4, 2.3, 0.74)
    middle = [0.95 + 1.9 * k for k in range(len(_STAGES))]
    for x, stage, shape in zip(middle, _STAGES, _SHAPES, strict=True):
        color = style.COLORS["light"] if stage is _STAGES[3] else diagram.PALE
        diagram.box(ax, (x, 1.45), localize(stage, lang), (1.5, 0.95), color, fontsize=9)
        diagram.label(ax, (x, 0.62), style.digits(shape, lang), fontsize=8.5)
    for k, (left, right) in enumerate(zip(middle, middle[1:], strict=False)):
        diagram.arrow(ax, (left + 0.78, 1.45), (right - 0.78, 1.45), f"{k}->{k + 1}")
    return fig


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


@style.bilingual
def one_cell(
    points: np.ndarray,
    axes: tuple[np.ndarray, np.ndarray],
    scores: Mapping[str, tuple[np.ndarray, Sequence[float]]],
    lang: str,
) -> Figure:
    """What densities make of two features of one cell: normal images as dots, regions by their scores.

    Args:
        points: the two features in each normal image, (n, 2).
        axes: values of either feature at which the densities are scored.
        scores: by density, its scores, (second, first), and the scores that 50, 80 and 95 % of held-out
            normal cells stay below.
        lang: ``fa`` or ``en``.
    """
    words = style.localized(_WORDS, lang)
    fig, panels = plt.subplots(1, len(scores), figsize=(8.2, 2.9), sharex=True, sharey=True)
    shades = ["#0072B2", "#7fb8d8", "#d3e6f1"]
    for ax, (name, (values, levels)) in zip(panels, scores.items(), strict=True):
        edges = [min(float(values.min()), *levels) - 1, *levels]
        ax.contourf(*axes, values, levels=edges, colors=shades)
        ax.plot(*points.T, ".", color=style.COLORS["reference"], ms=3.5)
        ax.set(title=localize(METHODS[name], lang), xlabel=words["feature"])
        ax.grid(False)
    panels[0].set_ylabel(words["other"])
    return fig


@style.bilingual
def calibration(shares: Mapping[str, Mapping[float, float]], lang: str) -> Figure:
    """By density, the share of fresh normal cells whose probability is at most so small."""
    words = style.localized(_WORDS, lang)
    fig, ax = plt.subplots(figsize=(5.6, 3.2))
    for name, curve in shares.items():
        found = {wanted: share for wanted, share in curve.items() if share > 0}
        color = style.COLORS[_COLORS[name]]
        ax.plot(
            *zip(*found.items(), strict=True), "o-", color=color, ms=4, label=localize(METHODS[name], lang)
        )
    ends = [min(min(curve) for curve in shares.values()), max(max(curve) for curve in shares.values())]
    ax.plot(ends, ends, ":", color=style.COLORS["reference"], lw=1, label=words["ideal"])
    ax.set(xscale="log", yscale="log", xlabel=words["wanted"], ylabel=words["found"])
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


@style.bilingual
def measures(estimates: Mapping[str, Mapping[str, Estimate]], lang: str) -> Figure:
    """Every measure of every method with its interval.

    Args:
        estimates: by method, by measure; ``location_only`` may be among the methods.
        lang: ``fa`` or ``en``.
    """
    names: dict[str, Words] = METHODS | {"location_only": LOCATION_ONLY}
    fig, ax = plt.subplots(figsize=(7.2, 4.6))
    for k, (method, found) in enumerate(estimates.items()):
        color = style.COLORS[_COLORS.get(method, "reference")]
        for y, measure in enumerate(MEASURES):
            if measure not in found:
                continue
            place, estimate = y + 0.16 * (k - (len(estimates) - 1) / 2), found[measure]
            style.interval(ax, estimate.low, estimate.high, place, color=color, lw=4, alpha=0.3)
            label = localize(names[method], lang) if measure == "pixel_auroc" else None
            ax.plot(estimate.value, place, "o", color=color, ms=4, label=label)
    ax.set_yticks(range(len(MEASURES)), [localize(words, lang) for words in MEASURES.values()])
    ax.set(xlim=(-0.02, 1.02))
    ax.invert_yaxis()
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncol=3, fontsize=8.5)
    return fig


@style.bilingual
def places(defects: pd.DataFrame, alarms: pd.DataFrame, size: int, lang: str) -> Figure:
    """Where the defects of the test images lie, which are missed, and where false alarms look.

    Args:
        defects: ``defect``, ``row``, ``column`` and ``missed`` of each defective image.
        alarms: ``peak_row`` and ``peak_column`` of each normal image that is called defective.
        size: of the images in pixels; rows without anything are left out.
        lang: ``fa`` or ``en``.
    """
    words = style.localized(_WORDS, lang)
    fig, ax = plt.subplots(figsize=(8.2, 3.2))
    kinds = [kind for kind in DEFECTS if kind != "all"]
    for kind, color in zip(kinds, style.PALETTE, strict=False):
        part = defects[defects["defect"] == kind]
        ax.plot(part["column"], part["row"], "o", color=color, ms=5, label=localize(DEFECTS[kind], lang))
    lost = defects[defects["missed"]]
    ink = style.COLORS["reference"]
    ax.plot(lost["column"], lost["row"], "o", mfc="none", mec=ink, mew=1.8, ms=13, label=words["missed"])
    ax.plot(alarms["peak_column"], alarms["peak_row"], "x", color=ink, ms=8, mew=2, label=words["alarm"])
    rows = [*defects["row"], *alarms["peak_row"]]
    ends = max(rows) + size / 16, min(rows) - size / 16
    ax.set(xlim=(0, size), ylim=ends, aspect="equal", xlabel=words["column"], ylabel=words["row"])
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return fig
