"""Figures of chapter 7: what a VAE and a flow give back, how far off it is, and what that scores."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from hw2lib.statistics import Estimate

from . import style
from .anomaly import defect_name

_KINDS_FA = {"good": "سالم", "noise": "نویز", "apple": "سیب"}
_KINDS_EN = {"good": "normal", "noise": "noise", "apple": "apple"}
_WORDS = {
    "fa": {
        "image": "تصویر",
        "vae": "بازسازی VAE",
        "error": "خطای VAE",
        "flow": "بازسازی جریان",
        "axis": "میانگین مربع خطا برای هر مؤلفه",
        "models": ("VAE", "جریان، ۳۲ بیتی", "جریان، ۶۴ بیتی"),
        "step": "خطای گرد کردن پیکسل به ۸ بیت",
        "auroc": "AUROC",
        "chance": "شانس",
        "rows": ("بازسازی تصاویر سالم", "بازسازی تصاویر معیوب", "نمونه‌های توزیع پیشین"),
    },
    "en": {
        "image": "image",
        "vae": "VAE",
        "error": "VAE error",
        "flow": "flow",
        "axis": "mean squared error per dimension",
        "models": ("VAE", "flow, 32 bits", "flow, 64 bits"),
        "step": "error of rounding a pixel to 8 bits",
        "auroc": "AUROC",
        "chance": "chance",
        "rows": (
            "reconstructions of normal images",
            "reconstructions of defective images",
            "draws from the prior",
        ),
    },
}
_MODEL_COLORS = (style.COLORS["anomalous"], style.COLORS["light"], style.COLORS["train"])
_SCORE_COLORS = (
    style.COLORS["anomalous"],
    style.COLORS["accent"],
    style.COLORS["train"],
    style.COLORS["plain"],
)


def _kind(kind: str, lang: str) -> str:
    names = _KINDS_FA if lang == "fa" else _KINDS_EN
    return names.get(kind) or defect_name(kind, lang)


def reconstructions(
    images: Tensor, kinds: Sequence[str], vae: Tensor, errors: np.ndarray, flow: Tensor, lang: str
) -> Figure:
    """Images, what each model gives back, and the VAE's squared error per pixel.

    Args:
        images: uint8, shape (n, 3, size, size); ``vae`` and ``flow`` likewise.
        kinds: n names: a kind of defect, ``good``, ``noise`` or ``apple``.
        vae: reconstructions by the VAE.
        errors: shape (n, size, size); one colour scale for all but the images out of distribution.
        flow: reconstructions by the flow.
    """
    words = _WORDS[lang]
    capsules = [k for k, kind in enumerate(kinds) if kind not in ("noise", "apple")]
    top = float(np.quantile(errors[capsules], 0.998))
    rows = (("image", _rgb(images)), ("vae", _rgb(vae)), ("error", errors), ("flow", _rgb(flow)))
    with style.language(lang):
        fig, axes = plt.subplots(len(rows), len(images), figsize=(8.0, 4.4))
        for line, (name, pictures) in zip(axes, rows, strict=True):
            options = {"cmap": "magma", "vmin": 0, "vmax": top} if name == "error" else {}
            for ax, picture in zip(line, pictures, strict=True):
                ax.imshow(picture, interpolation="nearest", **options)
                ax.set(xticks=[], yticks=[])
                ax.grid(False)
            line[0].set_ylabel(words[name])
        for ax, kind in zip(axes[0], kinds, strict=True):
            ax.set_title(_kind(kind, lang), fontsize=9.5)
        return style.finish(fig, lang)


def error_ladder(errors: Mapping[str, Sequence[np.ndarray]], step: float, lang: str) -> Figure:
    """Reconstruction errors on a logarithmic axis, a row per kind of image and a colour per model.

    Args:
        errors: per kind (``good``, ``noise``, ``apple``, …) the errors of single images by the VAE, by the
            flow in single precision and by the flow in double precision.
        step: mean squared error of rounding a pixel to 8 bits, for comparison.
    """
    words = _WORDS[lang]
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(7.4, 3.4))
        for y, parts in enumerate(errors.values()):
            for k, values in enumerate(parts):
                label = words["models"][k] if y == 0 else None
                heights = y + np.linspace(-0.2, 0.2, len(values))
                ax.plot(values, heights, "o", ms=4, alpha=0.6, color=_MODEL_COLORS[k], label=label)
        ax.axvline(step, color=style.COLORS["reference"], lw=1, ls=":", label=words["step"])
        ax.set(xscale="log", xlabel=words["axis"], ylim=(len(errors) - 0.5, -0.5), xlim=(1e-34, 30))
        fig.legend(loc="outside upper center", ncols=4, fontsize=8.5, columnspacing=1.2, handletextpad=0.4)
        fig = style.finish(fig, lang)
        ax.set_yticks(range(len(errors)), [_kind(kind, lang) for kind in errors])
        return fig


def compare(areas: Mapping[str, Sequence[Mapping[str, Estimate]]], names: Sequence[str], lang: str) -> Figure:
    """AUROC of several scores by kind of defect: a dot per seed, the interval of the first seed.

    Args:
        areas: per score, a list over seeds of the estimates per kind of defect.
        names: labels of the scores in the edition's language.
    """
    words = _WORDS[lang]
    kinds = list(next(iter(areas.values()))[0])
    offsets = np.linspace(-0.27, 0.27, len(areas))
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(7.4, 4.4))
        for k, (offset, seeds) in enumerate(zip(offsets, areas.values(), strict=True)):
            for y, kind in enumerate(kinds):
                first = seeds[0][kind]
                look = {"color": _SCORE_COLORS[k], "lw": 4, "alpha": 0.3}
                style.interval(ax, first.low, first.high, y + offset, **look)
                label = names[k] if y == 0 else None
                values = [seed[kind].value for seed in seeds]
                ax.plot(values, [y + offset] * len(values), "o", ms=4, color=_SCORE_COLORS[k], label=label)
        ax.axvline(0.5, color=style.COLORS["reference"], lw=1, ls=":", label=words["chance"])
        ax.set(xlabel=words["auroc"], xlim=(0.2, 1.02), ylim=(len(kinds) - 0.5, -0.5))
        fig.legend(loc="outside upper center", ncols=3, fontsize=8.5, columnspacing=1.2)
        fig = style.finish(fig, lang)
        ax.set_yticks(range(len(kinds)), [defect_name(kind, lang) for kind in kinds])
        return fig


def sheet(tiles: np.ndarray, lang: str) -> Figure:
    """A recorded sheet, uint8 of shape (3, columns, size, size, 3), a title above each row."""
    return style.picture_rows(tiles, _WORDS[lang]["rows"], lang)


def _rgb(images: Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).numpy()
