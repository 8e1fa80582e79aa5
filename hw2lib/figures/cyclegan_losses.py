"""Figures of chapter 8: translations in the plane, modes, the weight of the cycle, skies, one generator."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hw2lib.experiments.toy.domains import SCENE

from . import style

_WORDS = {
    "fa": {
        "wrong": "سهم جفت‌های نادرست",
        "realistic": "سهم خروجی‌های نزدیک مُدها",
        "l1": "زیان L1",
        "l2": "زیان L2",
        "outputs": "شمار خروجی‌های متمایز",
        "price": "کمترین زیان چرخه‌ای",
        "without": "بدون زیان چرخه‌ای",
        "with": "با زیان چرخه‌ای",
        "training": "شمارهٔ آموزش",
        "modes": "مُدهای پوشیده",
        "collapsed": "آغاز با وزن‌های کوچک",
        "weight": "λ",
        "movement": "میانگین جابه‌جایی",
        "needed": "جابه‌جایی لازم",
        "plain": "آغاز تصادفی",
        "copy": "آغاز از رونوشت",
        "input": "تابستان",
        "no_identity": "بی زیان همانی",
        "identity": "با زیان همانی",
        "shift": "جابه‌جایی رنگ آسمان",
        "distance": "فاصلهٔ انرژی نسبی",
        "nothing": "هیچ تغییری",
        "A_to_B": "A به B",
        "B_to_A": "B به A",
    },
    "en": {
        "wrong": "share of wrong pairs",
        "realistic": "share of outputs near a mode",
        "l1": "L1 loss",
        "l2": "L2 loss",
        "outputs": "number of distinct outputs",
        "price": "smallest cycle loss",
        "without": "without cycle loss",
        "with": "with cycle loss",
        "training": "training",
        "modes": "modes covered",
        "collapsed": "started with small weights",
        "weight": "λ",
        "movement": "mean movement",
        "needed": "movement needed",
        "plain": "random start",
        "copy": "started as a copy",
        "input": "summer",
        "no_identity": "no identity loss",
        "identity": "identity loss",
        "shift": "shift of the sky's colour",
        "distance": "relative energy distance",
        "nothing": "no change",
        "A_to_B": "A to B",
        "B_to_A": "B to A",
    },
}
# Okabe and Ito's eight colours, one for each mode of the source.
_MODES = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")


def translations(
    inputs: Tensor, mode: Tensor, outputs: Sequence[Tensor], titles: Sequence[str], target: Tensor, lang: str
) -> Figure:
    """What several generators make of the same points; the colour tells from which mode a point comes.

    Args:
        inputs: points of the source, shape (n, 2).
        mode: the source mode of each point, shape (n,).
        outputs: what each generator makes of them, shape (n, 2).
        titles: one for the inputs, then one per generator.
        target: centres of the target's modes, shape (modes, 2), drawn as grey circles.
    """
    colors = np.array(_MODES)[mode.numpy() % len(_MODES)]
    panels = [inputs, *outputs]
    reach = 1.25 * float(target.abs().max())
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    with style.language(lang):
        fig, axes = plt.subplots(rows, columns, figsize=(2.15 * columns, 2.4 * rows), squeeze=False)
        for ax, points, title in zip(axes.flat, panels, titles, strict=True):
            ax.scatter(*target.T.numpy(), s=260, facecolor="#eeeeee", edgecolor="#bbbbbb", lw=0.7)
            ax.scatter(*points.T.numpy(), s=4, c=colors, alpha=0.7, linewidths=0)
            ax.set(title=title, xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[])
            ax.set_aspect("equal")
            ax.grid(False)
            ax.spines[:].set(visible=True, color="#cccccc")
        return style.finish(fig, lang)


def wrong_pairs(shares: Sequence[float], realistic: Mapping[str, Sequence[float]], lang: str) -> Figure:
    """Share of realistic outputs over the share of wrong pairs, for the losses ``l1`` and ``l2``."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(5.4, 3.0))
        for name, color, marker in (("l1", "train", "o"), ("l2", "validation", "s")):
            ax.plot(shares, realistic[name], color=style.COLORS[color], marker=marker, label=words[name])
        ax.set(xlabel=words["wrong"], ylabel=words["realistic"], ylim=(-0.04, 1.04))
        ax.legend()
        return style.finish(fig, lang)


