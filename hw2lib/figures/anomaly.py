"""Figures of chapter 6: histogram, curves, imbalance, AUROC by defect, epoch and method, anomaly maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hw2lib.runs.reader import RecordedRun
from hw2lib.statistics import (
    Estimate,
    auroc,
    average_precision,
    best_threshold,
    class_weights,
    precision_recall_points,
    roc_points,
)

from . import style

DEFECTS_FA = {
    "all": "همه",
    "crack": "ترک",
    "faulty_imprint": "چاپ نادرست",
    "poke": "سوراخ",
    "scratch": "خراش",
    "squeeze": "له‌شدگی",
}
METHODS = {
    "fa": {
        "flow": "جریان نرمال‌ساز",
        "mean_image": "تصویر میانگین",
        "pca_residual": "باقیماندهٔ PCA",
        "positionwise_gaussian": "گاوسی مکان‌به‌مکان",
    },
    "en": {
        "flow": "normalizing flow",
        "mean_image": "mean image",
        "pca_residual": "PCA residual",
        "positionwise_gaussian": "position-wise Gaussian",
    },
}
_WORDS = {
    "fa": {
        "score": "امتیاز ناهنجاری (بیت بر بُعد)",
        "share": "سهم از گروه",
        "good": "سالم",
        "anomalous": "ناهنجار",
        "fpr": "نرخ مثبت نادرست",
        "tpr": "نرخ مثبت درست",
        "chance": "شانس",
        "band": "بازهٔ ۹۵٪ بوت‌استرپ",
        "first": "بذر صفر",
        "seeds": "بذرهای دیگر",
        "auroc": "AUROC",
        "epoch": "دور",
        "plain": "وزن‌های همان دور",
        "ema": "میانگین متحرک وزن‌ها",
        "printed": "دو عدد گزارش",
        "image": "تصویر",
        "mask": "ناحیهٔ معیوب",
        "map": "نقشهٔ ناهنجاری",
        "location": "تنها مکان",
        "prevalence": "سهم تصاویر ناهنجار",
        "accuracy": "صحت بهترین آستانه",
        "useless": "صحت «همه سالم»",
        "found": "بازیابی همان آستانه",
        "average precision": "میانگین دقت",
        "precision": "دقت",
        "recall": "بازیابی",
        "share of anomalous": "ناهنجار {}٪",
        "image level": "تصویر",
        "pixel level": "پیکسل",
        "raw": "نقشهٔ خام",
        "minus_mean": "منهای نقشهٔ میانگین",
    },
    "en": {
        "score": "anomaly score (bits per dimension)",
        "share": "share of the group",
        "good": "normal",
        "anomalous": "anomalous",
        "fpr": "false-positive rate",
        "tpr": "true-positive rate",
        "chance": "chance",
        "band": "95 % bootstrap band",
        "first": "seed 0",
        "seeds": "other seeds",
        "auroc": "AUROC",
        "epoch": "epoch",
        "plain": "weights of that epoch",
        "ema": "moving average of the weights",
        "printed": "the report's two values",
        "image": "image",
        "mask": "defect",
        "map": "anomaly map",
        "location": "location only",
        "prevalence": "share of anomalous images",
        "accuracy": "accuracy, best threshold",
        "useless": "accuracy, 'all normal'",
        "found": "recall at that threshold",
        "average precision": "average precision",
        "precision": "precision",
        "recall": "recall",
        "share of anomalous": "{} % anomalous",
        "image level": "images",
        "pixel level": "pixels",
        "raw": "raw map",
        "minus_mean": "less the mean map",
    },
}


def defect_name(kind: str, lang: str) -> str:
    """A kind of defect in the edition's language."""
    return DEFECTS_FA.get(kind, kind) if lang == "fa" else kind.replace("_", " ")


def histogram(defects: np.ndarray, scores: np.ndarray, lang: str) -> Figure:
    """Scores of normal and anomalous images, as shares of each group.

    A few blown-up images would squeeze all others into one bin; what lies beyond the 88th percentile
    shares the last bin.
    """
    words = _WORDS[lang]
    normal = defects == "good"
    top = float(np.quantile(scores, 0.88))
    bins = np.linspace(float(scores.min()), top, 26).tolist()
    clipped = np.minimum(scores, top)
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(6.6, 3.2))
        for name, part in (("good", normal), ("anomalous", ~normal)):
            color = style.COLORS[name]
            shares = np.full(part.sum(), 1 / part.sum())
            ax.hist(clipped[part], bins, weights=shares, alpha=0.55, color=color, label=words[name])
            ax.axvline(float(np.median(scores[part])), color=color, lw=2, ls="--")
        ax.set(xlabel=words["score"], ylabel=words["share"])
        ax.legend()
        return style.finish(fig, lang)


