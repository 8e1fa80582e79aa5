"""Figures of flows trained far beyond the report's epochs: what the likelihood does, and what is found."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import Series

from hw2lib.bilingual import Text, Words
from hw2lib.runs.endings import REPORTED, Ending
from hw2lib.statistics import Estimate

from . import style
from .anomaly import METHODS

_WORDS: dict[str, Words] = {
    "epoch": Text("دور", "epoch"),
    "train": Text("آموزش", "training"),
    "validation": Text("اعتبارسنجی", "validation"),
    "bpd": Text("بیت بر بُعد", "bits per dimension"),
    "reported": Text("دورهای گزارش", "the report's epochs"),
    "end": Text("پایان آموزش", "end of training"),
    "image": Text("AUROC تصویر", "image AUROC"),
    "pixels": Text("AUROC پیکسل", "pixel AUROC"),
    "seeds": Text("جریان، هر خط یک بذر", "flow, a line per seed"),
}


def _seeds(ax: Axes, paths: Iterable[Series], color: str, label: str) -> None:
    for k, path in enumerate(paths):
        ax.plot(path.index, path, color=color, lw=1, alpha=0.8, label=label if k == 0 else None)


def _ends(ax: Axes, endings: Sequence[Ending], paths: Iterable[Series], label: str) -> None:
    epochs = [ending.epoch for ending in endings]
    values = [path.loc[epoch] for path, epoch in zip(paths, epochs, strict=True)]
    ax.scatter(epochs, values, s=26, color=style.COLORS["reference"], zorder=3, label=label)


def _reported(ax: Axes, label: str) -> None:
    ax.axvline(REPORTED, color=style.COLORS["reference"], lw=1, ls=":", label=label)


@style.bilingual
def likelihoods(endings: Sequence[Ending], lang: str) -> Figure:
    """Bits per dimension by epoch: of a training batch's weights, and of the average on validation images."""
    words = style.localized(_WORDS, lang)
    fig, ax = plt.subplots(figsize=(7.2, 3.5))
    training, validation = (
        [ending.run.losses.set_index("epoch")[column] for ending in endings]
        for column in ("train_bpd", "val_bpd_ema")
    )
    _seeds(ax, training, style.COLORS["train"], words["train"])
    _seeds(ax, validation, style.COLORS["validation"], words["validation"])
    _ends(ax, endings, validation, words["end"])
    _reported(ax, words["reported"])
    ax.set(xlabel=words["epoch"], ylabel=words["bpd"], ylim=(2, 5))
    ax.legend(loc="upper center")
    return fig


@style.bilingual
def areas(
    endings: Sequence[Ending], image: Mapping[str, Estimate], pixels: Mapping[str, Estimate], lang: str
) -> Figure:
    """AUROC of the averaged weights by epoch, of images and of pixels, beside methods without a network."""
    words, names = (style.localized(texts, lang) for texts in (_WORDS, METHODS))
    fig, panels = plt.subplots(1, 2, figsize=(8.2, 3.5))
    of = (("image", "all", image), ("pixels", "pixels", pixels))
    for ax, (name, defect, others) in zip(panels, of, strict=True):
        paths = [ending.areas(defect) for ending in endings]
        _seeds(ax, paths, style.COLORS["ema"], words["seeds"])
        _ends(ax, endings, paths, words["end"])
        for method, colour in (("pca_residual", "generator"), ("positionwise_gaussian", "good")):
            ax.axhline(others[method].value, color=style.COLORS[colour], lw=1.4, ls="--", label=names[method])
        _reported(ax, words["reported"])
        ax.set(xlabel=words["epoch"], ylabel=words[name])
    panels[0].legend(loc="lower right")
    return fig
