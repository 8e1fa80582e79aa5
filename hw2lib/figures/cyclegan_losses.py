"""Figures of chapter 9: translations in the plane, modes, the weight of the cycle, skies, one generator."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hw2lib.bilingual import Text, Words, localize
from hw2lib.experiments.toy.domains import SCENE

from . import style

_LOSSES = {"l1": Text("زیان L1", "L1 loss"), "l2": Text("زیان L2", "L2 loss")}
_WRONG = Text("سهم جفت‌های نادرست", "share of wrong pairs")
_REALISTIC = Text("سهم خروجی‌های نزدیک مُدها", "share of outputs near a mode")
_OUTPUTS = Text("شمار خروجی‌های متمایز", "number of distinct outputs")
_PRICE = Text("کمترین زیان چرخه‌ای", "smallest cycle loss")
_CYCLE = Text("بدون زیان چرخه‌ای", "without cycle loss"), Text("با زیان چرخه‌ای", "with cycle loss")
_IDENTITY = Text("بدون زیان همانی", "no identity loss"), Text("با زیان همانی", "identity loss")
_RUN = Text("شمارهٔ اجرا", "run")
_COVERED = Text("مُدهای پوشیده", "modes covered")
_SMALL = Text("وزن‌های کوچک در آغاز", "small weights at the start")
_MOVEMENT = Text("میانگین جابه‌جایی", "mean movement")
_NEEDED = Text("جابه‌جایی لازم", "movement needed")
_RANDOM = Text("مقداردهی تصادفی", "random start")
_COPY = Text("رونوشت در آغاز", "started as a copy")
_SUMMER = Text("تابستان", "summer")
_SHIFT = Text("جابه‌جایی رنگ آسمان", "shift of the sky's colour")
_DISTANCE = Text("فاصلهٔ انرژی نسبی", "relative energy distance")
_NOTHING = Text("بدون تغییر", "no change")
_DIRECTIONS = Text("A به B", "A to B"), Text("B به A", "B to A")
# Okabe and Ito's eight colours, one for each mode of the source.
_MODES = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")


@style.bilingual
def translations(
    inputs: Tensor,
    mode: Tensor,
    outputs: Sequence[Tensor],
    titles: Sequence[Words],
    target: Tensor,
    lang: str,
) -> Figure:
    """What several generators make of the same points; the colour tells from which mode a point comes.

    Args:
        inputs: points of the source, shape (n, 2).
        mode: the source mode of each point, shape (n,).
        outputs: what each generator makes of them, shape (n, 2).
        titles: one for the inputs, then one per generator.
        target: centres of the target's modes, shape (modes, 2), drawn as grey circles.
        lang: ``fa`` or ``en``.
    """
    colors = np.array(_MODES)[mode.numpy() % len(_MODES)]
    panels = [inputs, *outputs]
    reach = 1.25 * float(target.abs().max())
    fig, axes = plt.subplots(1, len(panels), figsize=(2.15 * len(panels), 2.4), squeeze=False)
    for ax, points, title in zip(axes.flat, panels, titles, strict=True):
        ax.scatter(*target.T.numpy(), s=260, facecolor="#eeeeee", edgecolor="#bbbbbb", lw=0.7)
        ax.scatter(*points.T.numpy(), s=4, c=colors, alpha=0.7, linewidths=0)
        ax.set(title=localize(title, lang), xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[])
        ax.set_aspect("equal")
        ax.grid(False)
        ax.spines[:].set(visible=True, color="#cccccc")
    return fig


@style.bilingual
def wrong_pairs(shares: Sequence[float], realistic: Mapping[str, Sequence[float]], lang: str) -> Figure:
    """Share of realistic outputs over the share of wrong pairs, for the losses ``l1`` and ``l2``."""
    fig, ax = plt.subplots(figsize=(5.4, 3.0))
    lines = {localize(name, lang): realistic[loss] for loss, name in _LOSSES.items()}
    sns.lineplot(pd.DataFrame(lines, shares), dashes=False, markers=["o", "s"], ms=6, ax=ax)
    ax.set(xlabel=localize(_WRONG, lang), ylabel=localize(_REALISTIC, lang), ylim=(-0.04, 1.04))
    return fig


@style.bilingual
def merging(outputs: Sequence[int], prices: Sequence[float], lang: str) -> Figure:
    """The smallest cycle loss that a generator with so many distinct outputs can reach."""
    fig, ax = plt.subplots(figsize=(5.4, 3.0))
    ax.plot(outputs, prices, color=style.COLORS["cycle"], marker="o")
    ax.set(xlabel=localize(_OUTPUTS, lang), ylabel=localize(_PRICE, lang))
    ax.set(xticks=list(outputs), ylim=(0, None))
    return fig


@style.bilingual
def modes(without: Sequence[int], with_cycle: Sequence[int], small: int, total: int, lang: str) -> Figure:
    """Modes covered by each run, side by side; the runs from ``small`` on had small weights."""
    fig, ax = plt.subplots(figsize=(7.0, 3.2))
    counts = dict(zip(_CYCLE, (without, with_cycle), strict=True))
    _by_run(ax, counts, ("anomalous", "cycle"), small, (_SMALL, total + 0.25), lang)
    ax.set(ylabel=localize(_COVERED, lang), ylim=(0, total + 1), yticks=range(total + 1))
    return fig


@style.bilingual
def weights(
    weights: Sequence[float],
    realistic: Sequence[Tensor],
    moved: Sequence[Tensor],
    copies: Sequence[bool],
    needed: float,
    lang: str,
) -> Figure:
    """Realism and movement over λ: the median of each group of runs, in a band of all of them.

    Args:
        weights: the values of λ.
        realistic: share of realistic outputs, for each λ one value per run.
        moved: mean of ‖G(x) − x‖, likewise.
        copies: which runs started as a copy.
        needed: the movement to the nearest realistic output.
        lang: ``fa`` or ``en``.
    """
    colors = {_RANDOM: style.COLORS["train"], _COPY: style.COLORS["anomalous"]}
    groups = {localize(name, lang): color for name, color in colors.items()}
    group = np.where(copies, *reversed(groups))
    fig, axes = plt.subplots(1, 2, figsize=(7.6, 3.3))
    for ax, values, label in ((axes[0], realistic, _REALISTIC), (axes[1], moved, _MOVEMENT)):
        table = pd.DataFrame(np.stack(values), index=weights).melt(ignore_index=False)
        sns.lineplot(
            x=table.index,
            y=table["value"],
            hue=group[table["variable"].astype(int)],
            palette=groups,
            estimator="median",
            errorbar=("pi", 100),
            marker="o",
            legend=ax is axes[1],
            ax=ax,
        )
        ax.set_xscale("symlog", linthresh=1)
        ax.set(xlabel="λ", ylabel="", title=localize(label, lang), xlim=(-0.2, 1.6 * max(weights)))
    axes[1].axhline(needed, color=style.COLORS["reference"], lw=1, ls=":", label=localize(_NEEDED, lang))
    axes[0].set_ylim(-0.04, 1.04)
    axes[1].set_ylim(-0.1, None)
    _legend_above(axes[1], 3)
    return fig


@style.bilingual
def skies(images: Tensor, without: Tensor, with_identity: Tensor, lang: str) -> Figure:
    """Scenes and their translations by one run without and one with identity loss.

    Shapes:
        each (n, 48), values around [−1, 1].
    """
    rows = dict(zip((_SUMMER, *_IDENTITY), (images, without, with_identity), strict=True))
    fig, axes = plt.subplots(len(rows), len(images), figsize=(0.95 * len(images) + 1, 3.2))
    for line, (name, scenes) in zip(axes, rows.items(), strict=True):
        pictures = ((scenes.unflatten(-1, SCENE) + 1) / 2).clamp(0, 1).movedim(1, -1).numpy()
        for ax, picture in zip(line, pictures, strict=True):
            ax.imshow(picture, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.spines[:].set_visible(False)
        line[0].set_ylabel(localize(name, lang), rotation=0, ha="right", va="center")
    return fig


@style.bilingual
def colour_shift(without: Tensor, with_identity: Tensor, plain: int, lang: str) -> Figure:
    """Mean shift of the sky's tint in each run; the first ``plain`` ones had a random start."""
    fig, ax = plt.subplots(figsize=(7.0, 3.0))
    shifts = dict(zip(_IDENTITY, (without.tolist(), with_identity.tolist()), strict=True))
    _by_run(ax, shifts, ("anomalous", "train"), plain, (_COPY, 1.28), lang)
    ax.set(ylabel=localize(_SHIFT, lang), ylim=(0, 1.45))
    return fig


