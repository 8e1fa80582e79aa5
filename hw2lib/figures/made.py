"""Figures of chapter 3: masks, stairs, Jacobians, a flow on two moons."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hw2lib.bilingual import Text, Words, localize
from hw2lib.flows import MADE, AutoregressiveFlow, StaircaseLinear, made_masks

from . import style
from .explore import Control, Explorable, Reading, shown
from .schematics_flows import feeding_units

_WORDS = {
    "input": Text("ورودی", "input"),
    "hidden": Text("واحد پنهان", "hidden unit"),
    "output": Text("خروجی", "output"),
    "first": Text("ورودی به لایهٔ اول", "input to first layer"),
    "second": Text("لایهٔ اول به دوم", "first to second layer"),
    "last": Text("لایهٔ دوم به خروجی", "second layer to output"),
    "product": Text("از ورودی تا خروجی", "input to output"),
    "spread": Text("درجه‌های پخش‌شده", "spread degrees"),
    "modulo": Text("درجه‌های پیمانه‌ای", "degrees by remainder"),
    "stored": Text("نگه داشته می‌شود", "stored"),
    "density": Text("چگالی مدل", "the model's density"),
    "sample": Text("نمونه‌های مدل", "samples of the model"),
    "data": Text("داده", "data"),
}
_TWO = ListedColormap(["#f3f3f3", style.COLORS["train"]])


@style.bilingual
def masks(made: MADE, lang: str) -> Figure:
    """The masks of a MADE with two hidden layers, and which output sees which input."""
    words = style.localized(_WORDS, lang)
    one, two, out = (m.numpy() for m in made_masks(made.degrees, made.features))
    paths = out.astype(int) @ two.astype(int) @ one.astype(int)
    panels = (
        (one, "first", "input", "hidden"),
        (two, "second", "hidden", "hidden"),
        (out, "last", "hidden", "output"),
        (paths > 0, "product", "input", "output"),
    )
    fig, axes = plt.subplots(1, 4, figsize=(8.2, 2.6))
    for ax, (mask, title, across, down) in zip(axes, panels, strict=True):
        _mask(ax, mask)
        ax.set(title=words[title], xlabel=words[across], ylabel=words[down])
    return fig


@style.bilingual
def _wired(degrees: Sequence[Tensor], features: int, output: int, lang: str) -> Figure:
    """A MADE as nodes and edges, inputs below, with all that one output hangs on."""
    words = style.localized(_WORDS, lang)
    opened = [mask.numpy() for mask in made_masks(degrees, features)]
    used = feeding_units(opened, output)
    fig, ax = plt.subplots(figsize=(7.2, 3.6))
    places = [np.linspace(0, 1, 2 * len(nodes) + 1)[1::2] for nodes in used]
    for level, mask in enumerate(opened):
        for above, below in np.argwhere(mask):
            on = bool(used[level + 1][above] and used[level][below])
            color, width = (style.COLORS["train"], 1.2) if on else ("#dddddd", 0.5)
            ends = [places[level][below], places[level + 1][above]]
            ax.plot(ends, [level, level + 1], zorder=float(on), color=color, lw=width)
    numbers = [torch.arange(1, features + 1), *degrees, torch.arange(1, features + 1)]
    for level, nodes in enumerate(used):
        for x, number, on in zip(places[level], numbers[level].tolist(), nodes.tolist(), strict=True):
            face = style.COLORS["light"] if on else "white"
            ax.plot(x, level, "o", ms=17, mfc=face, mec=style.COLORS["reference"], mew=0.8, zorder=2)
            ax.text(x, level, str(number), ha="center", va="center", fontsize=9, zorder=3)
    ax.set(yticks=range(4), yticklabels=[words[name] for name in ("input", "hidden", "hidden", "output")])
    ax.set_xticks([])
    ax.grid(False)
    return fig


def wiring(choices: Mapping[Words, Sequence[Tensor]], features: int, start: int) -> Explorable:
    """Degrees, the masks that follow from them, and what each output sees, for the reader to choose.

    Args:
        choices: the degrees of two hidden layers, by the name under which the reader chooses them.
        features: D, the number of inputs.
        start: the output that is shown at first, from 1.
    """
    units = [[d.sort().values for d in degrees] for degrees in choices.values()]
    nets = [[mask.numpy() for mask in made_masks(degrees, features)] for degrees in units]
    used = [[feeding_units(masks, output) for output in range(1, features + 1)] for masks in nets]
    seen = [[int(layers[0].sum()) for layers in of_net] for of_net in used]
    both = ("degrees", "output")
    readings = [
        Reading(Text("ورودی‌هایی که می‌بیند", "inputs that it sees"), both, seen),
        Reading(Text("ورودی‌های پیشین", "earlier inputs"), ("output",), [*range(features)]),
        Reading(
            Text("واحدهای پنهانی که به کار می‌روند", "hidden units that it uses"),
            both,
            [[sum(int(nodes.sum()) for nodes in layers[1:-1]) for layers in net] for net in used],
        ),
        Reading(
            Text("یال‌های باز شبکه", "open connections of the network"),
            ("degrees",),
            [sum(int(mask.sum()) for mask in masks) for masks in nets],
        ),
    ]
    inputs = torch.arange(1, features + 1)
    numbers = [[inputs, *degrees, inputs] for degrees in units]
    hidden = Text("درجهٔ واحد پنهان", "degree of the hidden unit")
    drawing = {
        "layers": [_WORDS["input"], hidden, hidden, _WORDS["output"]],
        "numbers": [shown([layer.tolist() for layer in layers]) for layers in numbers],
        "masks": [[mask.astype(int) for mask in masks] for masks in nets],
        "used": [[[nodes.astype(int) for nodes in layers] for layers in net] for net in used],
        "network": Text("یال‌های باز شبکه", "the network's open connections"),
        "matrix": Text("کدام خروجی کدام ورودی را می‌بیند", "which output sees which input"),
    }
    controls = [
        Control("output", _WORDS["output"], inputs.tolist(), start - 1),
        Control("degrees", Text("درجه‌ها", "degrees"), [*choices], choice=True),
    ]
    still = _wired(units[0], features, start)
    return Explorable("masks", controls, readings, drawing, still)


@style.bilingual
def coverage(spread: Tensor, modulo: Tensor, features: int, lang: str) -> Figure:
    """Which output sees which input, for two ways of giving degrees to one hidden layer."""
    words = style.localized(_WORDS, lang)
    fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.3))
    for ax, degrees, title in ((axes[0], spread, "spread"), (axes[1], modulo, "modulo")):
        first, out = (m.numpy().astype(int) for m in made_masks([degrees.sort().values], features))
        _mask(ax, out @ first > 0)
        ax.set(title=words[title], xlabel=words["input"], ylabel=words["output"])
    return fig


@style.bilingual
def staircase(layer: StaircaseLinear, lang: str) -> Figure:
    """The open entries of a layer, and the rectangles that are stored."""
    words = style.localized(_WORDS, lang)
    opened = layer.dense_weight().detach().ne(0).numpy()
    fig, ax = plt.subplots(figsize=(5.2, 3.6))
    _mask(ax, opened)
    for k, rectangle in enumerate(layer.rectangles):
        ax.add_patch(
            Rectangle(
                (0, rectangle.lo),
                rectangle.width,
                rectangle.hi - rectangle.lo,
                fill=False,
                edgecolor=style.COLORS["anomalous"],
                lw=2,
                label=words["stored"] if k == 0 else None,
            )
        )
    ax.set(xlabel=words["input"], ylabel=words["output"])
    ax.legend(loc="upper right")
    return fig


@style.bilingual
def jacobians(matrices: Mapping[Words, np.ndarray], lang: str) -> Figure:
    """|∂u_i/∂x_j| by title, on a logarithmic scale; exact zeros are white."""
    words = style.localized(_WORDS, lang)
    fig, axes = plt.subplots(1, len(matrices), figsize=(2.75 * len(matrices), 3.0), squeeze=False)
    for ax, (title, matrix) in zip(axes[0], matrices.items(), strict=True):
        look = {"mask": matrix == 0, "norm": LogNorm(1e-4, 3), "cmap": "viridis", "cbar": False}
        sns.heatmap(np.abs(matrix), ax=ax, xticklabels=False, yticklabels=False, square=True, **look)
        ax.set(title=localize(title, lang), xlabel=words["input"], ylabel=words["output"])
    fig.colorbar(axes[0, -1].collections[0], ax=axes[0].tolist(), shrink=0.8)
    return fig


@style.bilingual
@torch.no_grad()
def two_dimensions(flow: AutoregressiveFlow, data: Tensor, sample: Tensor, lang: str) -> Figure:
    """Data, density and samples of a flow on the plane."""
    words = style.localized(_WORDS, lang)
    low, high = data.min(0).values - 0.4, data.max(0).values + 0.4
    xs, ys = (torch.linspace(float(low[k]), float(high[k]), 160, dtype=data.dtype) for k in (0, 1))
    grid = torch.cartesian_prod(xs, ys)
    density = flow.log_prob(grid).exp().reshape(160, 160).T.numpy()
    fig, axes = plt.subplots(1, 3, figsize=(8.2, 2.8), sharex=True, sharey=True)
    box = (float(xs[0]), float(xs[-1]), float(ys[0]), float(ys[-1]))
    axes[1].imshow(density, origin="lower", extent=box, aspect="auto", cmap="viridis")
    axes[1].grid(False)
    for ax, points, color in ((axes[0], data, "reference"), (axes[2], sample, "train")):
        ax.scatter(*points[:1500].T.numpy(), s=2, color=style.COLORS[color], alpha=0.5)
    for ax, title in zip(axes, ("data", "density", "sample"), strict=True):
        ax.set(title=words[title], xlim=box[:2], ylim=box[2:])
    return fig


def _mask(ax: Axes, opened: np.ndarray) -> None:
    look = {"cmap": _TWO, "vmin": 0, "vmax": 1, "cbar": False}
    sns.heatmap(opened.astype(int), ax=ax, xticklabels=False, yticklabels=False, **look)
