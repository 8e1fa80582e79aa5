"""Figures of chapter 10: receptive fields, score maps, generators, the image pool, checkerboards, limits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hw2lib.bilingual import Number, Text, Words, localize
from hw2lib.experiments.geometry import Translation
from hw2lib.experiments.pool_game import Game
from hw2lib.experiments.receptive_fields import FieldRow
from hw2lib.translation.spectra import spectrum

from . import style
from .explore import Control, Explorable, Reading, axis

_ALONE = Text("تنها پیچش‌ها", "convolutions alone")
_NORMED = Text("همراه با نرمال‌سازی", "with instance norm")
_INFLUENCE = Text("اثر پیکسل (نسبت به بیشینه)", "influence (relative to the largest)")
_LAYER, _PIXEL = Text("لایه", "layer"), Text("پیکسل", "pixel")
_MIXED = Text("تصویر با ناحیهٔ ساختگی", "half-generated image")
_SHARE = Text("سهم ساختگی هر تکه", "generated share")
_SCORES = Text("نقشهٔ امتیاز", "map of scores")
_INPUT, _TARGET = Text("ورودی", "input"), Text("پاسخ درست", "right answer")
_OUTPUT, _CYCLED = Text("خروجی", "output"), Text("بازگشت", "and back")
_POOLS = Text("بدون بافر", "no pool"), Text("با بافر ۵۰تایی", "pool of 50")
_CENTRE = Text("مُدهای داده", "modes of the data")
_MEASURES = {
    Text("پراکندگی نقطهٔ مولد", "spread of the generator's point"): Game.wander,
    Text("فراموشی تصاویر پیشین", "forgetting of earlier images"): Game.forgetting,
}
_UPSAMPLING = {
    "transposed": (Text("ترانهاده", "transposed"), style.COLORS["anomalous"]),
    "resize": (Text("تغییر اندازه", "resize"), style.COLORS["train"]),
}
_STAGES = {
    "untrained": Text("پیش از آموزش", "untrained"),
    "trained": Text("پس از آموزش", "trained"),
}
_FREQUENCY = Text("بسامد (چرخه بر پیکسل)", "frequency (cycles per pixel)")
_ENERGY = Text("انرژی نسبی", "relative energy")


@style.bilingual
def influence(alone: Tensor, normed: Tensor, field: slice, lang: str) -> Figure:
    """Which pixels move one score, without and with instance norm; the square is the receptive field."""
    fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.3))
    for ax, squares, title in ((axes[0], alone, _ALONE), (axes[1], normed, _NORMED)):
        relative = (squares / squares.max()).sqrt().numpy()
        image = ax.imshow(np.ma.masked_equal(relative, 0), norm=LogNorm(1e-3, 1))
        side = field.stop - field.start
        corner = (field.start - 0.5, field.start - 0.5)
        ax.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=style.COLORS["anomalous"], lw=1.8))
        ax.set(title=localize(title, lang))
        ax.grid(False)
    fig.colorbar(image, ax=axes.tolist(), shrink=0.85, label=localize(_INFLUENCE, lang))
    return fig


def _fields(rows: Sequence[FieldRow], size: int, place: float) -> list[tuple[int, int, int]]:
    """What the output at a place sees, layer by layer: outputs along a side, first pixel, side of the field.

    The outputs of the layers below are those whose fields lie about in the middle of the last one's.
    """
    counts = [(size - row.field - 2 * row.start) // row.jump + 1 for row in rows]
    last = rows[-1]
    start = last.start + last.jump * round(place * (counts[-1] - 1))
    middle = start + last.field / 2
    found = []
    for row, count in zip(rows[:-1], counts, strict=False):
        first = row.start + row.jump * round((middle - row.field / 2 - row.start) / row.jump)
        found.append((count, first, row.field))
    return [*found, (counts[-1], start, last.field)]


@style.bilingual
def _nested(fields: Sequence[tuple[int, int, int]], size: int, lang: str) -> Figure:
    """An image and the nested squares that the layers see of it."""
    fig, ax = plt.subplots(figsize=(6.0, 3.6))
    ax.add_patch(Rectangle((0, 0), size, size, facecolor="#eeeeee", edgecolor=style.COLORS["reference"]))
    for k, (_, first, side) in enumerate(fields):
        name = (
            f"{localize(_LAYER, lang)} {style.digits(k + 1, lang)}: {localize(Number(side, unit='px'), lang)}"
        )
        look: dict[str, Any] = {"fill": False, "edgecolor": style.PALETTE[k], "lw": 2, "label": name}
        ax.add_patch(Rectangle((first, first), side, side, **look))
    ticks = (0, size // 2, size)
    ax.set(xlim=(-32, size + 32), ylim=(size + 32, -32), aspect="equal", xticks=ticks, yticks=ticks)
    ax.set(xlabel=localize(_PIXEL, lang))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.grid(False)
    return fig


def receptive(chains: Mapping[Words, Sequence[FieldRow]], size: int, places: int = 11) -> Explorable:
    """What a score of a PatchGAN sees of an image, by layer and place, for the reader to move.

    Args:
        chains: rows of :func:`~hw2lib.experiments.receptive_fields.field_table`, by the chain's name.
        size: side of the image.
        places: how many positions along the image.
    """
    along = [k / (places - 1) for k in range(places)]
    layers = [*range(1, len(next(iter(chains.values()))) + 1)]
    fields = [
        [[_fields(rows[:layer], size, place) for place in along] for layer in layers]
        for rows in chains.values()
    ]
    ends = [[[squares[-1] for squares in of_layer] for of_layer in chain] for chain in fields]
    rows = [[chain[layer - 1] for layer in layers] for chain in chains.values()]
    each, all_three = ("chain", "layer"), ("chain", "layer", "place")

    def outside(first: int, side: int) -> float:
        inside = min(first + side, size) - max(first, 0)
        return 1 - (inside / side) ** 2

    readings = [
        Reading(
            Text("میدان دریافت", "receptive field"), each, [[r.field for r in c] for c in rows], unit="px"
        ),
        Reading(
            Text("فاصلهٔ همسایه‌ها", "distance of neighbours"),
            each,
            [[r.jump for r in c] for c in rows],
            unit="px",
        ),
        Reading(
            Text("خروجی‌ها در هر سو", "outputs along a side"),
            each,
            [[of_layer[0][0] for of_layer in chain] for chain in ends],
        ),
        Reading(
            Text("نخستین پیکسل", "first pixel"),
            all_three,
            [[[first for _, first, _ in of_layer] for of_layer in chain] for chain in ends],
        ),
        Reading(
            Text("سهم بیرون از تصویر", "share outside the image"),
            all_three,
            [[[outside(first, side) for _, first, side in of_layer] for of_layer in chain] for chain in ends],
            ".0%",
        ),
    ]
    margin = 32
    drawing = {
        "across": axis(_PIXEL, -margin, size + margin, [0, size // 2, size]),
        "down": axis(_PIXEL, size + margin, -margin, [0, size // 2, size]),
        "size": size,
        "squares": [[[[s[1:] for s in squares] for squares in layer] for layer in c] for c in fields],
        "fields": [[r.field for r in chain] for chain in rows],
        "layer": axis(_LAYER, 0.4, len(layers) + 0.6, layers),
        "field": axis(Text("میدان دریافت (پیکسل)", "receptive field (px)"), 0, 100, [0, 50, 100]),
    }
    controls = [
        Control("layer", _LAYER, layers, len(layers) - 1),
        Control("place", Text("جا", "place"), along, places // 2, ".0%"),
        Control("chain", Text("گام‌ها", "strides"), [*chains], choice=True),
    ]
    still = _nested(fields[0][-1][places // 2], size)
    return Explorable("receptive", controls, readings, drawing, still)


@style.bilingual
def score_map(image: Tensor, shares: Tensor, scores: Tensor, lang: str) -> Figure:
    """An image, which share of each patch is generated, and what the discriminator says of the patches."""
    fig, axes = plt.subplots(1, 3, figsize=(8.2, 2.9))
    _picture(axes[0], image)
    bare = {"square": True, "xticklabels": False, "yticklabels": False, "cbar_kws": {"shrink": 0.8}}
    sns.heatmap(shares.numpy(), cmap="viridis_r", ax=axes[1], **bare)
    sns.heatmap(scores.numpy(), cmap="viridis", ax=axes[2], **bare)
    for ax, title in zip(axes, (_MIXED, _SHARE, _SCORES), strict=True):
        ax.set_title(localize(title, lang))
    return fig


@style.bilingual
def tasks(rows: Mapping[Words, Sequence[Tensor]], lang: str) -> Figure:
    """A row per task: input, right answer, output of the ResNet, output of the U-Net."""
    return _gallery((_INPUT, _TARGET, "ResNet", "U-Net"), rows, lang)


@style.bilingual
def pool_games(without: Game, with_pool: Game, centres: Tensor, lang: str, member: int = 0) -> Figure:
    """The generator's path in one game, and over all games its spread and what is remembered."""
    names = [localize(name, lang) for name in _POOLS]
    palette = [style.COLORS["plain"], style.COLORS["discriminator"]]
    fig, axes = plt.subplots(1, 3, figsize=(8.4, 3.3))
    both = dict(zip(names, (without, with_pool), strict=True))
    for (name, game), color in zip(both.items(), palette, strict=True):
        axes[0].plot(*game.path[:, member].T.numpy(), lw=0.9, color=color, label=name)
    marks = {"color": style.COLORS["reference"], "ms": 9, "label": localize(_CENTRE, lang)}
    axes[0].plot(*centres.T.numpy(), "+", **marks)
    axes[0].set(aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    for ax, (title, measure) in zip(axes[1:], _MEASURES.items(), strict=True):
        games = pd.DataFrame({name: measure(game) for name, game in both.items()})
        sns.lineplot(games.T, palette=["#bbbbbb"] * len(games), dashes=False, lw=0.8, legend=False, ax=ax)
        sns.stripplot(games, palette=palette, jitter=False, size=4, ax=ax)
        ax.axhline(0, color=style.COLORS["reference"], lw=0.6)
        ax.set(title=localize(title, lang), xlim=(-0.4, 1.4))
    return fig


@style.bilingual
def overlaps(counts: Mapping[Words, Tensor], lang: str) -> Figure:
    """How many products each output pixel sums, for several ways to double an image."""
    fig, axes = plt.subplots(1, len(counts), figsize=(7.6, 3.1))
    bare = {"square": True, "cbar": False, "xticklabels": False, "yticklabels": False}
    for ax, (name, values) in zip(axes, counts.items(), strict=True):
        most = 1.4 * float(values.max())
        sns.heatmap(values.numpy(), cmap="Blues", vmin=0, vmax=most, annot=True, ax=ax, **bare)
        ax.set_title(localize(name, lang))
    return fig


@style.bilingual
def sky_spectra(sky: Tensor, outputs: Mapping[tuple[str, str], Tensor], lang: str) -> Figure:
    """Outputs of the two generators on a smooth image, and their energy by frequency.

    Args:
        sky: shape (n, 3, side, side); the first is drawn.
        outputs: by ("untrained" or "trained", "transposed" or "resize"), shapes as ``sky``.
        lang: ``fa`` or ``en``.
    """
    fig, axes = plt.subplots(2, 4, figsize=(8.4, 4.3), width_ratios=(1, 1, 1, 1.9))
    for line, (stage, title) in zip(axes, _STAGES.items(), strict=True):
        _picture(line[0], sky[0])
        for ax, (kind, (name, color)) in zip(line[1:], _UPSAMPLING.items(), strict=False):
            _picture(ax, outputs[stage, kind][0])
            energy = spectrum(outputs[stage, kind])
            profile = (energy.sum(0) / energy.sum())[: sky.shape[-1] // 2 + 1].numpy()
            frequency = np.arange(len(profile)) / sky.shape[-1]
            line[-1].semilogy(frequency, profile, color=color, label=localize(name, lang))
        line[0].set_ylabel(localize(title, lang))
        line[-1].set(ylim=(1e-6, 1.5), ylabel=localize(_ENERGY, lang))
    for ax, name in zip(axes[0], (_INPUT, *(name for name, _ in _UPSAMPLING.values())), strict=False):
        ax.set_title(localize(name, lang))
    axes[0, -1].legend()
    axes[1, -1].set_xlabel(localize(_FREQUENCY, lang))
    return fig


@style.bilingual
def limits(translations: Mapping[Words, Translation], lang: str, which: int = 0) -> Figure:
    """A row per small CycleGAN: an unseen image, its translation, the way back, and the right answer."""
    rows = {
        name: [images[which] for images in (done.inputs, done.outputs, done.cycled, done.answers)]
        for name, done in translations.items()
    }
    return _gallery((_INPUT, _OUTPUT, _CYCLED, _TARGET), rows, lang)


def _gallery(titles: Sequence[Words], rows: Mapping[Words, Iterable[Tensor]], lang: str) -> Figure:
    """Images in rows with a name each, under common titles."""
    shape = len(rows), len(titles)
    fig, axes = plt.subplots(*shape, figsize=(1.65 * shape[1], 1.75 * shape[0]), squeeze=False)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            _picture(ax, image)
        line[0].set_ylabel(localize(name, lang))
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(localize(title, lang))
    return fig


def _picture(ax: Axes, image: Tensor) -> None:
    """An image of values in [−1, 1], shape (3, height, width)."""
    pixels = (image.detach().clamp(-1, 1).permute(1, 2, 0) + 1) / 2
    ax.imshow(pixels.float().numpy(), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