@style.bilingual
def generators(panels: Mapping[Words, tuple[Tensor, Tensor]], lang: str) -> Figure:
    """Distance left after translation, relative to the distance between the domains, per run.

    Args:
        panels: for each arrangement, by its title, the values A to B and B to A, one per run.
        lang: ``fa`` or ``en``.
    """
    dots = pd.DataFrame(
        (localize(title, lang), localize(direction, lang), value)
        for title, both in panels.items()
        for direction, values in zip(_DIRECTIONS, both, strict=True)
        for value in values.tolist()
    )
    fig, ax = plt.subplots(figsize=(7.2, 3.3))
    colors = [style.COLORS["train"], style.COLORS["anomalous"]]
    sns.stripplot(dots, x=0, y=2, hue=1, palette=colors, dodge=True, jitter=False, size=6, alpha=0.75, ax=ax)
    ax.axhline(1, color=style.COLORS["reference"], lw=1, ls=":", label=localize(_NOTHING, lang))
    ax.set(xlabel="", ylabel=localize(_DISTANCE, lang), ylim=(-0.08, 1.4))
    _legend_above(ax, 3)
    return fig


def _by_run(
    ax: Axes,
    values: Mapping[Text, Sequence[float]],
    colors: Sequence[str],
    special: int,
    note: tuple[Words, float],
    lang: str,
) -> None:
    """Bars side by side, one group per run; the runs from ``special`` on stand on grey, with a note."""
    table = pd.DataFrame({localize(name, lang): column for name, column in values.items()})
    table.index = pd.Index(table.index + 1, name=localize(_RUN, lang))
    bars = table.reset_index().melt(table.index.name)
    palette = [style.COLORS[color] for color in colors]
    sns.barplot(bars, x=table.index.name, y="value", hue="variable", palette=palette, saturation=1, ax=ax)
    ax.axvspan(special - 0.5, len(table) - 0.5, color="#f3f3f3", zorder=0)
    ax.text((special + len(table) - 1) / 2, note[1], localize(note[0], lang), ha="center")
    ax.set(xlim=(-0.5, len(table) - 0.5))
    _legend_above(ax, 2)


def _legend_above(ax: Axes, columns: int) -> None:
    handles, names = ax.get_legend_handles_labels()
    if legend := ax.get_legend():
        legend.remove()
    ax.figure.legend(handles, names, loc="outside upper center", ncols=columns)
