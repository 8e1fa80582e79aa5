"""Schematics of chapters 7 to 12: which network reads what, drawn from the networks where they have sizes.

An arrow is named by what it joins, ``x->G(x)``; a loss that compares two things is ``x~F(G(x))``.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import log2

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hw2lib.bilingual import Text, Words, localize
from hw2lib.experiments.receptive_fields import LayerShape

from . import style
from .diagram import INK, PALE, arrow, box, canvas, label, node, prepare

_GENERATOR, _DISCRIMINATOR, _CYCLE = (style.COLORS[role] for role in ("generator", "discriminator", "cycle"))
_TINTS = {"generator": "#fbe7b8", "discriminator": "#cfe5f3", "cycle": "#cdeee2"}
_BOTH: dict = {"arrowstyle": "<|-|>", "ls": "--", "lw": 1.5}


def _row(ax: Axes, y: float, stops: Sequence[tuple[str, float, float]], color: str = INK) -> None:
    """Arrows on one line from box to box, each a name, a centre and a width, from left to right."""
    for (a, left, wide), (b, right, width) in pairwise(stops):
        arrow(ax, (left + wide / 2, y), (right - width / 2, y), f"{a}->{b}", color, shrinkA=2, shrinkB=2)


def _translations(
    ax: Axes, y: float, stops: Sequence[tuple[str, float, float]], texts: Sequence[str], height: float = 1.0
) -> None:
    """A row whose every second stop is a generator, a node; the others are boxes with these texts."""
    _row(ax, y, stops, _GENERATOR)
    for name, x, _ in stops[1::2]:
        node(ax, (x, y), f"${name}$", 0.34, _TINTS["generator"])
    for (_, x, width), text in zip(stops[::2], texts, strict=True):
        box(ax, (x, y), text, (width, height))


_VAE: dict[str, Words] = {
    "vae": "VAE",
    "flow": Text("جریان", "flow"),
    "encoder": Text("رمزگذار", "encoder"),
    "decoder": Text("رمزگشا", "decoder"),
    "noise": Text("نویز", "noise"),
}


@style.bilingual
def vae_beside_flow(features: int, latent: int, lang: str) -> Figure:
    """A VAE and a flow, there and back; a bar is as high as the logarithm of how many numbers it holds.

    Args:
        features: D, numbers of an image.
        latent: k, numbers of a code.
        lang: ``fa`` or ``en``.
    """
    words = style.localized(_VAE, lang)
    tall, small, bar = 1.9, 1.9 * log2(latent) / log2(features), 0.5
    fig, ax = canvas(10.4, 6.3, 0.72)

    def numbers(x: float, y: float, name: str, count: int) -> None:
        height = tall if count == features else small
        box(ax, (x, y), "", (bar, height))
        label(ax, (x, y + height / 2 + 0.27), name)
        label(ax, (x, y - height / 2 - 0.27), localize(count, lang), fontsize=9.5)

    up, down = 4.7, 1.35
    for y, name in ((up, "vae"), (down, "flow")):
        label(ax, (0.6, y), words[name], fontweight="bold", fontsize=11.5)
    for x, name, count in ((1.8, "$x$", features), (6.3, "$z$", latent), (9.8, "$g(z)$", features)):
        numbers(x, up, name, count)
    box(ax, (3.4, up), words["encoder"], (1.6, 1.0), _TINTS["discriminator"])
    box(ax, (8.0, up), words["decoder"], (1.6, 1.0), _TINTS["generator"])
    label(ax, (4.72, up + 0.3), "$m, s$")
    node(ax, (5.3, up), "+", 0.2)
    label(ax, (5.3, up - 1.3), words["noise"])
    arrow(ax, (5.3, up - 1.05), (5.3, up - 0.22), "noise->z")
    label(ax, (5.2, up - 0.65), r"$s \odot \varepsilon$", ha="right")
    parts = [("x", 1.8, bar), ("encoder", 3.4, 1.6), ("sum", 5.3, 0.4), ("z", 6.3, bar)]
    _row(ax, up, [*parts, ("decoder", 8.0, 1.6), ("g(z)", 9.8, bar)])
    for x, name in ((1.8, "$x$"), (5.8, "$u$"), (9.8, "$x$")):
        numbers(x, down, name, features)
    for x, name in ((3.75, "$f$"), (7.85, "$f^{-1}$")):
        box(ax, (x, down), name, (1.6, 1.0), _TINTS["cycle"])
    parts = [("x", 1.8, bar), ("f", 3.75, 1.6), ("u", 5.8, bar), ("inverse", 7.85, 1.6), ("x", 9.8, bar)]
    _row(ax, down, parts)
    return fig


_CYCLES: dict[str, Words] = {
    "cycle": Text("زیان چرخه‌ای", "cycle loss"),
    "judge": Text("واقعی یا ساختگی؟", "real or generated?"),
}


@style.bilingual
def two_cycles(lang: str) -> Figure:
    """CycleGAN: both generators in both cycles, and each discriminator beside what it judges."""
    words = style.localized(_CYCLES, lang)
    fig, ax = canvas(10.0, 7.2, 0.7)
    for y, (a, b), (first, second) in ((5.2, "xy", "GF"), (1.7, "yx", "FG")):
        there, back, judge = f"{first}({a})", f"{second}({first}({a}))", f"D_{b.upper()}"
        stops = [(a, 1.0, 1.0), (first, 2.8, 0.68), (there, 4.8, 1.3), (second, 6.5, 0.68), (back, 8.7, 1.8)]
        _translations(ax, y, stops, [f"${text}$" for text in (a, there, back)], 0.7)
        arrow(ax, (1.0, y + 0.42), (8.7, y + 0.42), f"{a}~{back}", _CYCLE, -0.13, **_BOTH)
        label(ax, (4.85, y + 1.15), words["cycle"], color="#00694d")
        box(ax, (4.8, y - 1.25), f"${judge}$", (1.0, 0.64), _TINTS["discriminator"])
        arrow(ax, (4.8, y - 0.37), (4.8, y - 0.91), f"{there}->{judge}", _DISCRIMINATOR)
        box(ax, (2.8, y - 1.25), f"${b}$", (0.9, 0.64))
        _row(ax, y - 1.25, [(b, 2.8, 0.9), (judge, 4.8, 1.0)], _DISCRIMINATOR)
        label(ax, (5.5, y - 1.25), words["judge"], ha="left", color="#00507d")
    return fig


_TITLES = Text("مولد ResNet", "ResNet generator"), Text("مولد U-Net", "U-Net generator")
_WIDE, _STEP, _LEVEL = 0.74, 0.92, 0.6


def _height(side: int) -> float:
    return _LEVEL * log2(side)


def _layers(ax: Axes, layers: Sequence[LayerShape], title: str, lang: str) -> list[float]:
    """A box for each layer, as high up as its image is large, with its channels; returns their places."""
    sides = [layer.shape[1] for layer in layers]
    places = [_STEP * k for k in range(len(layers))]
    for side in set(sides):
        text = localize(side, lang)
        label(ax, (-0.6, _height(side)), f"{text}×{text}", fontsize=9, color="#444444", ha="right")
        ax.plot([-0.5, places[-1]], [_height(side)] * 2, color="#dddddd", lw=0.7, zorder=0)
    for x, side, layer in zip(places, sides, layers, strict=True):
        tint = _TINTS["generator" if layer.name == "ConvTranspose2d" else "discriminator"]
        box(ax, (x, _height(side)), localize(layer.shape[0], lang), (_WIDE, 0.42), tint, fontsize=9.5)
    for k, (before, after) in enumerate(pairwise(sides)):
        start, end = (places[k] + _WIDE / 2, _height(before)), (places[k + 1] - _WIDE / 2, _height(after))
        if before != after:
            sign = 1 if after > before else -1
            start = places[k], _height(before) + 0.21 * sign
            end = places[k + 1] - 0.15, _height(after) - 0.21 * sign
        arrow(ax, start, end, lw=0.9, mutation_scale=8)
    label(ax, (places[len(places) // 2], _height(max(sides)) + 0.75), title, fontweight="bold")
    return places


@style.bilingual
def generators(resnet: Sequence[LayerShape], unet: Sequence[LayerShape], lang: str) -> Figure:
    """Both generators layer by layer; the green arrows are their skip connections.

    Args:
        resnet: layers by :func:`~hw2lib.experiments.receptive_fields.shape_table`; of those in its
            middle that are alike, each two are one residual block, and one box.
        unet: layers likewise: as many that halve the image as double it.
        lang: ``fa`` or ``en``.
    """
    titles = [localize(title, lang) for title in _TITLES]
    fig, (above, below) = plt.subplots(2, 1, figsize=(8.0, 5.6), gridspec_kw={"height_ratios": [2.7, 5.7]})
    for ax, low, high in ((above, 32, 128), (below, 1, 128)):
        prepare(ax, 1, 1)
        ax.set(xlim=(-2.0, 13.6 * _STEP), ylim=(_height(low) - 0.4, _height(high) + 1.1))
    path = [layer for layer in resnet for _ in range(max(layer.count // 2, 1))]
    for k, x in enumerate(_layers(above, path, titles[0], lang)):
        if path[k].count > 1:
            top = _height(path[k].shape[1]) + 0.22
            arrow(above, (x - _STEP / 2, top), (x + _STEP / 2, top), f"block{k}", _CYCLE, -0.7, lw=1.6)
    places = _layers(below, unet, titles[1], lang)
    for down, up in zip(range(len(unet) // 2 - 1), reversed(range(len(unet) - 1)), strict=False):
        height, side = _height(unet[down].shape[1]), unet[down].shape[1]
        start, end = (places[down] + _WIDE / 2, height), (places[up] - _WIDE / 2, height)
        arrow(below, start, end, f"down{side}->up{side}", _CYCLE, lw=1.6)
    return fig


_POOL: dict[str, Words] = {
    "new": Text("تصویر تازه", "new image"),
    "old": Text("تصویر قدیمی", "older image"),
    "pool": Text("بافر", "pool"),
    "coin": Text("سکه", "coin"),
}


@style.bilingual
def image_pool(size: int, lang: str) -> Figure:
    """What a full pool does with a new image: half go straight on, half change places with an older one."""
    words = style.localized(_POOL, lang)
    fig, ax = canvas(10.0, 4.4, 0.7)
    half = "½" if lang == "en" else "۱/۲"
    node(ax, (0.7, 3.3), "$G$", 0.42, _TINTS["generator"])
    box(ax, (2.6, 3.3), words["new"], (1.7, 0.8))
    node(ax, (4.8, 3.3), words["coin"], 0.46, "#ffffff", fontsize=9.5)
    box(ax, (9.2, 3.3), "$D$", (1.0, 0.8), _TINTS["discriminator"])
    _row(ax, 3.3, [("G", 0.7, 0.84), ("new", 2.6, 1.7), ("coin", 4.8, 0.92), ("D", 9.2, 1.0)])
    label(ax, (6.6, 3.62), half)
    box(ax, (4.8, 0.9), "", (5.0, 1.1))
    for k in range(9):
        box(ax, (2.75 + 0.5 * k, 0.9), "", (0.38, 0.6), _TINTS["cycle"] if k == 6 else PALE)
    label(ax, (2.1, 0.9), f"{words['pool']}\n{localize(size, lang)}", ha="right")
    arrow(ax, (4.8, 2.83), (5.6, 1.47), "coin->pool")
    label(ax, (4.95, 2.05), half, ha="right")
    arrow(ax, (5.9, 1.47), (8.85, 2.86), "pool->D", _CYCLE, lw=1.6)
    label(ax, (7.75, 1.95), words["old"], ha="left", color="#00694d")
    return fig


_PIPELINE: dict[str, Words] = {
    "photograph": Text("عکس آزمون", "test photograph"),
    "translation": Text("ترجمه", "translation"),
    "back": Text("بازگشت", "way back"),
    "target": Text("عکس‌های مقصد", "target photographs"),
    "judge": Text("پذیرفته؟\n(رده‌بند)", "accepted?\n(classifier)"),
    "kernel": Text("فاصلهٔ هسته‌ای\n(ویژگی‌ها)", "kernel distance\n(features)"),
    "colour": Text("فاصلهٔ رنگ\n(توزیع‌ها)", "colour distance\n(distributions)"),
    "classes": Text("کدام رنگ،\nکدام رنگ شد", "which colour\nbecame which"),
    "grid": Text("توری\n(طیف)", "grid\n(spectrum)"),
    "cycle": "PSNR, SSIM",
}


@style.bilingual
def measures_pipeline(lang: str) -> Figure:
    """From a photograph to the measures of chapters 11 and 12: what each measure reads."""
    words = style.localized(_PIPELINE, lang)
    fig, ax = canvas(10.4, 6.6, 0.74)
    y = 5.0
    stops = [("x", 1.15, 2.0), ("G", 2.95, 0.68), ("G(x)", 4.9, 1.8), ("F", 6.85, 0.68)]
    stops.append(("F(G(x))", 8.9, 2.0))
    names = {"photograph": "x", "translation": "G(x)", "back": "F(G(x))"}
    _translations(ax, y, stops, [f"{words[word]}\n${name}$" for word, name in names.items()])
    arrow(ax, (1.15, y + 0.52), (8.9, y + 0.52), "x~F(G(x))", _CYCLE, -0.1, **_BOTH)
    label(ax, (5.0, y + 1.25), words["cycle"], color="#00694d")
    box(ax, (4.9, 0.55), f"{words['target']}\n$y$", (3.0, 1.0))
    for k, name in enumerate(("classes", "grid", "judge", "kernel", "colour")):
        x = 1.15 + 1.96 * k
        box(ax, (x, 2.55), words[name], (1.8, 0.95), _TINTS["discriminator"], fontsize=9.5)
        arrow(ax, (4.9, y - 0.52), (x, 3.05), f"G(x)->{name}", _DISCRIMINATOR)
        if name in ("kernel", "colour"):
            arrow(ax, (4.9, 1.07), (x, 2.05), f"y->{name}", _DISCRIMINATOR)
    arrow(ax, (1.15, y - 0.52), (0.9, 3.05), "x->classes", _DISCRIMINATOR)
    return fig


_MESSAGE: dict[str, Words] = {
    "summer": Text("تابستان", "summer"),
    "winter": Text("زمستان", "winter"),
    "rebuilt": Text("تابستان بازساخته", "summer rebuilt"),
    "perturbation": Text("آشفتگی", "perturbation"),
    "compare": Text("چقدر جابه‌جا شد؟", "how far apart?"),
    "message": Text("پیام پنهان؟", "a hidden message?"),
}


@style.bilingual
def hidden_message(lang: str) -> Figure:
    """Where a hidden message would travel through the cycle, and the perturbation that is put in its way."""
    words = style.localized(_MESSAGE, lang)
    fig, ax = canvas(10.4, 5.0, 0.74)
    y, low = 3.5, 0.9
    stops = [("x", 1.0, 1.7), ("G", 2.7, 0.68), ("z", 4.5, 1.7), ("F", 6.5, 0.68), ("F(z)", 8.9, 2.4)]
    names = {"summer": "x", "winter": "z", "rebuilt": "F(z)"}
    _translations(ax, y, stops, [f"{words[word]}\n${name}$" for word, name in names.items()])
    below = [("p", 4.5, 2.0), ("F", 6.5, 0.68), ("F(p(z))", 8.9, 2.4)]
    _row(ax, low, below, _GENERATOR)
    node(ax, (6.5, low), "$F$", 0.34, _TINTS["generator"])
    arrow(ax, (4.5, y - 0.52), (4.5, low + 0.52), "z->p", _DISCRIMINATOR)
    box(ax, (4.5, low), f"{words['perturbation']}\n$p(z)$", (2.0, 1.0), _TINTS["discriminator"])
    box(ax, (8.9, low), "$F(p(z))$", (2.4, 1.0))
    arrow(ax, (8.9, y - 0.52), (8.9, low + 0.52), "F(z)~F(p(z))", _CYCLE, **_BOTH)
    label(ax, (8.8, (y + low) / 2), words["compare"], ha="right", color="#00694d")
    for name, start, end in (("x->z", 1.0, 4.4), ("z->F(z)", 4.6, 8.9)):
        ends = (start, y + 0.54), (end, y + 0.54)
        arrow(ax, *ends, f"message:{name}", style.COLORS["accent"], -0.2, ls=":", lw=2.0)
    label(ax, (4.5, y + 1.3), words["message"], color="#a0457a")
    return fig
