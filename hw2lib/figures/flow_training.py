"""Figures of chapter 4: data, losses, samples, and the stages of the inverse."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import make_grid

from hw2lib.bilingual import LANGUAGES, Interval, Text, localize
from hw2lib.flows import Stage
from hw2lib.runs.reader import RecordedRun

from . import style
from .explore import Control, Explorable, Reading, axis, shown

_WORDS = {
    "epoch": Text("دور", "epoch"),
    "nll": Text("منفی لگاریتم درست‌نمایی (هزار نات)", "negative log-likelihood (1000 nats)"),
    "bpd": Text("بیت بر بُعد، اعتبارسنجی", "bits per dimension, validation"),
    "train": Text("آموزش", "training"),
    "validation": Text("اعتبارسنجی", "validation"),
    "plain": Text("وزن‌های آخرین گام", "weights of the last step"),
    "ema": Text("میانگین متحرک", "moving average"),
    "stage": Text("مرحله", "stage"),
    "dimension": Text("شمارهٔ مؤلفه یا واحد", "number of the dimension or unit"),
    "outputs": Text("مؤلفه‌هایی که پر می‌شوند", "dimensions filled in"),
    "units": Text("واحدهای پنهانی که حساب می‌شوند", "hidden units computed"),
}
_ROWS = (
    Text("میانگین وزن‌ها، T = 1", "averaged weights, T = 1"),
    Text("میانگین وزن‌ها، T = 0.7", "averaged weights, T = 0.7"),
    Text("وزن‌های آخر، T = 1", "last weights, T = 1"),
)


@style.bilingual
def images(pictures: Tensor, columns: int, lang: str) -> Figure:
    """A grid of images, uint8 of shape (n, 3, size, size)."""
    grid = make_grid(pictures, nrow=columns, padding=2, pad_value=255).permute(1, 2, 0).numpy()
    fig, ax = plt.subplots(figsize=(7.0, 7.0 * grid.shape[0] / grid.shape[1]))
    ax.imshow(grid, interpolation="nearest")
    ax.set_axis_off()
    return fig


@style.bilingual
def losses(runs: Sequence[RecordedRun], lang: str) -> Figure:
    """Loss per epoch of every seed, and the validation bits per dimension of both sets of weights."""
    words = style.localized(_WORDS, lang)
    table = pd.concat([run.losses for run in runs])
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.2))
    curves = {
        left: {"train": "train_nll", "validation": "val_nll"},
        right: {"plain": "val_bpd", "ema": "val_bpd_ema"},
    }
    for ax, columns in curves.items():
        for name, column in columns.items():
            values = table[column] / 1000 if ax is left else table[column]
            look = {"color": style.COLORS[name], "label": words[name], "lw": 1.2}
            sns.lineplot(x=table["epoch"], y=values, estimator="median", errorbar=("pi", 100), ax=ax, **look)
    # A single blown-up image can lift the mean by a million nats; the axis is cut there.
    left.set(xlabel=words["epoch"], ylabel=words["nll"], ylim=(-130, 80))
    right.set(xlabel=words["epoch"], ylabel=words["bpd"], ylim=(3, 9))
    left.legend()
    right.legend()
    return fig


@style.bilingual
def stages(parts: Sequence[Stage], lang: str) -> Figure:
    """What each stage of the inverse computes: hidden units (first layer) and outputs."""
    words = style.localized(_WORDS, lang)
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
    return fig


def inverse(parts: Sequence[Stage], degrees: Sequence[Tensor]) -> Explorable:
    """The stages of the inverse one by one, for the reader to go through; still: :func:`stages`.

    Args:
        parts: from :func:`~hw2lib.flows.inverse_stages`.
        degrees: of the hidden layers, from the input up.
    """
    by, features = ("stage",), parts[-1].outputs[1]
    filled = [
        Text(*(localize(_whole(part.outputs[0] + 1, part.outputs[1]), lang) for lang in LANGUAGES))
        for part in parts
    ]
    readings = [
        Reading(Text("مؤلفه‌های معلوم در آغاز", "dimensions known at first"), by, [p.degree for p in parts]),
        Reading(
            Text("واحدهای پنهانی که حساب می‌شوند", "hidden units computed"),
            by,
            [sum(high - low for low, high in part.units) for part in parts],
        ),
        Reading(Text("مؤلفه‌هایی که پر می‌شوند", "dimensions filled in"), by, filled),
        Reading(Text("مرحله‌ها تا اینجا", "stages so far"), by, [k + 1 for k in range(len(parts))]),
        Reading(
            Text("گذرهای راه ساده تا اینجا", "passes of the simple way"), by, [p.outputs[1] for p in parts]
        ),
    ]
    ticks = [0, features // 4, features // 2, 3 * features // 4, features]
    drawing = {
        "network": Text("شبکه در این مرحله", "the network at this stage"),
        "rows": [
            Text("ورودی: مؤلفه‌های معلوم", "input: dimensions known"),
            Text("لایهٔ پنهان نخست", "first hidden layer"),
            Text("لایهٔ پنهان دوم", "second hidden layer"),
            Text("خروجی", "output"),
        ],
        "features": features,
        "degrees": [layer.tolist() for layer in degrees],
        "numbers": shown(range(features + 1)),
        "stages": [{"known": p.degree, "units": p.units, "outputs": p.outputs} for p in parts],
        "steps": axis(Text("گام‌های پیاپی", "sequential steps"), 0, features, ticks),
        "known": axis(Text("مؤلفه‌های معلوم", "dimensions known"), 0, features, ticks),
        "staged": Text("مرحله‌ای", "in stages"),
        "simple": Text("راه ساده", "the simple way"),
    }
    control = Control("stage", Text("مرحله", "stage"), [*range(len(parts))], start=2)
    return Explorable("inverse", [control], readings, drawing, stages(parts))


def _whole(first: int, last: int) -> int | Interval:
    return first if first == last else Interval(first, last)


@style.bilingual(photographs=True)
def sample_sheet(sheet: np.ndarray, lang: str) -> Figure:
    """Recorded samples, uint8 of shape (3, columns, size, size, 3), a row per kind."""
    return style.picture_rows(sheet, _ROWS, lang)
