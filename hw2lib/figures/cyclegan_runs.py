"""Figures of chapters 11 and 12: data, losses, sheets of outputs, measures per epoch, steganography."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from pandas import DataFrame
from torch import Tensor

from hw2lib.bilingual import Number, Text, localize
from hw2lib.runs.reader import RecordedCycleGAN

from . import style
from .cyclegan_tables import COLOUR_NAMES, DOMAINS, LOSS_NAMES, directions, epoch_name

_EPOCH = Text("دور", "epoch")
_GENERATED = Text("{name} (تصاویر ساختگی)", "{name} (generated images)")
_ROWS = (
    Text("ترجمهٔ {a} به {b}", "{a} to {b}"),
    Text("بازگشت به {a}", "and back to {a}"),
    Text("ترجمهٔ {b} به {a}", "{b} to {a}"),
    Text("بازگشت به {b}", "and back to {b}"),
)
# By role: the colour and the losses of both directions.
_PANELS = {
    "cycle": ("cycle", ("cycle_A", "cycle_B")),
    "D": ("discriminator", ("D_A", "D_B")),
    "G": ("generator", ("G_A", "G_B")),
}
_MEASURES = {
    "success": Text("سهم پذیرفته در دامنهٔ مقصد", "classified as the target domain"),
    "colour": Text("فاصلهٔ رنگ تا مقصد (سطح)", "colour distance to target (levels)"),
    "classifier_kid": Text(
        "فاصلهٔ KID (با ویژگی‌های\nرده‌بند آموزش‌دیده در همین‌جا)", "KID (features of a\nclassifier trained here)"
    ),
    "cycle_psnr": Text("چرخه: PSNR (dB)", "cycle PSNR (dB)"),
    "cycle_ssim": Text("چرخه: SSIM", "cycle SSIM"),
    "identity_l1": Text("خطای همانی (L1)", "identity error (L1)"),
}
_REFERENCES = {
    "source": (Text("ترجمه‌نشده", "untranslated"), ":"),
    "real": (Text("تصویر واقعی مقصد", "real images of the target"), "-."),
}
_BEFORE = Text("رنگ پیکسل پیش از ترجمه", "colour of a pixel before")
_AFTER = Text("رنگ همان پیکسل پس از ترجمه", "colour of the same pixel after the translation")
_SHARE = Text("سهم از پیکسل‌های سطر", "share of the pixels of the row")
_NOISE = Text("انحراف معیار نویز (سطح)", "standard deviation of the noise (levels)")
_MOVED = Text("تغییر بازسازی (سطح)", "reconstruction moved by (levels)")
_SIZE = Text("اندازهٔ خود آشفتگی", "size of the disturbance itself")
_ERROR = Text("خطای بازسازی (سطح)", "reconstruction error (levels)")
_DISTURBANCES = {
    "noise": Text("بدون آشفتگی", "undisturbed"),  # of level 0
    "rounding": Text("گرد کردن", "rounding"),
    "jpeg": Text("فشرده‌سازی JPEG {level}", "JPEG {level}"),
    "blur": Text("تار کردن {level}", "blur {level}"),
}
_SMOOTH = 101  # steps in the moving average of the losses


@style.bilingual
def raw_samples(images: dict[str, Tensor], pair: str, synthetic: bool, lang: str, columns: int = 6) -> Figure:
    """Training images of both domains, evenly spaced, as the networks see them.

    Args:
        images: per split, uint8 of shape (n, 3, side, side).
        pair: ``apple2orange`` or ``summer2winter``.
        synthetic: whether they are generated; the figure then says so.
        lang: ``fa`` or ``en``.
        columns: images of each domain.
    """
    rows = []
    for split in ("trainA", "trainB"):
        chosen = np.linspace(0, len(images[split]) - 1, columns).round().astype(int)
        rows.append(images[split][chosen].permute(0, 2, 3, 1).numpy())
    names = [localize(name, lang) for name in DOMAINS[pair]]
    if synthetic:
        names = [localize(_GENERATED, lang).format(name=name) for name in names]
    return sheet(np.stack(rows), names, shown=128)


@style.bilingual(photographs=True)
def contact_sheet(run: RecordedCycleGAN, epoch: int, pair: str, lang: str) -> Figure:
    """What the networks made of six test images of each domain after an epoch, a labelled row per step."""
    a, b = (localize(name, lang) for name in DOMAINS[pair])
    names = [localize(row, lang).format(a=a, b=b) for row in _ROWS]
    return sheet(run.contact_sheet(epoch), names, shown=128)


@style.bilingual(photographs=True)
def translations(runs: Mapping[str, RecordedCycleGAN], lang: str) -> Figure:
    """What the last epoch's generators made of six test images, a row for each direction of each set."""
    rows, names = [], []
    for pair, run in runs.items():
        for direction, way in directions(pair).items():
            rows.append(run.last_samples(direction))
            names.append(localize(way, lang))
    return sheet(np.stack(rows), names, shown=128)


