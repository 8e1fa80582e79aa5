"""Figures of chapter 9: receptive fields, score maps, generators, the image pool, checkerboards, limits."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hw2lib.experiments.geometry import Translation
from hw2lib.experiments.pool_game import Game
from hw2lib.translation.spectra import spectrum

from . import style

_WORDS = {
    "fa": {
        "alone": "تنها پیچش‌ها",
        "normed": "همراه با نرمال‌سازی",
        "influence": "اثر پیکسل (نسبت به بیشینه)",
        "mixed": "تصویر با ناحیهٔ ساختگی",
        "share": "سهم ساختگی هر تکه",
        "scores": "نقشهٔ امتیاز",
        "input": "ورودی",
        "target": "پاسخ درست",
        "resnet": "ResNet",
        "unet": "U-Net",
        "recolour": "تغییر رنگ",
        "shift": "جابه‌جایی",
        "mirror": "آینه",
        "without": "بی انباره",
        "with": "با انبارهٔ ۵۰تایی",
        "centre": "مُدهای داده",
        "spread": "پراکندگی نقطهٔ مولد",
        "forgetting": "فراموشی تصاویر پیشین",
        "kernel3": "ترانهاده، هستهٔ ۳",
        "kernel4": "ترانهاده، هستهٔ ۴",
        "resize": "تغییر اندازه",
        "transposed": "ترانهاده",
        "frequency": "بسامد (چرخه بر پیکسل)",
        "energy": "انرژی نسبی",
        "untrained": "آموزش‌ندیده",
        "trained": "آموزش‌دیده",
        "sky": "ورودی",
        "mirror, no cycle loss": "آینه، بی زیان چرخه‌ای",
        "output": "خروجی",
        "cycled": "بازگشت",
    },
    "en": {
        "alone": "convolutions alone",
        "normed": "with instance norm",
        "influence": "influence (relative to the largest)",
        "mixed": "half-generated image",
        "share": "generated share",
        "scores": "map of scores",
        "input": "input",
        "target": "right answer",
        "resnet": "ResNet",
        "unet": "U-Net",
        "recolour": "recolour",
        "shift": "shift",
        "mirror": "mirror",
        "without": "no pool",
        "with": "pool of 50",
        "centre": "modes of the data",
        "spread": "spread of the generator's point",
        "forgetting": "forgetting of earlier images",
        "kernel3": "transposed, kernel 3",
        "kernel4": "transposed, kernel 4",
        "resize": "resize",
        "transposed": "transposed",
        "frequency": "frequency (cycles per pixel)",
        "energy": "relative energy",
        "untrained": "untrained",
        "trained": "trained",
        "sky": "input",
        "mirror, no cycle loss": "mirror, no cycle loss",
        "output": "output",
        "cycled": "and back",
    },
}


def influence(alone: Tensor, normed: Tensor, field: slice, lang: str) -> Figure:
    """Which pixels move one score, without and with instance norm; the square is the receptive field."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.3))
        for ax, squares, title in ((axes[0], alone, "alone"), (axes[1], normed, "normed")):
            relative = (squares / squares.max()).sqrt().numpy()
            image = ax.imshow(np.ma.masked_equal(relative, 0), norm=LogNorm(1e-3, 1), cmap="viridis")
            side = field.stop - field.start
            corner = (field.start - 0.5, field.start - 0.5)
            ax.add_patch(
                Rectangle(corner, side, side, fill=False, edgecolor=style.COLORS["anomalous"], lw=1.8)
            )
            ax.set(title=words[title])
            ax.grid(False)
        fig.colorbar(image, ax=axes.tolist(), shrink=0.85, label=words["influence"])
        return style.finish(fig, lang)


