"""Figures of chapter 6: histogram, curves, imbalance, AUROC by defect, epoch and method, anomaly maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hw2lib.bilingual import Text, Words, localize
from hw2lib.runs.reader import RecordedRun
from hw2lib.statistics import (
    Estimate,
    auroc,
    average_precision,
    best_threshold,
    class_weights,
    count_alarms,
    precision_recall_points,
    roc_points,
)

from . import style
from .explore import Control, Explorable, Reading, axis

DEFECTS: dict[str, Words] = {
    "all": Text("همه", "all"),
    "crack": Text("ترک", "crack"),
    "faulty_imprint": Text("چاپ نادرست", "faulty imprint"),
    "poke": Text("سوراخ", "poke"),
    "scratch": Text("خراش", "scratch"),
    "squeeze": Text("له‌شدگی", "squeeze"),
}
METHODS: dict[str, Words] = {
    "flow": Text("جریان نرمال‌ساز", "normalizing flow"),
    "mean_image": Text("تصویر میانگین", "mean image"),
    "pca_residual": Text("باقیماندهٔ PCA", "PCA residual"),
    "positionwise_gaussian": Text("گاوسی مکان‌به‌مکان", "position-wise Gaussian"),
}
MAPS: dict[str, Words] = {
    "raw": Text("نقشهٔ خام", "raw map"),
    "location_only": Text("تنها نقشهٔ میانگین", "mean map only"),
    "minus_mean": Text("منهای نقشهٔ میانگین", "less the mean map"),
}
_WORDS: dict[str, Words] = {
    "score": Text("امتیاز ناهنجاری (بیت بر بُعد)", "anomaly score (bits per dimension)"),
    "share": Text("سهم از گروه", "share of the group"),
    "cumulative": Text("سهم از گروه تا این امتیاز", "share of the group up to this score"),
    "good": Text("سالم", "normal"),
    "anomalous": Text("ناهنجار", "anomalous"),
    "fpr": Text("نرخ مثبت نادرست", "false-positive rate"),
    "tpr": Text("نرخ مثبت درست", "true-positive rate"),
    "chance": Text("شانس", "chance"),
    "band": Text("بازهٔ ۹۵٪ بوت‌استرپ", "95 % bootstrap band"),
    "first": Text("بذر صفر", "seed 0"),
    "seeds": Text("بذرهای دیگر", "other seeds"),
    "epoch": Text("دور", "epoch"),
    "plain": Text("وزن‌های همان دور", "weights of that epoch"),
    "ema": Text("میانگین متحرک وزن‌ها", "moving average of the weights"),
    "printed": Text("دو عدد گزارش", "the report's two values"),
    "image": Text("تصویر", "image"),
    "mask": Text("ناحیهٔ معیوب", "defect"),
    "map": Text("نقشهٔ ناهنجاری", "anomaly map"),
    "location": Text("تنها مکان", "location only"),
    "prevalence": Text("سهم تصاویر ناهنجار", "share of anomalous images"),
    "accuracy": Text("صحت بهترین آستانه", "accuracy, best threshold"),
    "useless": Text("صحت «همه سالم»", "accuracy, 'all normal'"),
    "found": Text("بازیابی همان آستانه", "recall at that threshold"),
    "auroc": "AUROC",
    "average precision": Text("میانگین دقت", "average precision"),
    "precision": Text("دقت", "precision"),
    "recall": Text("بازیابی", "recall"),
    "share of anomalous": Text("{}٪ ناهنجار", "{} % anomalous"),
    "images": Text("تصویر", "images"),
    "pixels": Text("پیکسل", "pixels"),
}


@style.bilingual
def histogram(defects: pd.Series, scores: pd.Series, lang: str) -> Figure:
    """Scores of normal and anomalous images, as shares of each group: histogram and distribution function.

    A few blown-up images would squeeze all others into one bin; what lies beyond the 88th percentile
    shares the last bin, and lies right of the distribution function's axis. Dashed: the medians.
    """
    words = style.localized(_WORDS, lang)
    normal = defects == "good"
    groups = np.where(normal, words["good"], words["anomalous"])
    look: dict[str, Any] = {
        "hue": groups,
        "palette": {words[name]: style.COLORS[name] for name in ("good", "anomalous")},
    }
    least, top = float(scores.min()), float(np.quantile(scores, 0.88))
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.2))
    bins = np.linspace(least, top, 26).tolist()
    shares: dict[str, Any] = {"stat": "proportion", "common_norm": False, "alpha": 0.55}
    sns.histplot(x=scores.clip(upper=top), bins=bins, ax=left, edgecolor="none", **shares, **look)
    sns.ecdfplot(x=scores, ax=right, legend=False, **look)
    for name, part in (("good", normal), ("anomalous", ~normal)):
        left.axvline(scores[part].median(), color=style.COLORS[name], lw=2, ls="--")
    left.set(xlabel=words["score"], ylabel=words["share"])
    right.set(xlabel=words["score"], ylabel=words["cumulative"], xlim=(least, top))
    return fig


@style.bilingual
def _at_threshold(
    anomalous: np.ndarray, scores: np.ndarray, threshold: float, top: float, lang: str
) -> Figure:
    """The histogram of the scores with a threshold, and the point of the ROC curve that belongs to it."""
    words = style.localized(_WORDS, lang)
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.2))
    for name, part in (("good", ~anomalous), ("anomalous", anomalous)):
        heights, edges = _shares(scores[part], scores.min(), top)
        left.stairs(heights, edges, fill=True, alpha=0.55, color=style.COLORS[name], label=words[name])
    left.axvline(threshold, color=style.COLORS["reference"], lw=2)
    left.set(xlabel=words["score"], ylabel=words["share"])
    left.legend()
    fpr, tpr, _ = roc_points(anomalous, scores)
    alarms = count_alarms(anomalous, scores, threshold)
    right.plot(fpr, tpr, color=style.COLORS["train"], lw=2)
    right.plot([0, 1], [0, 1], color=style.COLORS["reference"], lw=1, ls=":")
    right.plot(alarms.false_rate, alarms.recall, "o", ms=9, color=style.COLORS["anomalous"])
    right.set(xlabel=words["fpr"], ylabel=words["tpr"], xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    return fig


def _shares(scores: np.ndarray, low: float, top: float) -> tuple[np.ndarray, np.ndarray]:
    """The share of a group in each of 25 bins, and their edges; what lies above ``top`` is in the last."""
    counts, edges = np.histogram(scores.clip(max=top), bins=25, range=(low, top))
    return counts / len(scores), edges


def threshold(
    anomalous: np.ndarray,
    scores: np.ndarray,
    thresholds: Sequence[float],
    start: float,
    shares: Sequence[float],
) -> Explorable:
    """A threshold that the reader moves over the scores: the alarms, their ROC point, their precision.

    Args:
        anomalous: booleans, shape (n,).
        scores: bits per dimension, shape (n,).
        thresholds: the slider's positions, rising, with two decimals.
        start: the one that is shown at first.
        shares: of anomalous images, to choose from.
    """
    alarms = [count_alarms(anomalous, scores, value) for value in thresholds]
    top, ends = float(np.quantile(scores, 0.88)), [0, 0.5, 1]
    good, edges = _shares(scores[~anomalous], scores.min(), top)
    bad, _ = _shares(scores[anomalous], scores.min(), top)
    fpr, tpr, _ = roc_points(anomalous, scores)
    highest = float(max(good.max(), bad.max()))
    by = ("threshold",)
    readings = [
        Reading(Text("عیب‌های پیداشده", "defects found"), by, [a.found for a in alarms]),
        Reading(Text("عیب‌های پیدانشده", "defects missed"), by, [a.missed for a in alarms]),
        Reading(Text("هشدارهای نادرست", "false alarms"), by, [a.false for a in alarms]),
        Reading(Text("سالم و بدون هشدار", "normal, no alarm"), by, [a.quiet for a in alarms]),
        Reading(Text("بازیابی", "recall"), by, [a.recall for a in alarms], ".2f"),
        Reading(_WORDS["fpr"], by, [a.false_rate for a in alarms], ".2f"),
        Reading(
            Text("دقت با این سهم", "precision at this share"),
            ("share", "threshold"),
            [[a.precision(share) for a in alarms] for share in shares],
            ".2f",
        ),
    ]
    drawing = {
        "score": axis(_WORDS["score"], scores.min(), top, [3.5, 4, 4.5], ".1f"),
        "height": axis(_WORDS["share"], 0, 1.08 * highest, [0.1, 0.2], ".1f"),
        "fpr": axis(_WORDS["fpr"], 0, 1, ends, "g"),
        "tpr": axis(_WORDS["tpr"], 0, 1, ends, "g"),
        "edges": edges,
        "groups": [
            {"role": "good", "label": _WORDS["good"], "heights": good},
            {"role": "anomalous", "label": _WORDS["anomalous"], "heights": bad},
        ],
        "roc": [*zip(fpr, tpr, strict=True)],
        "thresholds": [*thresholds],
        "points": [(a.false_rate, a.recall) for a in alarms],
    }
    controls = [
        Control("threshold", Text("آستانه", "threshold"), thresholds, [*thresholds].index(start), ".2f"),
        Control("share", _WORDS["prevalence"], shares, format=".0%", choice=True),
    ]
    still = _at_threshold(anomalous, scores, start, top)
    return Explorable("threshold", controls, readings, drawing, still)


@style.bilingual
def imbalance(anomalous: np.ndarray, scores: np.ndarray, lang: str) -> Figure:
    """Accuracy, recall, AUROC and average precision as the share of anomalous images shrinks."""
    words = style.localized(_WORDS, lang)
    shares = np.geomspace(0.005, 0.5, 60)
    best = [best_threshold(anomalous, scores, share) for share in shares]
    lines = (
        ("accuracy", [b.accuracy for b in best], "anomalous", "-"),
        ("useless", 1 - shares, "anomalous", ":"),
        ("found", [b.recall for b in best], "accent", "-"),
        ("auroc", [auroc(anomalous, scores, class_weights(anomalous, s)) for s in shares], "train", "-"),
        ("average precision", [average_precision(anomalous, scores, s) for s in shares], "good", "-"),
    )
    fig, ax = plt.subplots(figsize=(7.2, 3.4))
    for name, values, color, dashes in lines:
        ax.plot(shares, values, color=style.COLORS[color], ls=dashes, lw=1.8, label=words[name])
    ax.set(xscale="log", xlabel=words["prevalence"], ylim=(0, 1.02))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


@style.bilingual
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
    words = style.localized(_WORDS, lang)
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.9))
    grid, low, high = _roc_band(anomalous, np.asarray(scores[0]))
    left.fill_between(grid, low, high, color=style.COLORS["light"], alpha=0.35, label=words["band"])
    for k, values in reversed(list(enumerate(scores))):
        fpr, tpr, _ = roc_points(anomalous, values)
        color, width = (style.COLORS["train"], 2.2) if k == 0 else (style.COLORS["plain"], 0.9)
        left.plot(fpr, tpr, color=color, lw=width, label={0: words["first"], 1: words["seeds"]}.get(k))
    left.plot([0, 1], [0, 1], color=style.COLORS["reference"], lw=1, ls=":", label=words["chance"])
    left.set(xlabel=words["fpr"], ylabel=words["tpr"], xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    for share, color in zip(shares, ("good", "train", "anomalous"), strict=True):
        precision, recall = precision_recall_points(anomalous, scores[0], share)
        label = words["share of anomalous"].format(style.digits(f"{100 * share:.0f}", lang))
        right.step(recall, precision, where="post", color=style.COLORS[color], lw=1.6, label=label)
        right.axhline(share, color=style.COLORS[color], lw=1, ls=":")
    right.set(xlabel=words["recall"], ylabel=words["precision"], xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    for ax, columns in ((left, 1), (right, 3)):
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncol=columns, fontsize=8.5)
    return fig


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


@style.bilingual
def methods(image: Mapping[str, Estimate], pixel: Mapping[str, Mapping[str, Estimate]], lang: str) -> Figure:
    """Image and pixel AUROC of each method, with intervals.

    Args:
        image: estimate by method.
        pixel: for each kind of map, ``raw`` and ``minus_mean``, the estimate by method.
        lang: ``fa`` or ``en``.
    """
    words, names, kinds = (style.localized(texts, lang) for texts in (_WORDS, METHODS, MAPS))
    marks = (("raw", "train", -0.15), ("minus_mean", "validation", 0.15))
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.1), sharey=True)
    for y, method in enumerate(names):
        _interval(left, image[method], y, "train", None)
        for kind, color, shift in marks:
            _interval(right, pixel[kind][method], y + shift, color, kinds[kind] if y == 0 else None)
    left.axvline(0.5, color=style.COLORS["reference"], lw=1, ls=":")
    for ax, title in ((left, "images"), (right, "pixels")):
        ax.set(title=words[title], xlabel=words["auroc"])
    left.set_yticks(range(len(names)), names.values())
    left.invert_yaxis()
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncol=2, fontsize=8.5)
    return fig


def _interval(ax: Axes, estimate: Estimate, y: float, color: str, label: str | None) -> None:
    style.interval(ax, estimate.low, estimate.high, y, color=style.COLORS[color], lw=5, alpha=0.3)
    ax.plot(estimate.value, y, "o", color=style.COLORS[color], ms=5, label=label)


@style.bilingual
def per_defect(areas: Sequence[Mapping[str, Estimate]], lang: str) -> Figure:
    """AUROC of each kind of defect: a dot per seed, the bootstrap interval of the first seed."""
    dots = pd.DataFrame([(kind, area.value) for seed in areas for kind, area in seed.items()])
    fig, ax = plt.subplots(figsize=(6.4, 3.2))
    sns.stripplot(x=dots[1], y=dots[0].map(style.localized(DEFECTS, lang)), jitter=False, size=5, ax=ax)
    for y, first in enumerate(areas[0].values()):
        style.interval(ax, first.low, first.high, y, color=style.COLORS["light"], lw=6, alpha=0.5)
    ax.axvline(0.5, color=style.COLORS["reference"], lw=1, ls=":")
    ax.set(xlabel="AUROC", ylabel=None, xlim=(0.3, 1.02))
    return fig


@style.bilingual
def path(runs: Sequence[RecordedRun], printed: Sequence[float], lang: str) -> Figure:
    """AUROC from epoch to epoch of every seed, beside the values that the report prints."""
    words = style.localized(_WORDS, lang)
    paths = pd.concat([run.auroc.assign(seed=run.seed) for run in runs]).query("defect == 'all'")
    kinds = ("plain", "ema")
    look: dict[str, Any] = {
        "palette": {words[kind]: style.COLORS[kind] for kind in kinds},
        "sizes": {words["plain"]: 1, words["ema"]: 1.8},
    }
    fig, ax = plt.subplots(figsize=(7.2, 3.5))
    kind = paths["weights"].map(words)
    each: dict[str, Any] = {"units": paths["seed"], "estimator": None}
    sns.lineplot(x=paths["epoch"], y=paths["auroc"], hue=kind, size=kind, ax=ax, **each, **look)
    for k, value in enumerate(printed):
        label = words["printed"] if k == 0 else None
        ax.axhline(value, color=style.COLORS["anomalous"], lw=1.2, ls="--", label=label)
    ax.set(xlabel=words["epoch"], ylabel=words["auroc"], ylim=(0.35, 0.85))
    ax.legend(loc="lower right")
    return fig


@style.bilingual
def maps(
    images: Tensor,
    masks: Tensor | None,
    kinds: Sequence[str],
    scored: np.ndarray,
    location: np.ndarray,
    lang: str,
) -> Figure:
    """Images, their masks, their maps, and the map that knows nothing but the place.

    Args:
        images: uint8, shape (n, 3, size, size).
        masks: bool, shape (n, size, size); None where the category has none, and no row is drawn.
        kinds: n kinds of defect.
        scored: smoothed maps, shape (n, size, size).
        location: mean map of normal images, shape (size, size).
    """
    words = style.localized(_WORDS, lang)
    heat = {"cmap": "magma", "vmin": np.quantile(scored, 0.02), "vmax": np.quantile(scored, 0.995)}
    marked = () if masks is None else (("mask", masks.numpy(), {"cmap": "gray"}),)
    rows: tuple[tuple[str, np.ndarray, dict[str, Any]], ...] = (
        ("image", images.permute(0, 2, 3, 1).numpy(), {}),
        *marked,
        ("map", scored, heat),
        ("location", np.broadcast_to(location, scored.shape), {"cmap": "magma"}),
    )
    fig, axes = plt.subplots(len(rows), len(images), figsize=(7.4, 6.0))
    for line, (name, pictures, options) in zip(axes, rows, strict=True):
        for ax, picture in zip(line, pictures, strict=True):
            ax.imshow(picture, interpolation="nearest", **options)
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
        line[0].set_ylabel(words[name])
    for ax, kind in zip(axes[0], kinds, strict=True):
        ax.set_title(localize(DEFECTS[kind], lang))
    return fig
