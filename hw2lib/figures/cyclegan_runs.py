"""Figures of chapters 10 and 11: data, losses, sheets of outputs, measures per epoch, steganography."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from pandas import DataFrame
from torch import Tensor

from hw2lib.runs.reader import RecordedCycleGAN
from hw2lib.translation.colour_statistics import COLOURS

from . import style

# The names of the two domains, by set.
DOMAINS = {
    "apple2orange": {"fa": ("سیب", "پرتقال"), "en": ("apples", "oranges")},
    "summer2winter": {"fa": ("تابستان", "زمستان"), "en": ("summer", "winter")},
}
_WORDS: dict[str, dict[str, Any]] = {
    "fa": {
        "epoch": "دور",
        "cycle": "زیان چرخه‌ای",
        "discriminator": "زیان تمیزدهنده",
        "generator": "زیان تخاصمی مولد",
        "rows": ("ترجمهٔ {a} به {b}", "بازگشت به {a}", "ترجمهٔ {b} به {a}", "بازگشت به {b}"),
        "success": "سهم پذیرفته در دامنهٔ مقصد",
        "colour": "فاصلهٔ رنگ تا مقصد (سطح)",
        "classifier_kid": "فاصلهٔ KID (با ویژگی‌های\nرده‌بند آموزش‌دیده در همین‌جا)",
        "cycle_psnr": "چرخه: PSNR (dB)",
        "cycle_ssim": "چرخه: SSIM",
        "identity_l1": "خطای همانی (L1)",
        "source": "بی‌ترجمه",
        "real": "تصویر واقعی مقصد",
        "noise": "انحراف معیار نویز (سطح)",
        "error": "خطای بازسازی (سطح)",
        "moved": "جابه‌جایی بازسازی (سطح)",
        "size": "اندازهٔ خود آشفتگی",
        "rounding": "گرد کردن",
        "jpeg": "فشرده‌سازی JPEG {level}",
        "blur": "تاری {level}",
        "none": "بی‌آشفتگی",
        "to": "{a} به {b}",
        "synthetic": "تصویرهای ساختگی",
        "before": "رنگ پیکسل پیش از ترجمه",
        "after": "سهم رنگ پس از ترجمه",
        "colours": ("سرخ", "نارنجی", "زرد", "سبز", "آبی", "روشنِ بی‌رنگ", "خاکستری", "تیره"),
    },
    "en": {
        "epoch": "epoch",
        "cycle": "cycle loss",
        "discriminator": "discriminator loss",
        "generator": "generator loss",
        "rows": ("{a} to {b}", "and back to {a}", "{b} to {a}", "and back to {b}"),
        "success": "classified as the target domain",
        "colour": "colour distance to target (levels)",
        "classifier_kid": "KID (features of a\nclassifier trained here)",
        "cycle_psnr": "cycle PSNR (dB)",
        "cycle_ssim": "cycle SSIM",
        "identity_l1": "identity error (L1)",
        "source": "untranslated",
        "real": "real images of the target",
        "noise": "standard deviation of the noise (levels)",
        "error": "reconstruction error (levels)",
        "moved": "reconstruction moved by (levels)",
        "size": "size of the disturbance itself",
        "rounding": "rounding",
        "jpeg": "JPEG {level}",
        "blur": "blur {level}",
        "none": "undisturbed",
        "to": "{a} to {b}",
        "synthetic": "generated images",
        "before": "colour of a pixel before",
        "after": "share by colour after the translation",
        "colours": ("red", "orange", "yellow", "green", "blue", "pale", "grey", "dark"),
    },
}
_PANELS = (
    ("cycle", ("cycle_A", "cycle_B")),
    ("discriminator", ("D_A", "D_B")),
    ("generator", ("G_A", "G_B")),
)
_MEASURES = ("success", "colour", "classifier_kid", "cycle_psnr", "cycle_ssim", "identity_l1")
# Of the classes themselves, so that a bar shows what it counts.
# Red is dark and green is light and hatched, for readers who see no difference between the two.
_PAINTS = ("#99201A", "#F08A1D", "#F2DC4B", "#6FBF6A", "#4A8FD0", "#F4F1EA", "#9A9A9A", "#2B2B2B")
_LOOKS: list[dict[str, Any]] = [
    {"facecolor": paint, "hatch": "////" if colour == "green" else "", "edgecolor": "#777777", "lw": 0.3}
    for colour, paint in zip(COLOURS, _PAINTS, strict=True)
]
_SMOOTH = 101  # values in the moving average of the losses


def raw_samples(images: dict[str, Tensor], pair: str, synthetic: bool, lang: str, columns: int = 6) -> Figure:
    """Training images of both domains, evenly spaced, as the networks see them.

    Args:
        images: per split, uint8 of shape (n, 3, side, side).
        pair: ``apple2orange`` or ``summer2winter``.
        synthetic: whether they are generated; the figure then says so.
        lang: edition.
        columns: images of each domain.
    """
    rows = []
    for split in ("trainA", "trainB"):
        chosen = np.linspace(0, len(images[split]) - 1, columns).round().astype(int)
        rows.append(images[split][chosen].permute(0, 2, 3, 1).numpy())
    names = list(DOMAINS[pair][lang])
    if synthetic:
        names = [f"{name} ({_WORDS[lang]['synthetic']})" for name in names]
    return _sheet(np.stack(rows), names, lang, shown=128)


def contact_sheet(run: RecordedCycleGAN, epoch: int, pair: str, lang: str) -> style.Jpeg:
    """What the networks made of six test images of each domain after an epoch, a labelled row per step."""
    a, b = DOMAINS[pair][lang]
    names = [row.format(a=a, b=b) for row in _WORDS[lang]["rows"]]
    return style.Jpeg(_sheet(run.contact_sheet(epoch), names, lang, shown=128))


def losses(run: RecordedCycleGAN, pair: str, lang: str) -> Figure:
    """Cycle (green), discriminator (blue) and generator losses (orange), raw and smoothed, both directions.

    Solid: the direction A → B; dashed: B → A.
    """
    words, table = _WORDS[lang], run.losses
    epochs = table["step"] / table["step"].max() * table["epoch"].max()  # in fractions of one
    with style.language(lang):
        fig, axes = plt.subplots(3, 1, figsize=(7.4, 7.0), sharex=True)
        for ax, (role, terms) in zip(axes, _PANELS, strict=True):
            smooth = [moving_average(table[term], _SMOOTH) for term in terms]
            for term in terms:
                ax.plot(epochs, table[term], color=_pale(style.COLORS[role]), lw=0.5, antialiased=False)
            for values, dashes, name in zip(smooth, ("-", (0, (4, 2))), _directions(pair, lang), strict=True):
                ax.plot(epochs, values, color=style.COLORS[role], lw=1.8, ls=dashes, label=name)
            # Single steps that stick out would flatten the curve.
            top = max(np.quantile(table[term], 0.995) for term in terms)
            ax.set(ylabel=words[role], ylim=(0, 1.05 * top), xlim=(0, epochs.max()))
            ax.legend(loc="upper right", ncols=2)
        axes[-1].set_xlabel(words["epoch"])
        return style.finish(fig, lang)


def _pale(color: str) -> tuple[float, ...]:
    """A fifth of the colour on white: lines that shine through each other triple the size of the file."""
    return tuple(1 + 0.22 * (part - 1) for part in to_rgb(color))


def moving_average(values: np.ndarray, width: int) -> np.ndarray:
    """Centred mean over ``width`` values, over fewer at the ends; same length."""
    kernel = np.ones(min(width, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def measures(run: RecordedCycleGAN, pair: str, lang: str) -> Figure:
    """Six measures at the measured epochs, beside untranslated images and real ones of the target."""
    words, table, references = _WORDS[lang], run.measures, run.references
    with style.language(lang):
        fig, axes = plt.subplots(2, 3, figsize=(8.6, 5.0))
        for ax, measure in zip(axes.flat, _MEASURES, strict=True):
            lines = zip("AB", ("o-", "s--"), ("anomalous", "train"), _directions(pair, lang), strict=True)
            for direction, mark, role, name in lines:
                column, color = f"{measure}_{direction}", style.COLORS[role]
                ax.plot(table["epoch"], table[column], mark, color=color, ms=5, label=name)
                for which, dashes in (("source", ":"), ("real", "-.")):
                    if column in references[which]:
                        ax.axhline(references[which][column], color=color, lw=1, ls=dashes, alpha=0.7)
            ax.set(title=words[measure], xticks=table["epoch"])
        for which, dashes in (("source", ":"), ("real", "-.")):
            axes[0, 0].plot([], [], color=style.COLORS["plain"], ls=dashes, label=words[which])
        for ax in axes[1]:
            ax.set_xlabel(words["epoch"])
        fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return style.finish(fig, lang)


def colours(run: RecordedCycleGAN, pair: str, lang: str) -> Figure:
    """What became of the pixels of each colour, per measured epoch and direction.

    A bar stands for all pixels of one colour in the test images; its width is divided by their colours in
    the translation. The share of the pixels that had the colour stands beside its name.
    """
    words, epochs = _WORDS[lang], run.epochs
    with style.language(lang):
        fig, axes = plt.subplots(2, len(epochs), figsize=(2.9 * len(epochs), 6.0), sharex=True, squeeze=False)
        for row, direction, name in zip(axes, "AB", _directions(pair, lang), strict=True):
            for ax, epoch in zip(row, epochs, strict=True):
                _colour_bars(ax, run.colours_after(epoch, direction), words, lang, named=ax is row[0])
                ax.set_title(f"{name}\n{words['epoch']} {style.digits(epoch, lang)}")
        axes[-1, len(epochs) // 2].set_xlabel(words["after"])  # wider than one of the axes
        for ax in axes[:, 0]:
            ax.set_ylabel(words["before"])
        fig.align_ylabels(axes[:, 0])
        boxes = [Patch(**look) for look in _LOOKS]
        legend: dict[str, Any] = {"loc": "outside lower center", "ncols": len(COLOURS), "fontsize": 8.5}
        fig.legend(boxes, words["colours"], handlelength=1.2, columnspacing=1.0, **legend)
        return style.finish(fig, lang)


def steganography(run: RecordedCycleGAN, pair: str, lang: str) -> Figure:
    """How far the reconstruction moves when the translated image is disturbed, per measured epoch.

    Above: noise of growing strength, with the size of the noise itself as the line of a generator that
    passes it on unchanged. Below: the reconstruction error under rounding, JPEG and blur at the last epoch.
    """
    words, epochs, errors = _WORDS[lang], run.epochs, run.steganography
    shades = np.linspace(0.35, 1.0, len(epochs))
    with style.language(lang):
        fig, axes = plt.subplots(2, 2, figsize=(8.2, 6.4), sharey="row")
        for (top, bottom), direction, name in zip(axes.T, "AB", _directions(pair, lang), strict=True):
            for epoch, shade in zip(epochs, shades, strict=True):
                table = errors[(errors["epoch"] == epoch) & (errors["direction"] == direction)]
                noise = table.query("kind == 'noise' and level > 0")
                label = f"{words['epoch']} {style.digits(epoch, lang)}"
                look = {"color": style.COLORS["cycle"], "alpha": shade, "label": label}
                top.loglog(noise["level"], noise["moved"], "o-", ms=4, **look)
            look = {"color": style.COLORS["reference"], "label": words["size"]}
            top.loglog(noise["level"], noise["size"], ls=":", **look)
            top.set(title=name, xlabel=words["noise"])
            _disturbances(bottom, table, words, lang)
        axes[0, 0].set_ylabel(words["moved"])
        fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        axes[1, 0].set_xlabel(words["error"])
        axes[1, 1].set_xlabel(words["error"])
        return style.finish(fig, lang)


def _colour_bars(ax: Axes, shares: DataFrame, words: dict, lang: str, named: bool) -> None:
    totals = shares.sum(axis=1)
    left = np.zeros(len(COLOURS))
    for after, look in zip(COLOURS, _LOOKS, strict=True):
        widths = (shares[after] / totals.where(totals > 0)).fillna(0.0)
        ax.barh(range(len(COLOURS)), widths, left=left, height=0.8, **look)
        left += widths
    percent = "٪" if lang == "fa" else "%"
    names = [
        f"{name} {style.digits(round(100 * total), lang)}{percent}"
        for name, total in zip(words["colours"], totals, strict=True)
    ]
    ax.set_yticks(range(len(COLOURS)), names if named else [""] * len(COLOURS))
    ax.set(xlim=(0, 1), ylim=(len(COLOURS) - 0.5, -0.5), xticks=(0, 0.5, 1))
    ax.grid(False)


def _disturbances(ax: Axes, table: DataFrame, words: dict, lang: str) -> None:
    """Bars of the reconstruction error, with the size of each disturbance as a mark."""
    table = table.query("kind != 'noise' or level == 0")
    names = []
    for kind, level in zip(table["kind"], table["level"], strict=True):
        word = words["none" if kind == "noise" else kind]
        names.append(word.format(level=style.digits(f"{level:g}", lang)))
    places = np.arange(len(names))
    ax.barh(places, table["error"], color=style.COLORS["cycle"], height=0.6)
    ax.plot(table["size"], places, "D", color=style.COLORS["reference"], ms=4)
    ax.set_yticks(places, names)
    ax.set_ylim(len(names) - 0.4, -0.6)


def _directions(pair: str, lang: str) -> tuple[str, str]:
    a, b = DOMAINS[pair][lang]
    to = _WORDS[lang]["to"]
    return to.format(a=a, b=b), to.format(a=b, b=a)


def _sheet(pictures: np.ndarray, names: Sequence[str], lang: str, shown: int) -> Figure:
    """Pictures, uint8 of shape (rows, columns, size, size, 3), ``shown`` pixels wide, named by row."""
    rows, columns = pictures.shape[:2]
    gap, title = 4, 30
    width, height = columns * (shown + gap), rows * (shown + title)
    with style.language(lang):
        fig = plt.figure(figsize=(width / 110, height / 110), dpi=110, layout="none")
        for row, name in enumerate(names):
            bottom = (rows - 1 - row) * (shown + title) / height
            fig.text(0.5, bottom + (shown + 5) / height, name, ha="center", va="bottom")
            for column in range(columns):
                ax = fig.add_axes((column * (shown + gap) / width, bottom, shown / width, shown / height))
                ax.imshow(pictures[row, column], interpolation="nearest")
                ax.set_axis_off()
        return style.finish(fig, lang)