@style.bilingual
def losses(run: RecordedCycleGAN, pair: str, lang: str) -> Figure:
    """Cycle (green), discriminator (blue) and generator losses (orange), raw and smoothed, both directions.

    Solid: the direction A → B; dashed: B → A.
    """
    table = run.losses
    epochs = table["step"] / table["step"].max() * table["epoch"].max()  # in fractions of one
    names = [localize(way, lang) for way in directions(pair).values()]
    fig, axes = plt.subplots(3, 1, figsize=(7.4, 7.0), sharex=True)
    for ax, (role, (color, terms)) in zip(axes, _PANELS.items(), strict=True):
        for term in terms:
            ax.plot(epochs, table[term], color=_pale(style.COLORS[color]), lw=0.5, antialiased=False)
        for term, dashes, name in zip(terms, ("-", (0, (4, 2))), names, strict=True):
            smooth = table[term].rolling(_SMOOTH, center=True, min_periods=1).mean()
            ax.plot(epochs, smooth, color=style.COLORS[color], lw=1.8, ls=dashes, label=name)
        # Single steps that stick out would flatten the curve.
        top = 1.05 * table[[*terms]].quantile(0.995).max()
        ax.set(ylabel=localize(LOSS_NAMES[role], lang), ylim=(0, top), xlim=(0, epochs.max()))
        ax.legend(loc="upper right", ncols=2)
    axes[-1].set_xlabel(localize(_EPOCH, lang))
    return fig


def _pale(color: str) -> tuple[float, ...]:
    """A fifth of the colour on white: lines that shine through each other triple the size of the file."""
    return tuple(1 + 0.22 * (part - 1) for part in to_rgb(color))


@style.bilingual
def measures(run: RecordedCycleGAN, pair: str, lang: str) -> Figure:
    """Six measures at the measured epochs, beside untranslated images and real ones of the target."""
    table, references = run.measures.set_index("epoch"), run.references
    names = [localize(way, lang) for way in directions(pair).values()]
    colors = [style.COLORS[role] for role in ("anomalous", "train")]
    fig, axes = plt.subplots(2, 3, figsize=(8.6, 5.0))
    for ax, (measure, title) in zip(axes.flat, _MEASURES.items(), strict=True):
        columns = [f"{measure}_{direction}" for direction in "AB"]
        lines = table[columns].set_axis(names, axis="columns")
        sns.lineplot(lines, palette=colors, markers=["o", "s"], ms=6, ax=ax).get_legend().remove()
        for which, (_, dashes) in _REFERENCES.items():
            for column, color in zip(columns, colors, strict=True):
                if column in references[which]:
                    ax.axhline(references[which][column], color=color, lw=1, ls=dashes, alpha=0.7)
        ax.set(title=localize(title, lang), xticks=table.index, xlabel="", ylabel="")
    for name, dashes in _REFERENCES.values():
        axes[0, 0].plot([], [], color=style.COLORS["plain"], ls=dashes, label=localize(name, lang))
    for ax in axes[1]:
        ax.set_xlabel(localize(_EPOCH, lang))
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


