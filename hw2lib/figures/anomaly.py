"""Figures of chapter 6: score histogram, ROC curve, AUROC by defect and by epoch, anomaly maps."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from hw2lib.anomaly import Estimate, roc_points
from hw2lib.results import RecordedRun, select

from . import style

DEFECTS_FA = {
    "all": "همه",
    "crack": "ترک",
    "faulty_imprint": "چاپ نادرست",
    "poke": "سوراخ",
    "scratch": "خراش",
    "squeeze": "له‌شدگی",
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
    bins = np.linspace(float(scores.min()), top, 26)
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


def roc(curves: Sequence[tuple[np.ndarray, np.ndarray]], lang: str, resamples: int = 400) -> Figure:
    """ROC of several seeds, the first with a bootstrap band; each curve is (anomalous, scores)."""
    words = _WORDS[lang]
    grid = np.linspace(0, 1, 201)
    labels, scores = curves[0]
    rng = np.random.default_rng(0)
    normal, anomalous = scores[~labels], scores[labels]
    bands = []
    for _ in range(resamples):
        a, b = rng.choice(normal, len(normal)), rng.choice(anomalous, len(anomalous))
        fpr, tpr, _ = roc_points(np.repeat([False, True], [len(a), len(b)]), np.concatenate([a, b]))
        bands.append(np.interp(grid, fpr, tpr))
    low, high = np.quantile(bands, [0.025, 0.975], axis=0)
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(4.6, 4.4))
        ax.fill_between(grid, low, high, color=style.COLORS["light"], alpha=0.35, label=words["band"])
        for k, (labels, scores) in reversed(list(enumerate(curves))):
            fpr, tpr, _ = roc_points(labels, scores)
            color, width = (style.COLORS["train"], 2.2) if k == 0 else (style.COLORS["plain"], 0.9)
            ax.plot(fpr, tpr, color=color, lw=width, label=words["seeds"] if k == 1 else None)
        ax.plot([0, 1], [0, 1], color=style.COLORS["reference"], lw=1, ls=":", label=words["chance"])
        ax.set(xlabel=words["fpr"], ylabel=words["tpr"], xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        ax.legend(loc="lower right")
        return style.finish(fig, lang)


def per_defect(areas: Sequence[Mapping[str, Estimate]], lang: str) -> Figure:
    """AUROC of each kind of defect: a dot per seed, the bootstrap interval of the first seed."""
    kinds = list(areas[0])
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(6.4, 3.2))
        for y, kind in enumerate(kinds):
            first = areas[0][kind]
            ax.plot([first.low, first.high], [y, y], color=style.COLORS["light"], lw=6, alpha=0.5)
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
                table = select(run.auroc, weights=weights, defect="all")
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
    rows = (
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