def score_map(image: Tensor, shares: Tensor, scores: Tensor, lang: str) -> Figure:
    """An image, which share of each patch is generated, and what the discriminator says of the patches."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, axes = plt.subplots(1, 3, figsize=(8.2, 2.9))
        _picture(axes[0], image)
        for ax, values in ((axes[1], shares), (axes[2], scores)):
            drawn = ax.imshow(values.numpy(), cmap="viridis_r" if ax is axes[1] else "viridis")
            fig.colorbar(drawn, ax=ax, shrink=0.8)
        for ax, title in zip(axes, ("mixed", "share", "scores"), strict=True):
            ax.set(title=words[title], xticks=[], yticks=[])
            ax.grid(False)
        return style.finish(fig, lang)


def tasks(rows: Mapping[str, Sequence[Tensor]], lang: str) -> Figure:
    """A row per task: input, right answer, output of the ResNet, output of the U-Net."""
    words = _WORDS[lang]
    names = ("input", "target", "resnet", "unet")
    with style.language(lang):
        fig, axes = plt.subplots(len(rows), 4, figsize=(6.4, 1.72 * len(rows)), squeeze=False)
        for row, (line, (task, images)) in enumerate(zip(axes, rows.items(), strict=True)):
            for ax, image, name in zip(line, images, names, strict=True):
                _picture(ax, image)
                if row == 0:
                    ax.set_title(words[name])
            line[0].set_ylabel(words[task])
        return style.finish(fig, lang)


def pool_games(without: Game, with_pool: Game, centres: Tensor, lang: str, member: int = 0) -> Figure:
    """The generator's path in one game, and over all games its spread and what is remembered."""
    words = _WORDS[lang]
    both = (("without", without, "plain"), ("with", with_pool, "discriminator"))
    with style.language(lang):
        fig, axes = plt.subplots(1, 3, figsize=(8.4, 3.3))
        for name, game, color in both:
            axes[0].plot(
                *game.path[:, member].T.numpy(), lw=0.9, color=style.COLORS[color], label=words[name]
            )
        axes[0].plot(*centres.T.numpy(), "+", color=style.COLORS["reference"], ms=9, label=words["centre"])
        axes[0].set(aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        measures = (("spread", Game.wander), ("forgetting", Game.forgetting))
        for ax, (title, measure) in zip(axes[1:], measures, strict=True):
            values = [measure(game).numpy() for _, game, _ in both]
            ax.plot([0, 1], np.stack(values), color="#bbbbbb", lw=0.8)
            for place, (value, (_, _, color)) in enumerate(zip(values, both, strict=True)):
                ax.plot(np.full(len(value), place), value, "o", ms=4, color=style.COLORS[color])
            ax.axhline(0, color=style.COLORS["reference"], lw=0.6)
            ax.set(title=words[title], xlim=(-0.4, 1.4))
            ax.set_xticks([0, 1], [words["without"], words["with"]])
        return style.finish(fig, lang)


def overlaps(counts: Mapping[str, Tensor], lang: str) -> Figure:
    """How many products each output pixel sums, for three ways to double an image."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, axes = plt.subplots(1, len(counts), figsize=(7.6, 3.1))
        for ax, (name, values) in zip(axes, counts.items(), strict=True):
            ax.imshow(values.numpy(), cmap="Blues", vmin=0, vmax=1.4 * float(values.max()))
            for (i, j), value in np.ndenumerate(values.numpy()):
                ax.text(j, i, style.digits(value, lang), ha="center", va="center", fontsize=9)
            ax.set(title=words[name], xticks=[], yticks=[])
            ax.grid(False)
        return style.finish(fig, lang)


def sky_spectra(sky: Tensor, outputs: Mapping[tuple[str, str], Tensor], lang: str) -> Figure:
    """Outputs of the two generators on a smooth image, and their energy by frequency.

    Args:
        sky: shape (n, 3, side, side); the first is drawn.
        outputs: by ("untrained" or "trained", "transposed" or "resize"), shapes as ``sky``.
    """
    words = _WORDS[lang]
    colors = {"transposed": style.COLORS["anomalous"], "resize": style.COLORS["train"]}
    with style.language(lang):
        fig, axes = plt.subplots(2, 4, figsize=(8.4, 4.3), width_ratios=(1, 1, 1, 1.9))
        for row, (line, stage) in enumerate(zip(axes, ("untrained", "trained"), strict=True)):
            pictures = {"sky": sky, **{name: outputs[stage, name] for name in colors}}
            for ax, (name, images) in zip(line, pictures.items(), strict=False):
                _picture(ax, images[0])
                if row == 0:
                    ax.set_title(words[name])
            line[0].set_ylabel(words[stage])
            for name, color in colors.items():
                energy = spectrum(outputs[stage, name])
                profile = (energy.sum(0) / energy.sum())[: sky.shape[-1] // 2 + 1].numpy()
                frequency = np.arange(len(profile)) / sky.shape[-1]
                line[-1].semilogy(frequency, profile, color=color, label=words[name])
            line[-1].set(ylim=(1e-6, 1.5), ylabel=words["energy"])
        axes[0, -1].legend()
        axes[1, -1].set_xlabel(words["frequency"])
        return style.finish(fig, lang)


def limits(translations: Mapping[str, Translation], lang: str, which: int = 0) -> Figure:
    """A row per small CycleGAN: an unseen image, its translation, the way back, and the right answer."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, axes = plt.subplots(len(translations), 4, figsize=(6.6, 1.75 * len(translations)), squeeze=False)
        for row, (line, (name, done)) in enumerate(zip(axes, translations.items(), strict=True)):
            images = {
                "input": done.inputs,
                "output": done.outputs,
                "cycled": done.cycled,
                "target": done.answers,
            }
            for ax, (title, pictures) in zip(line, images.items(), strict=True):
                _picture(ax, pictures[which])
                if row == 0:
                    ax.set_title(words[title])
            line[0].set_ylabel(words[name])
        return style.finish(fig, lang)


def _picture(ax: Axes, image: Tensor) -> None:
    """An image of values in [−1, 1], shape (3, height, width)."""
    pixels = (image.detach().clamp(-1, 1).permute(1, 2, 0) + 1) / 2
    ax.imshow(pixels.float().numpy(), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