def imbalance(anomalous: np.ndarray, scores: np.ndarray, lang: str) -> Figure:
    """Accuracy, recall, AUROC and average precision as the share of anomalous images shrinks."""
    words = _WORDS[lang]
    shares = np.geomspace(0.005, 0.5, 60)
    best = [best_threshold(anomalous, scores, share) for share in shares]
    lines = (
        ("accuracy", [b.accuracy for b in best], "anomalous", "-"),
        ("useless", 1 - shares, "anomalous", ":"),
        ("found", [b.recall for b in best], "accent", "-"),
        ("auroc", [auroc(anomalous, scores, class_weights(anomalous, s)) for s in shares], "train", "-"),
        ("average precision", [average_precision(anomalous, scores, s) for s in shares], "good", "-"),
    )
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(7.2, 3.4))
        for name, values, color, dashes in lines:
            ax.plot(shares, values, color=style.COLORS[color], ls=dashes, lw=1.8, label=words[name])
        ax.set(xscale="log", xlabel=words["prevalence"], ylim=(0, 1.02))
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return style.finish(fig, lang)


def roc_and_precision(
    anomalous: np.ndarray, scores: Sequence[np.ndarray], shares: Sequence[float], lang: str
) -> Figure:
    """ROC of several seeds with a bootstrap band of the first; its precision and recall by proportion.

    Args:
        anomalous: booleans, shape (n,).
        scores: one array of shape (n,) for each seed.
        shares: proportions of anomalous images for which precision is drawn.
        lang: ``fa`` or ``en``.
    """
    words = _WORDS[lang]
    with style.language(lang):
        fig, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.9))
        grid, low, high = _roc_band(anomalous, scores[0])
        left.fill_between(grid, low, high, color=style.COLORS["light"], alpha=0.35, label=words["band"])
        for k, values in reversed(list(enumerate(scores))):
            fpr, tpr, _ = roc_points(anomalous, values)
            color, width = (style.COLORS["train"], 2.2) if k == 0 else (style.COLORS["plain"], 0.9)
            label = {0: words["first"], 1: words["seeds"]}.get(k)
            left.plot(fpr, tpr, color=color, lw=width, label=label)
        left.plot([0, 1], [0, 1], color=style.COLORS["reference"], lw=1, ls=":", label=words["chance"])
        left.set(xlabel=words["fpr"], ylabel=words["tpr"], xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        for share, color in zip(shares, ("good", "train", "anomalous"), strict=True):
            precision, recall = precision_recall_points(anomalous, scores[0], share)
            label = words["share of anomalous"].format(style.digits(f"{100 * share:.0f}", lang))
            right.step(recall, precision, where="post", color=style.COLORS[color], lw=1.6, label=label)
            right.axhline(share, color=style.COLORS[color], lw=1, ls=":")
        right.set(xlabel=words["recall"], ylabel=words["precision"], xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
        for ax, columns in ((left, 1), (right, 3)):
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=columns, fontsize=8.5)
        return style.finish(fig, lang)


def _roc_band(
    labels: np.ndarray, scores: np.ndarray, resamples: int = 400
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False-positive rates, and the 95 % band of the true-positive rate at each, by bootstrap."""
    grid, rng = np.linspace(0, 1, 201), np.random.default_rng(0)
    normal, anomalous = scores[~labels], scores[labels]
    bands = []
    for _ in range(resamples):
        a, b = rng.choice(normal, len(normal)), rng.choice(anomalous, len(anomalous))
        fpr, tpr, _ = roc_points(np.repeat([False, True], [len(a), len(b)]), np.concatenate([a, b]))
        bands.append(np.interp(grid, fpr, tpr))
    low, high = np.quantile(bands, [0.025, 0.975], axis=0)
    return grid, low, high


def methods(image: Mapping[str, Estimate], pixel: Mapping[str, Mapping[str, Estimate]], lang: str) -> Figure:
    """Image and pixel AUROC of each method, with intervals.

    Args:
        image: estimate by method.
        pixel: for each kind of map, ``raw`` and ``minus_mean``, the estimate by method.
        lang: ``fa`` or ``en``.
    """
    words, names = _WORDS[lang], METHODS[lang]
    marks = (("raw", "train", -0.15), ("minus_mean", "validation", 0.15))
    with style.language(lang):
        fig, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.1), sharey=True)
        for y, method in enumerate(names):
            _interval(left, image[method], y, "train", None)
            for kind, color, shift in marks:
                _interval(right, pixel[kind][method], y + shift, color, words[kind] if y == 0 else None)
        left.axvline(0.5, color=style.COLORS["reference"], lw=1, ls=":")
        for ax, title in ((left, "image level"), (right, "pixel level")):
            ax.set(title=words[title], xlabel=words["auroc"], yticks=range(len(names)))
        left.invert_yaxis()
        right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncol=2, fontsize=8.5)
        fig = style.finish(fig, lang)
        left.set_yticks(range(len(names)), names.values())
        return fig


def _interval(ax: Axes, estimate: Estimate, y: float, color: str, label: str | None) -> None:
    style.interval(ax, estimate.low, estimate.high, y, color=style.COLORS[color], lw=5, alpha=0.3)
    ax.plot(estimate.value, y, "o", color=style.COLORS[color], ms=5, label=label)


def per_defect(areas: Sequence[Mapping[str, Estimate]], lang: str) -> Figure:
    """AUROC of each kind of defect: a dot per seed, the bootstrap interval of the first seed."""
    kinds = list(areas[0])
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(6.4, 3.2))
        for y, kind in enumerate(kinds):
            first = areas[0][kind]
            style.interval(ax, first.low, first.high, y, color=style.COLORS["light"], lw=6, alpha=0.5)
            ax.plot([a[kind].value for a in areas], [y] * len(areas), "o", color=style.COLORS["train"], ms=5)
        ax.axvline(0.5, color=style.COLORS["reference"], lw=1, ls=":")
        names = [defect_name(kind, lang) for kind in kinds]
        ax.set(xlabel=_WORDS[lang]["auroc"], xlim=(0.3, 1.02), yticks=range(len(kinds)))
        ax.invert_yaxis()
        fig = style.finish(fig, lang)
        ax.set_yticks(range(len(kinds)), names)
        return fig


def path(runs: Sequence[RecordedRun], printed: Sequence[float], lang: str) -> Figure:
    """AUROC from epoch to epoch of every seed, beside the values that the report prints."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(7.2, 3.5))
        for k, run in enumerate(runs):
            for weights in ("plain", "ema"):
                table = run.auroc.query("weights == @weights and defect == 'all'")
                ax.plot(
                    table["epoch"],
                    table["auroc"],
                    color=style.COLORS[weights],
                    lw=1 if weights == "plain" else 1.8,
                    alpha=0.9,
                    label=words[weights] if k == 0 else None,
                )
        for k, value in enumerate(printed):
            label = words["printed"] if k == 0 else None
            ax.axhline(value, color=style.COLORS["anomalous"], lw=1.2, ls="--", label=label)
        ax.set(xlabel=words["epoch"], ylabel=words["auroc"], ylim=(0.35, 0.85))
        ax.legend(loc="lower right")
        return style.finish(fig, lang)


def maps(
    images: Tensor, masks: Tensor, kinds: Sequence[str], scored: np.ndarray, location: np.ndarray, lang: str
) -> Figure:
    """Images, their masks, their maps, and the map that knows nothing but the place.

    Args:
        images: uint8, shape (n, 3, size, size).
        masks: bool, shape (n, size, size).
        kinds: n kinds of defect.
        scored: smoothed maps, shape (n, size, size).
        location: mean map of normal images, shape (size, size).
    """
    words = _WORDS[lang]
    shared = np.broadcast_to(location, scored.shape)
    rows: tuple[tuple[str, np.ndarray, dict[str, Any]], ...] = (
        ("image", images.permute(0, 2, 3, 1).numpy(), {}),
        ("mask", masks.numpy(), {"cmap": "gray"}),
        (
            "map",
            scored,
            {"cmap": "magma", "vmin": np.quantile(scored, 0.02), "vmax": np.quantile(scored, 0.995)},
        ),
        ("location", shared, {"cmap": "magma"}),
    )
    with style.language(lang):
        fig, axes = plt.subplots(len(rows), len(images), figsize=(7.4, 6.0))
        for line, (name, pictures, options) in zip(axes, rows, strict=True):
            for ax, picture in zip(line, pictures, strict=True):
                ax.imshow(picture, interpolation="nearest", **options)
                ax.set(xticks=[], yticks=[])
                ax.grid(False)
            line[0].set_ylabel(words[name])
        for ax, kind in zip(axes[0], kinds, strict=True):
            ax.set_title(defect_name(kind, lang))
        return style.finish(fig, lang)
