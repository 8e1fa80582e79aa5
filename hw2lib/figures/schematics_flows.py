"""Schematics of chapters 1 to 6: how a flow is built, drawn from the models and masks themselves."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from scipy import stats
from torch import Tensor

from hw2lib.bilingual import Text, localize
from hw2lib.flows import MADE, made_masks
from hw2lib.symbolic import Density, Derivation

from . import style
from .diagram import PALE, arrow, box, canvas, label, link, node, prepare

_BLUE, _ORANGE, _SKY = style.COLORS["train"], style.COLORS["validation"], "#cfe8f7"
_COUPLING = {
    "map": Text("نگاشت", "the map"),
    "inverse": Text("وارون، با همان شبکه", "the inverse, with the same network"),
    "network": Text("شبکهٔ s و t", "network s, t"),
}
_MADE = {
    "input": Text("ورودی‌ها", "inputs"),
    "hidden": Text("لایهٔ پنهان {}", "hidden layer {}"),
    "output": Text("خروجی‌ها", "outputs"),
}
_DIRECTIONS = {
    ("MAF", "density"): Text("چگالی MAF: از x به u", "MAF, density: x to u"),
    ("MAF", "sampling"): Text("نمونه‌برداری MAF: از u به x", "MAF, sampling: u to x"),
    ("IAF", "sampling"): Text("نمونه‌برداری IAF: از u به x", "IAF, sampling: u to x"),
    ("IAF", "density"): Text("چگالی IAF: از x به u", "IAF, density: x to u"),
}
_THRESHOLD = {
    "score": Text("امتیاز ناهنجاری", "anomaly score"),
    "density": Text("چگالی امتیاز", "density of the score"),
    "normal": Text("سالم", "normal"),
    "anomalous": Text("ناهنجار", "anomalous"),
    "threshold": Text("آستانه", "threshold"),
    "false": Text("هشدار نادرست: {}", "false alarms: {}"),
    "found": Text("پیداشده: {}", "found: {}"),
    "missed": Text("ازدست‌رفته: {}", "missed: {}"),
}
_STRETCH = {"z": Text("چگالی z", "density of z"), "x": Text("چگالی x", "density of x")}


@style.bilingual
def stretched_intervals(
    derivation: Derivation, base: Density, pieces: Sequence[tuple[float, float]], lang: str
) -> Figure:
    """Where a map takes pieces of the z axis, both axes in one scale; an area is the mass over its piece.

    Args:
        derivation: of an increasing map in one dimension.
        base: the density before.
        pieces: intervals of z.
        lang: ``fa`` or ``en``.
    """
    words = style.localized(_STRETCH, lang)
    forward = sp.lambdify(base.variable, derivation.forward, "numpy")
    ends = [float(end) for d in (base, derivation.density) for end in (d.lower, d.upper)]
    fig, axes = plt.subplots(2, 1, figsize=(7.4, 3.7), sharex=True, sharey=True, gridspec_kw={"hspace": 0.35})
    for ax, density, name in zip(axes, (base, derivation.density), "zx", strict=True):
        x = np.linspace(float(density.lower), float(density.upper), 300)
        height = sp.lambdify(density.variable, density.expression, "numpy")
        curve = np.broadcast_to(height(x), x.shape)
        ax.plot([x[0], *x, x[-1]], [0, *curve, 0], color=style.COLORS["reference"], lw=1.2)
        for piece, color in zip(pieces, style.PALETTE, strict=False):
            low, high = piece if name == "z" else forward(np.array(piece))
            inside = np.linspace(low, high, 60)
            ax.fill_between(inside, np.broadcast_to(height(inside), 60), color=color, alpha=0.5, lw=0)
        ax.set_ylabel(words[name])
        ax.set_xlabel(f"${name}$", loc="right", labelpad=-2)
        ax.tick_params(labelbottom=True)
        ax.grid(False)
    axes[0].set(xlim=(min(ends) - 0.2, max(ends) + 0.2), ylim=(0, 1.15 * axes[0].get_ylim()[1]))
    for piece, color in zip(pieces, style.PALETTE, strict=False):
        for value in piece:
            there, here = (float(forward(value)), axes[1].get_ylim()[1]), (value, 0.0)
            line = ConnectionPatch(here, there, "data", "data", axesA=axes[0], axesB=axes[1])
            line.set(color=color, lw=1.1, ls="--", arrowstyle="-|>", mutation_scale=9)
            fig.add_artist(line)
    return fig


@style.bilingual
def coupling_layer(lang: str) -> Figure:
    """An affine coupling layer and its inverse: z_A passes, and feeds the network that moves z_B."""
    words = style.localized(_COUPLING, lang)
    fig, axes = plt.subplots(1, 2, figsize=(8.2, 2.9))
    panels = zip(
        axes, ("map", "inverse"), (("z", "x"), ("x", "z")), (r"$(z_B - t)/s$", r"$s\,x_B + t$"), strict=True
    )
    for ax, title, (given, result), formula in panels:
        prepare(ax, 6, 3)
        ax.set_title(words[title])
        for row, part in ((2.4, "A"), (0.6, "B")):
            node(ax, (0.4, row), f"${given}_{part}$", 0.36, PALE)
            node(ax, (5.6, row), f"${result}_{part}$", 0.36, _SKY if part == "B" else PALE)
        box(ax, (3.0, 1.5), words["network"], (1.9, 0.56), "#fdebd0")
        box(ax, (3.0, 0.6), formula, (1.9, 0.56), _SKY)
        arrow(ax, (0.76, 2.4), (5.24, 2.4), f"{given}A->{result}A")
        arrow(ax, (3.0, 2.4), (3.0, 1.8), f"{given}A->network")
        arrow(ax, (3.0, 1.22), (3.0, 0.89), "network->move")
        arrow(ax, (0.76, 0.6), (2.04, 0.6), f"{given}B->move")
        arrow(ax, (3.96, 0.6), (5.24, 0.6), f"move->{result}B")
    return fig


@style.bilingual
def made_graph(made: MADE, lang: str, output: int | None = None) -> Figure:
    """A MADE as nodes and edges, drawn from its masks, with the degree in each hidden unit.

    Args:
        made: with one or more hidden layers.
        lang: ``fa`` or ``en``.
        output: number, from 1, of an output whose paths are drawn in colour.
    """
    words = style.localized(_MADE, lang)
    masks = [mask.numpy() for mask in made_masks(made.degrees, made.features)]
    texts = [[f"$x_{i}$" for i in range(1, made.features + 1)]]
    texts += [[str(m) for m in layer.tolist()] for layer in made.degrees]
    texts += [[rf"$\mu_{i}, \alpha_{i}$" for i in range(1, made.features + 1)]]
    columns = [words["input"]]
    columns += [words["hidden"].format(style.digits(k + 1, lang)) for k in range(len(made.degrees))]
    columns += [words["output"]]
    height = max(map(len, texts))
    fig, ax = canvas(2.6 * len(texts) - 1, height + 0.4, 0.82)
    places = [
        [(0.8 + 2.6 * layer, height - 0.5 - (height - len(units)) / 2 - k) for k in range(len(units))]
        for layer, units in enumerate(texts)
    ]
    feeding = feeding_units(masks, output)
    for layer, mask in enumerate(masks):
        for k, d in zip(*mask.nonzero(), strict=True):
            coloured = feeding[layer + 1][k] and feeding[layer][d]
            look = {"color": _ORANGE if coloured else "#9a9a9a", "lw": 1.5 if coloured else 0.9}
            link(ax, places[layer][d], places[layer + 1][k], 0.33, f"{layer}.{d}->{layer + 1}.{k}", **look)
    for layer, units in enumerate(texts):
        label(ax, (places[layer][0][0], height + 0.15), columns[layer])
        for k, (at, text) in enumerate(zip(places[layer], units, strict=True)):
            color = "#f9d9c3" if feeding[layer][k] else (_SKY if 0 < layer < len(masks) else PALE)
            node(ax, at, text, 0.33, color, fontsize=9.5)
    return fig


def feeding_units(masks: Sequence[np.ndarray], output: int | None) -> list[np.ndarray]:
    """Which units of each layer, the inputs first, an output sees; the output itself in the last one."""
    feeding = [np.arange(1, len(masks[-1]) + 1) == output]
    for mask in reversed(masks):
        feeding.insert(0, (mask & feeding[0][:, None]).any(0))
    return feeding


@style.bilingual
def dependency_graphs(seen: Tensor, lang: str) -> Figure:
    """Which value waits for which, for both directions of one block of a MAF and of an IAF.

    Args:
        seen: bool of shape (D, D); [i, j] says that conditional i sees variable j.
        lang: ``fa`` or ``en``.
    """
    D = len(seen)
    fig, axes = plt.subplots(2, 2, figsize=(8.2, 5.4))
    for ax, ((kind, direction), title) in zip(axes.flat, _DIRECTIONS.items(), strict=True):
        prepare(ax, 1.6 * D, 3.6)
        ax.set_title(localize(title, lang))
        given, found = ("x", "u") if direction == "density" else ("u", "x")
        waits = (kind == "MAF") == (direction == "sampling")
        _dependencies(ax, seen, given, found, waits)
        for i in range(D):
            node(ax, (0.8 + 1.6 * i, 2.9), f"${given}_{i + 1}$", 0.34, PALE)
            node(ax, (0.8 + 1.6 * i, 1.2), f"${found}_{i + 1}$", 0.34, "#f9d9c3" if waits else _SKY)
    return fig


def _dependencies(ax: Axes, seen: Tensor, given: str, found: str, waits: bool) -> None:
    """Edges from what is given to what is found and, where these wait for one another, among the latter."""
    across = [0.8 + 1.6 * i for i in range(len(seen))]
    for i in range(len(seen)):
        link(ax, (across[i], 2.9), (across[i], 1.2), 0.34, f"{given}{i}->{found}{i}")
        for j in seen[i].nonzero().flatten().tolist():
            if not waits:
                link(ax, (across[j], 2.9), (across[i], 1.2), 0.34, f"{given}{j}->{found}{i}", color=_BLUE)
            elif j == i - 1:
                link(ax, (across[j], 1.2), (across[i], 1.2), 0.34, f"{found}{j}->{found}{i}", color=_ORANGE)
            else:
                ends = (across[j] + 0.14, 0.88), (across[i] - 0.14, 0.88)
                arrow(ax, *ends, f"{found}{j}->{found}{i}", _ORANGE, bend=0.35)


@style.bilingual
def threshold(apart: float, at: float, lang: str) -> Figure:
    """Two score densities, normal with deviation 1, and what a threshold makes of them.

    Args:
        apart: distance of the anomalous mean from the normal one, in deviations.
        at: the threshold.
        lang: ``fa`` or ``en``.
    """
    words = style.localized(_THRESHOLD, lang)
    low, high = stats.norm(0, 1), stats.norm(apart, 1)
    score = np.linspace(-3.5, apart + 3.5, 400)
    fig, ax = plt.subplots(figsize=(7.2, 3.2))
    parts = [
        ("found", high, score >= at, "anomalous", 0.35, high.sf(at)),
        ("missed", high, score <= at, "accent", 0.35, high.cdf(at)),
        ("false", low, score >= at, "good", 0.55, low.sf(at)),
    ]
    for name, group, where, color, alpha, share in parts:
        text = words[name].format(style.digits(f"{share:.2f}", lang))
        ax.fill_between(
            score[where], group.pdf(score[where]), color=style.COLORS[color], alpha=alpha, label=text
        )
    for name, group, color in (("normal", low, "good"), ("anomalous", high, "anomalous")):
        ax.plot(score, group.pdf(score), color=style.COLORS[color], lw=1.8)
        ax.annotate(words[name], (group.mean(), 0.41), ha="center", color=style.COLORS[color])
    ax.axvline(at, color=style.COLORS["reference"], ls="--", lw=1.2)
    ax.annotate(words["threshold"], (at + 0.08, 0.455), ha="left")
    ax.set(xlabel=words["score"], ylabel=words["density"], ylim=(0, 0.49), xticks=[], yticks=[])
    ax.legend(loc="upper right")
    return fig
