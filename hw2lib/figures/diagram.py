"""Boxes, nodes and arrows, of which the schematics of all chapters are drawn.

A node is a circle and a box a rectangle, placed by its centre in units of the canvas. An arrow carries a
name in its ``gid``, such as ``x1->h2``, and :func:`arrows` reads the names back: a test can hold a
picture's edges against those of the model that it shows.
"""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from . import style

Point = tuple[float, float]
INK = style.COLORS["reference"]
PALE = "#f3f3f3"


def canvas(width: float, height: float, scale: float = 1.0) -> tuple[Figure, Axes]:
    """An empty drawing of ``width`` × ``height`` units of ``scale`` inches; (0, 0) is its lower left."""
    fig, ax = plt.subplots(figsize=(scale * width, scale * height))
    prepare(ax, width, height)
    return fig, ax


def prepare(ax: Axes, width: float, height: float) -> None:
    """Make an axes of a figure with several panels an empty drawing."""
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.set_axis_off()


def label(ax: Axes, at: Point, text: str, **look: Any) -> None:
    """Words around a point, in the middle unless ``ha`` or ``va`` say otherwise."""
    centred: dict[str, Any] = {"ha": "center", "va": "center", "color": INK, "zorder": 4}
    ax.text(*at, text, **(centred | look))


def node(ax: Axes, at: Point, text: str = "", radius: float = 0.25, color: str = PALE, **look: Any) -> None:
    """A circle with a few signs in it."""
    ax.add_patch(Circle(at, radius, facecolor=color, edgecolor=INK, lw=1.1, zorder=3))
    label(ax, at, text, **look)


def box(
    ax: Axes, at: Point, text: str = "", size: Point = (1.2, 0.6), color: str = PALE, **look: Any
) -> None:
    """A rectangle with round corners and words in it; ``size`` is its width and height."""
    corner = at[0] - size[0] / 2, at[1] - size[1] / 2
    rounded = "round,pad=0,rounding_size=0.08"
    ax.add_patch(
        FancyBboxPatch(corner, *size, boxstyle=rounded, facecolor=color, edgecolor=INK, lw=1.1, zorder=3)
    )
    label(ax, at, text, **look)


def arrow(
    ax: Axes, start: Point, end: Point, name: str = "", color: str = INK, bend: float = 0.0, **look: Any
) -> None:
    """An arrow between two points, under the nodes.

    Args:
        ax: where to draw.
        start: where it begins.
        end: where its head is.
        name: what :func:`arrows` finds it by.
        color: of line and head.
        bend: how far it swings out, as a share of its length; to the left of its way if negative.
        look: of ``FancyArrowPatch``, such as ``lw``, ``ls``, or ``shrinkA`` and ``shrinkB``, the points
            by which it stays away from its ends.
    """
    settings: dict[str, Any] = {
        "arrowstyle": "-|>",
        "mutation_scale": 11,
        "lw": 1.2,
        "shrinkA": 0,
        "shrinkB": 0,
        "zorder": 2,
    }
    patch = FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", color=color, **(settings | look))
    patch.set_gid(name)
    ax.add_patch(patch)


def link(ax: Axes, start: Point, end: Point, radius: float = 0.25, name: str = "", **look: Any) -> None:
    """An arrow from the rim of one node to the rim of another."""
    across, up = end[0] - start[0], end[1] - start[1]
    share = radius / max((across**2 + up**2) ** 0.5, 1e-9)
    inside = across * share, up * share
    arrow(
        ax,
        (start[0] + inside[0], start[1] + inside[1]),
        (end[0] - inside[0], end[1] - inside[1]),
        name,
        **look,
    )


def arrows(ax: Axes) -> set[str]:
    """The names of the arrows in a drawing."""
    return {str(p.get_gid()) for p in ax.patches if isinstance(p, FancyArrowPatch) and p.get_gid()}