def merging(outputs: Sequence[int], prices: Sequence[float], lang: str) -> Figure:
    """The smallest cycle loss that a generator with so many distinct outputs can reach."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(5.4, 3.0))
        ax.plot(outputs, prices, color=style.COLORS["cycle"], marker="o")
        ax.set(xlabel=words["outputs"], ylabel=words["price"], xticks=list(outputs), ylim=(0, None))
        return style.finish(fig, lang)


def modes(without: Sequence[int], with_cycle: Sequence[int], small: int, total: int, lang: str) -> Figure:
    """Modes covered by each training, side by side; the trainings from ``small`` on had small weights."""
    words = _WORDS[lang]
    places = np.arange(len(without))
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(7.0, 3.2))
        ax.axvspan(small - 0.5, len(places) - 0.5, color="#f3f3f3", zorder=0)
        ax.bar(places - 0.2, without, 0.38, color=style.COLORS["anomalous"], label=words["without"])
        ax.bar(places + 0.2, with_cycle, 0.38, color=style.COLORS["cycle"], label=words["with"])
        ax.text((small + len(places) - 1) / 2, total + 0.25, words["collapsed"], ha="center")
        ax.set(xlabel=words["training"], ylabel=words["modes"], ylim=(0, total + 1), yticks=range(total + 1))
        ax.set(xticks=places, xticklabels=[], xlim=(-0.5, len(places) - 0.5))
        fig.legend(loc="outside upper center", ncols=2)
        fig = style.finish(fig, lang)
        ax.set_xticks(places, [style.digits(k + 1, lang) for k in places])
        return fig


def weights(
    weights: Sequence[float],
    realistic: Sequence[Tensor],
    moved: Sequence[Tensor],
    copies: Sequence[bool],
    needed: float,
    lang: str,
) -> Figure:
    """Realism and movement over λ: a thin line per training, a thick one for the median of its group.

    Args:
        weights: the values of λ.
        realistic: share of realistic outputs, for each λ one value per training.
        moved: mean of ‖G(x) − x‖, likewise.
        copies: which trainings started as a copy.
        needed: the movement to the nearest realistic output.
    """
    words = _WORDS[lang]
    group = np.array(copies)
    with style.language(lang):
        fig, axes = plt.subplots(1, 2, figsize=(7.6, 3.3))
        for ax, values, label in ((axes[0], realistic, "realistic"), (axes[1], moved, "movement")):
            table = np.stack([v.numpy() for v in values])
            for name, color, chosen in (("plain", "train", ~group), ("copy", "anomalous", group)):
                ax.plot(weights, table[:, chosen], color=style.COLORS[color], lw=0.7, alpha=0.45)
                median = np.median(table[:, chosen], axis=1)
                ax.plot(weights, median, color=style.COLORS[color], marker="o", lw=2, label=words[name])
            ax.set_xscale("symlog", linthresh=1)
            ax.set(xlabel=words["weight"], title=words[label])
        axes[1].axhline(needed, color=style.COLORS["reference"], lw=1, ls=":", label=words["needed"])
        axes[0].set_ylim(-0.04, 1.04)
        axes[1].set_ylim(-0.1, None)
        handles, names = axes[1].get_legend_handles_labels()
        fig.legend(handles, names, loc="outside upper center", ncols=3)
        return style.finish(fig, lang)


def skies(images: Tensor, without: Tensor, with_identity: Tensor, lang: str) -> Figure:
    """Scenes and their translations by one training without and one with identity loss.

    Shapes:
        each (n, 48), values around [−1, 1].
    """
    words = _WORDS[lang]
    rows = (("input", images), ("no_identity", without), ("identity", with_identity))
    with style.language(lang):
        fig, axes = plt.subplots(len(rows), len(images), figsize=(0.95 * len(images) + 1, 3.2))
        for line, (name, scenes) in zip(axes, rows, strict=True):
            pictures = ((scenes.unflatten(-1, SCENE) + 1) / 2).clamp(0, 1).movedim(1, -1).numpy()
            for ax, picture in zip(line, pictures, strict=True):
                ax.imshow(picture, interpolation="nearest")
                ax.set(xticks=[], yticks=[])
                ax.grid(False)
                ax.spines[:].set_visible(False)
            line[0].set_ylabel(words[name], rotation=0, ha="right", va="center")
        return style.finish(fig, lang)


def colour_shift(without: Tensor, with_identity: Tensor, plain: int, lang: str) -> Figure:
    """Mean shift of the sky's tint in each training; the first ``plain`` ones had a random start."""
    words = _WORDS[lang]
    places = np.arange(len(without))
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(7.0, 3.0))
        ax.axvspan(plain - 0.5, len(places) - 0.5, color="#f3f3f3", zorder=0)
        ax.bar(
            places - 0.2, without.numpy(), 0.38, color=style.COLORS["anomalous"], label=words["no_identity"]
        )
        ax.bar(
            places + 0.2, with_identity.numpy(), 0.38, color=style.COLORS["train"], label=words["identity"]
        )
        ax.text((plain + len(places) - 1) / 2, 1.28, words["copy"], ha="center")
        ax.set(xlabel=words["training"], ylabel=words["shift"], ylim=(0, 1.45))
        ax.set(xlim=(-0.5, len(places) - 0.5))
        fig.legend(loc="outside upper center", ncols=2)
        fig = style.finish(fig, lang)
        ax.set_xticks(places, [style.digits(k + 1, lang) for k in places])
        return fig


def generators(panels: Mapping[str, tuple[Tensor, Tensor]], titles: Sequence[str], lang: str) -> Figure:
    """Distance left after translation, relative to the distance between the domains, per training.

    Args:
        panels: for each arrangement the values A to B and B to A, one per training.
        titles: what to call the arrangements.
    """
    words = _WORDS[lang]
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(7.2, 3.3))
        for place, values in enumerate(panels.values()):
            for offset, color, name, each in zip(
                (-0.13, 0.13), ("train", "anomalous"), ("A_to_B", "B_to_A"), values, strict=True
            ):
                label = words[name] if place == 0 else None
                _dots(ax, place + offset, each, style.COLORS[color], label)
        ax.axhline(1, color=style.COLORS["reference"], lw=1, ls=":", label=words["nothing"])
        ax.set(ylabel=words["distance"], xlim=(-0.5, len(panels) - 0.5), ylim=(-0.08, 1.4))
        fig.legend(loc="outside upper center", ncols=3)
        fig = style.finish(fig, lang)
        ax.set_xticks(range(len(panels)), titles)
        return fig


def _dots(ax: Axes, place: float, values: Tensor, color: str, label: str | None) -> None:
    ax.plot([place] * len(values), values.numpy(), "o", ms=6, alpha=0.75, color=color, label=label)
