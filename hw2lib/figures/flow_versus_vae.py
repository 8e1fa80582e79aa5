"""Figures of chapter 7: what a VAE and a flow give back, how far off it is, and what that scores."""

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
from hw2lib.statistics import Estimate

from . import style
from .anomaly import DEFECTS, METHODS

KINDS: dict[str, Words] = DEFECTS | {
    "good": Text("سالم", "normal"),
    "noise": Text("نویز", "noise"),
    "apple": Text("سیب", "apple"),
}
SCORES: dict[str, Words] = {
    "vae_error": Text("خطای بازسازی VAE", "VAE, reconstruction error"),
    "nelbo": Text("منفی ELBO در VAE", "VAE, -ELBO"),
    "nll": Text("منفی لگاریتم درست‌نمایی جریان", "flow, -log-likelihood"),
    "flow_error": Text("خطای بازسازی جریان", "flow, reconstruction error"),
    **{method: METHODS[method] for method in ("mean_image", "pca_residual", "positionwise_gaussian")},
}
_WORDS: dict[str, Words] = {
    "image": Text("تصویر", "image"),
    "vae": Text("بازسازی VAE", "VAE"),
    "error": Text("خطای VAE", "VAE error"),
    "flow": Text("بازسازی جریان", "flow"),
    "axis": Text("میانگین مربع خطا برای هر مؤلفه", "mean squared error per dimension"),
    "step": Text("خطای گرد کردن پیکسل به ۸ بیت", "error of rounding a pixel to 8 bits"),
    "chance": Text("شانس", "chance"),
}
_MODELS: dict[Words, str] = {
    "VAE": "anomalous",
    Text("جریان، ۳۲ بیتی", "flow, 32 bits"): "light",
    Text("جریان، ۶۴ بیتی", "flow, 64 bits"): "train",
}
_SCORE_COLORS = ("anomalous", "accent", "train", "plain")
_ROWS = (
    Text("بازسازی تصاویر سالم", "reconstructions of normal images"),
    Text("بازسازی تصاویر معیوب", "reconstructions of defective images"),
    Text("نمونه‌های توزیع پیشین", "draws from the prior"),
)


@style.bilingual
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
    words = style.localized(_WORDS, lang)
    capsules = [k for k, kind in enumerate(kinds) if kind not in ("noise", "apple")]
    top = float(np.quantile(errors[capsules], 0.998))
    rows = (("image", _rgb(images)), ("vae", _rgb(vae)), ("error", errors), ("flow", _rgb(flow)))
    fig, axes = plt.subplots(len(rows), len(images), figsize=(8.0, 4.4))
    for line, (name, pictures) in zip(axes, rows, strict=True):
        options = {"cmap": "magma", "vmin": 0, "vmax": top} if name == "error" else {}
        for ax, picture in zip(line, pictures, strict=True):
            ax.imshow(picture, interpolation="nearest", **options)
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
        line[0].set_ylabel(words[name])
    for ax, kind in zip(axes[0], kinds, strict=True):
        ax.set_title(localize(KINDS[kind], lang), fontsize=9.5)
    return fig


@style.bilingual
def error_ladder(errors: Mapping[str, Sequence[np.ndarray]], step: float, lang: str) -> Figure:
    """Reconstruction errors on a logarithmic axis, a row per kind of image and a colour per model.

    Args:
        errors: per kind (``good``, ``noise``, ``apple``, …) the errors of single images by the VAE, by the
            flow in single precision and by the flow in double precision.
        step: mean squared error of rounding a pixel to 8 bits, for comparison.
    """
    words, kinds = (style.localized(texts, lang) for texts in (_WORDS, KINDS))
    colors = {localize(model, lang): style.COLORS[color] for model, color in _MODELS.items()}
    dots = pd.DataFrame(
        (kinds[kind], model, value)
        for kind, parts in errors.items()
        for model, values in zip(colors, parts, strict=True)
        for value in values
    )
    fig, ax = plt.subplots(figsize=(7.4, 3.4))
    look: dict[str, Any] = {"dodge": True, "jitter": False, "size": 4.5, "palette": colors}
    sns.stripplot(x=dots[2], y=dots[0], hue=dots[1], log_scale=True, ax=ax, **look)
    ax.axvline(step, color=style.COLORS["reference"], lw=1, ls=":", label=words["step"])
    ax.set(xlabel=words["axis"], ylabel=None, xlim=(1e-34, 30))
    _legend_above(ax, columns=4)
    return fig


@style.bilingual
def compare(areas: Mapping[str, Sequence[Mapping[str, Estimate]]], lang: str) -> Figure:
    """AUROC of several scores by kind of defect: a dot per seed, the interval of the first seed.

    Args:
        areas: per score of :data:`SCORES`, a list over seeds of the estimates per kind of defect.
    """
    words, kinds, scores = (style.localized(texts, lang) for texts in (_WORDS, DEFECTS, SCORES))
    colors = {scores[name]: style.COLORS[color] for name, color in zip(areas, _SCORE_COLORS, strict=True)}
    dots = pd.DataFrame(
        (kinds[kind], scores[name], area.value)
        for name, seeds in areas.items()
        for seed in seeds
        for kind, area in seed.items()
    )
    fig, ax = plt.subplots(figsize=(7.4, 4.4))
    look: dict[str, Any] = {"dodge": True, "jitter": False, "size": 4.5, "palette": colors}
    sns.stripplot(x=dots[2], y=dots[0], hue=dots[1], ax=ax, **look)
    lane = 0.8 / len(areas)  # seaborn's dodge: the scores share a width of 0.8
    for k, (seeds, color) in enumerate(zip(areas.values(), colors.values(), strict=True)):
        for y, first in enumerate(seeds[0].values()):
            height = y + (k + 0.5) * lane - 0.4
            style.interval(ax, first.low, first.high, height, color=color, lw=4, alpha=0.3)
    ax.axvline(0.5, color=style.COLORS["reference"], lw=1, ls=":", label=words["chance"])
    ax.set(xlabel="AUROC", ylabel=None, xlim=(0.2, 1.02))
    _legend_above(ax, columns=3)
    return fig


@style.bilingual(photographs=True)
def sheet(tiles: np.ndarray, lang: str) -> Figure:
    """A recorded sheet, uint8 of shape (3, columns, size, size, 3), a title above each row."""
    return style.picture_rows(tiles, _ROWS, lang)


def _legend_above(ax: Axes, columns: int) -> None:
    place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    ax.legend(**place, ncols=columns, fontsize=8.5, columnspacing=1.2, handletextpad=0.4)


def _rgb(images: Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).numpy()