@style.bilingual
def colours(run: RecordedCycleGAN, pair: str, lang: str) -> Figure:
    """What became of the pixels of each colour, per measured epoch and direction.

    A row stands for all pixels of one colour in the test images and is divided by their colours in the
    translation, so what stays as it is lies on the diagonal. The share of all pixels that had the colour
    stands beside its name.
    """
    names = [localize(name, lang) for name in COLOUR_NAMES.values()]
    fig, axes = plt.subplots(
        2, len(run.epochs), figsize=(2.7 * len(run.epochs), 6.2), sharex=True, sharey="row", squeeze=False
    )
    for row, (direction, way) in zip(axes, directions(pair).items(), strict=True):
        for ax, epoch in zip(row, run.epochs, strict=True):
            shares = run.colours_after(epoch, direction)
            totals = shares.sum(axis=1)
            became = shares.div(totals.where(totals > 0), axis=0).fillna(0.0)
            # Without hues: those of a colour map would be taken for the colours that are counted.
            look = {"vmin": 0, "vmax": 1, "cmap": "Greys", "lw": 0.5, "linecolor": "#dddddd"}
            sns.heatmap(became, cbar=False, square=True, ax=ax, **look)
            ax.tick_params(length=0)
            ax.set(xlabel="", ylabel="", title=f"{localize(way, lang)}\n{localize(epoch_name(epoch), lang)}")
        named = zip(names, totals, strict=True)
        before = [f"{name} {localize(Number(total, '.0%'), lang)}" for name, total in named]
        row[0].set_yticklabels(before, rotation=0)
        row[0].set_ylabel(localize(_BEFORE, lang))
    for ax in axes[-1]:
        ax.set_xticklabels(names, rotation=90)
    axes[-1, len(run.epochs) // 2].set_xlabel(localize(_AFTER, lang))  # wider than one of the axes
    fig.colorbar(ax.collections[0], ax=axes, shrink=0.5, label=localize(_SHARE, lang))
    return fig


@style.bilingual
def steganography(run: RecordedCycleGAN, pair: str, lang: str) -> Figure:
    """How far the reconstruction moves when the translated image is disturbed, per measured epoch.

    Above: noise of growing strength, with the size of the noise itself as the line of a generator that
    passes it on unchanged. Below: the reconstruction error under rounding, JPEG and blur at the last epoch,
    with the size of each disturbance as a mark.
    """
    epochs = {epoch: localize(epoch_name(epoch), lang) for epoch in run.epochs}
    shades = sns.light_palette(style.COLORS["cycle"], len(epochs) + 1)[1:]
    fig, axes = plt.subplots(2, 2, figsize=(8.2, 6.4), sharey="row")
    for (top, bottom), (direction, way) in zip(axes.T, directions(pair).items(), strict=True):
        table = run.steganography[run.steganography["direction"] == direction]
        noise = table.query("kind == 'noise' and level > 0").assign(epoch=lambda t: t["epoch"].map(epochs))
        sns.lineplot(noise, x="level", y="moved", hue="epoch", palette=shades, marker="o", ms=5, ax=top)
        look = {"color": style.COLORS["reference"], "ls": ":", "label": localize(_SIZE, lang)}
        sns.lineplot(noise[noise["epoch"] == epochs[max(epochs)]], x="level", y="size", ax=top, **look)
        top.get_legend().remove()
        top.set(xscale="log", yscale="log", title=localize(way, lang), xlabel=localize(_NOISE, lang))
        last = table.query("epoch == epoch.max() and (kind != 'noise' or level == 0)")
        _disturbances(bottom, last[last["kind"].isin(_DISTURBANCES)], lang)
    axes[0, 0].set_ylabel(localize(_MOVED, lang))
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


def _disturbances(ax: Axes, table: DataFrame, lang: str) -> None:
    """Bars of the reconstruction error, with the size of each disturbance as a mark."""
    names = [
        localize(_DISTURBANCES[kind], lang).format(level=style.digits(f"{level:g}", lang))
        for kind, level in zip(table["kind"], table["level"], strict=True)
    ]
    sns.barplot(x=table["error"], y=names, color=style.COLORS["cycle"], saturation=1, width=0.6, ax=ax)
    ax.plot(table["size"], names, "D", color=style.COLORS["reference"], ms=4)
    ax.set_xlabel(localize(_ERROR, lang))


def sheet(pictures: np.ndarray, names: Sequence[str], shown: int) -> Figure:
    """Pictures, uint8 of shape (rows, columns, size, size, 3), ``shown`` pixels wide, named by row."""
    rows, columns = pictures.shape[:2]
    gap, title = 4, 30
    width, height = columns * (shown + gap), rows * (shown + title)
    fig = plt.figure(figsize=(width / 110, height / 110), dpi=110, layout="none")
    for row, name in enumerate(names):
        bottom = (rows - 1 - row) * (shown + title) / height
        fig.text(0.5, bottom + (shown + 5) / height, name, ha="center", va="bottom")
        for column in range(columns):
            ax = fig.add_axes((column * (shown + gap) / width, bottom, shown / width, shown / height))
            ax.imshow(pictures[row, column], interpolation="nearest")
            ax.set_axis_off()
    return fig
