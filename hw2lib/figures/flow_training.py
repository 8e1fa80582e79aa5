"""Figures of chapter 4: data, losses, samples, and the stages of the inverse."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import make_grid

from hw2lib.flows import Stage
from hw2lib.runs.reader import RecordedRun

from . import style

_WORDS = {
    "fa": {
        "epoch": "دور",
        "nll": "منفی لگاریتم درست‌نمایی (هزار نات)",
        "bpd": "بیت بر بُعد، اعتبارسنجی",
        "train": "آموزش",
        "validation": "اعتبارسنجی",
        "plain": "وزن‌های آخرین گام",
        "ema": "میانگین متحرک",
        "stage": "مرحله",
        "dimension": "شمارهٔ مؤلفه یا واحد",
        "outputs": "مؤلفه‌هایی که پر می‌شوند",
        "units": "واحدهای پنهانی که حساب می‌شوند",
        "rows": ("میانگین وزن‌ها، T = 1", "میانگین وزن‌ها، T = 0.7", "وزن‌های آخر، T = 1"),
    },
    "en": {
        "epoch": "epoch",
        "nll": "negative log-likelihood (1000 nats)",
        "bpd": "bits per dimension, validation",
        "train": "training",
        "validation": "validation",
        "plain": "weights of the last step",
        "ema": "moving average",
        "stage": "stage",
        "dimension": "number of the dimension or unit",
        "outputs": "dimensions filled in",
        "units": "hidden units computed",
        "rows": ("averaged weights, T = 1", "averaged weights, T = 0.7", "last weights, T = 1"),
    },
}


def images(pictures: Tensor, columns: int, lang: str) -> Figure:
    """A grid of images, uint8 of shape (n, 3, size, size)."""
    grid = make_grid(pictures, nrow=columns, padding=2, pad_value=255).permute(1, 2, 0).numpy()
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(7.0, 7.0 * grid.shape[0] / grid.shape[1]))
        ax.imshow(grid, interpolation="nearest")
        ax.set_axis_off()
        return style.finish(fig, lang)


def losses(runs: Sequence[RecordedRun], lang: str) -> Figure:
    """Loss per epoch of every seed, and the validation bits per dimension of both sets of weights."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.2))
        for k, run in enumerate(runs):
            table = run.losses
            for name in ("train", "validation"):
                column = "train_nll" if name == "train" else "val_nll"
                left.plot(
                    table["epoch"],
                    table[column] / 1000,
                    color=style.COLORS[name],
                    alpha=0.6,
                    lw=1,
                    label=words[name] if k == 0 else None,
                )
            for name, column in (("plain", "val_bpd"), ("ema", "val_bpd_ema")):
                right.plot(
                    table["epoch"],
                    table[column],
                    color=style.COLORS[name],
                    alpha=0.8,
                    lw=1,
                    label=words[name] if k == 0 else None,
                )
        # A single blown-up image can lift the mean by a million nats; the axis is cut there.
        left.set(xlabel=words["epoch"], ylabel=words["nll"], ylim=(-130, 80))
        right.set(xlabel=words["epoch"], ylabel=words["bpd"], ylim=(3, 9))
        left.legend()
        right.legend()
        return style.finish(fig, lang)


def stages(parts: Sequence[Stage], lang: str) -> Figure:
    """What each stage of the inverse computes: hidden units (first layer) and outputs."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(6.6, 3.4))
        for s, part in enumerate(parts):
            lo, hi = part.outputs
            label = words["outputs"] if s == 0 else None
            ax.barh(s, hi - lo, left=lo, height=0.38, color=style.COLORS["anomalous"], label=label)
            lo, hi = part.units[0]
            label = words["units"] if s == len(parts) - 1 else None
            ax.barh(s - 0.38, hi - lo, left=lo, height=0.3, color=style.COLORS["train"], label=label)
        ax.set(xlabel=words["dimension"], ylabel=words["stage"], yticks=range(len(parts)))
        ax.invert_yaxis()
        ax.legend(loc="upper right")
        return style.finish(fig, lang)


def sample_sheet(sheet: np.ndarray, lang: str) -> Figure:
    """Recorded samples, uint8 of shape (3, columns, size, size, 3), a row per kind."""
    return style.picture_rows(sheet, _WORDS[lang]["rows"], lang)
