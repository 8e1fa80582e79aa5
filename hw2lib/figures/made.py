"""Figures of chapter 3: masks, stairs, Jacobians, a flow on two moons."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hw2lib.flows import MADE, AutoregressiveFlow, StaircaseLinear, made_masks

from . import style

_WORDS = {
    "fa": {
        "input": "ورودی",
        "hidden": "واحد پنهان",
        "output": "خروجی",
        "first": "ورودی به لایهٔ اول",
        "second": "لایهٔ اول به دوم",
        "last": "لایهٔ دوم به خروجی",
        "product": "از ورودی تا خروجی",
        "spread": "درجه‌های پخش‌شده",
        "modulo": "درجه‌های پیمانه‌ای",
        "stored": "نگه داشته می‌شود",
        "closed": "صفر، درون یک مستطیل",
        "density": "چگالی مدل",
        "sample": "نمونه‌های مدل",
        "data": "داده",
    },
    "en": {
        "input": "input",
        "hidden": "hidden unit",
        "output": "output",
        "first": "input to first layer",
        "second": "first to second layer",
        "last": "second layer to output",
        "product": "input to output",
        "spread": "spread degrees",
        "modulo": "degrees by remainder",
        "stored": "stored",
        "closed": "zero, inside a rectangle",
        "density": "the model's density",
        "sample": "samples of the model",
        "data": "data",
    },
}
_TWO = ListedColormap(["#f3f3f3", style.COLORS["train"]])


def masks(made: MADE, lang: str) -> Figure:
    """The masks of a MADE with two hidden layers, and which output sees which input."""
    words = _WORDS[lang]
    one, two, out = (m.numpy() for m in made_masks(made.degrees, made.features))
    paths = out.astype(int) @ two.astype(int) @ one.astype(int)
    panels = (
        (one, "first", "input", "hidden"),
        (two, "second", "hidden", "hidden"),
        (out, "last", "hidden", "output"),
        (paths > 0, "product", "input", "output"),
    )
    with style.language(lang):
        fig, axes = plt.subplots(1, 4, figsize=(8.2, 2.6))
        for ax, (mask, title, across, down) in zip(axes, panels, strict=True):
            _matrix(ax, mask, _TWO)
            ax.set(title=words[title], xlabel=words[across], ylabel=words[down])
        return style.finish(fig, lang)


def coverage(spread: Tensor, modulo: Tensor, features: int, lang: str) -> Figure:
    """Which output sees which input, for two ways of giving degrees to one hidden layer."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.3))
        for ax, degrees, title in ((axes[0], spread, "spread"), (axes[1], modulo, "modulo")):
            first, out = (m.numpy().astype(int) for m in made_masks([degrees.sort().values], features))
            _matrix(ax, out @ first > 0, _TWO)
            ax.set(title=words[title], xlabel=words["input"], ylabel=words["output"])
        return style.finish(fig, lang)


def staircase(layer: StaircaseLinear, lang: str) -> Figure:
    """The open entries of a layer, and the rectangles that are stored."""
    words = _WORDS[lang]
    opened = layer.dense_weight().detach().ne(0).numpy()
    with style.language(lang):
        fig, ax = plt.subplots(figsize=(5.2, 3.6))
        _matrix(ax, opened, _TWO)
        for k, rectangle in enumerate(layer.rectangles):
            ax.add_patch(
                Rectangle(
                    (-0.5, rectangle.lo - 0.5),
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
        return style.finish(fig, lang)


def jacobians(matrices: Sequence[np.ndarray], titles: Sequence[str], lang: str) -> Figure:
    """|∂u_i/∂x_j| on a logarithmic scale; exact zeros are white."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, axes = plt.subplots(1, len(matrices), figsize=(2.75 * len(matrices), 3.0), squeeze=False)
        for ax, matrix, title in zip(axes[0], matrices, titles, strict=True):
            magnitude = np.ma.masked_equal(np.abs(matrix), 0)
            image = ax.imshow(magnitude, norm=LogNorm(1e-4, 3), cmap="viridis", interpolation="nearest")
            ax.set(title=title, xlabel=words["input"], ylabel=words["output"])
            ax.grid(False)
        fig.colorbar(image, ax=axes[0].tolist(), shrink=0.8)
        return style.finish(fig, lang)


@torch.no_grad()
def two_dimensions(flow: AutoregressiveFlow, data: Tensor, sample: Tensor, lang: str) -> Figure:
    """Data, density and samples of a flow on the plane."""
    words = _WORDS[lang]
    low, high = data.min(0).values - 0.4, data.max(0).values + 0.4
    xs, ys = (torch.linspace(float(low[k]), float(high[k]), 160, dtype=data.dtype) for k in (0, 1))
    grid = torch.cartesian_prod(xs, ys)
    density = flow.log_prob(grid).exp().reshape(160, 160).T.numpy()
    with style.language(lang):
        fig, axes = plt.subplots(1, 3, figsize=(8.2, 2.8), sharex=True, sharey=True)
        box = (float(xs[0]), float(xs[-1]), float(ys[0]), float(ys[-1]))
        axes[1].imshow(density, origin="lower", extent=box, aspect="auto", cmap="viridis")
        axes[1].grid(False)
        for ax, points, color in ((axes[0], data, "reference"), (axes[2], sample, "train")):
            ax.scatter(*points[:1500].T.numpy(), s=2, color=style.COLORS[color], alpha=0.5)
        for ax, title in zip(axes, ("data", "density", "sample"), strict=True):
            ax.set(title=words[title], xlim=box[:2], ylim=box[2:])
        return style.finish(fig, lang)


def _matrix(ax, values: np.ndarray, cmap) -> None:
    ax.imshow(values, cmap=cmap, interpolation="nearest", vmin=0, vmax=1, aspect="auto")
    ax.grid(False)
    ax.set(xticks=[], yticks=[])
