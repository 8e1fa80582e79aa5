"""How figures look: fonts and digits of the edition, colours by role, sizes for a page 700 pixels wide.

A figure is a function decorated with :func:`bilingual`: it draws one edition, and calling it gives both.
It may draw with matplotlib or seaborn, which takes its colours and fonts from the same context
(:func:`language`). matplotlib 3.11 shapes and orders Persian text itself; labels in Persian hold no ``$…$``.
"""

import base64
import functools
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedFormatter,
    Formatter,
    FuncFormatter,
    LogFormatter,
    NullFormatter,
    ScalarFormatter,
)

from hw2lib.bilingual import EDITIONS, LANGUAGES, Text, Words, localize

_FONTS = Path(__file__).parent / "fonts"
_PERSIAN_DIGITS = str.maketrans("0123456789.-−", "۰۱۲۳۴۵۶۷۸۹٫−−")
_NUMBER = re.compile(r"[-−+]?\d[\d.,]*%?")

# By role, from the Okabe-Ito palette, which colour-blind readers tell apart.
COLORS = {
    "good": "#009E73",
    "anomalous": "#D55E00",
    "cycle": "#009E73",
    "discriminator": "#0072B2",
    "generator": "#E69F00",
    "train": "#0072B2",
    "validation": "#D55E00",
    "plain": "#999999",
    "ema": "#0072B2",
    "reference": "#000000",
    "accent": "#CC79A7",
    "light": "#56B4E9",
}
# The order in which seaborn and matplotlib take colours that have no role.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#999999", "#000000"]

_BASE: dict[Any, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "figure.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "figure.constrained_layout.use": True,
    "axes.unicode_minus": True,
    "axes.prop_cycle": cycler(color=PALETTE),
    "image.cmap": "viridis",
}


def _register_fonts() -> None:
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(_FONTS.glob("*.ttf")):
        if str(path) not in known:
            font_manager.fontManager.addfont(path)


@dataclass(frozen=True)
class Picture:
    """A figure in both languages, as a notebook shows it: the English one, with the Persian one beside it.

    Attributes:
        mime: ``image/png`` or ``image/jpeg``.
        images: the encoded picture of each edition.
    """

    mime: str
    images: dict[str, bytes]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        coded = {lang: base64.b64encode(image).decode() for lang, image in self.images.items()}
        bundle: dict[str, Any] = {
            "text/plain": f"<{self.mime} in Persian and English>",
            self.mime: coded["en"],
        }
        if coded["fa"] != coded["en"]:  # a picture without words is stored once
            bundle[EDITIONS] = {"fa": {self.mime: coded["fa"]}}
        return bundle


def bilingual(draw: Callable[..., Figure] | None = None, *, photographs: bool = False) -> Callable[..., Any]:
    """Make a function that draws one edition's figure into one that shows both.

    The function takes ``lang`` as its last parameter and returns a Figure; it is called in the edition's
    fonts, and axes get the edition's digits afterwards. Called without ``lang``, what it becomes
    gives a :class:`Picture`; with ``lang``, the Figure of that edition, to look into.

    Args:
        draw: the function; it may not use up its arguments, since it is called twice.
        photographs: encode as JPEG, which takes a quarter of the room of PNG where photographs fill the
            figure, without subsampling, which would blur the colours that these pictures are about.
    """
    if draw is None:
        return functools.partial(bilingual, photographs=photographs)

    @functools.wraps(draw)
    def drawn(*args: Any, lang: str | None = None, **kwargs: Any) -> Picture | Figure:
        def edition(lang: str) -> Figure:
            with language(lang):
                return finish(draw(*args, lang=lang, **kwargs), lang)

        if lang is not None:
            return edition(lang)
        return Picture(
            "image/jpeg" if photographs else "image/png",
            {lang: _encode(edition(lang), photographs) for lang in LANGUAGES},
        )

    return drawn


def _encode(figure: Figure, photographs: bool) -> bytes:
    file = io.BytesIO()
    if photographs:
        figure.savefig(file, format="jpeg", pil_kwargs={"quality": 75, "subsampling": 0})
    else:
        figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()


@contextmanager
def language(lang: str) -> Iterator[None]:
    """Draw in the fonts of one edition, ``fa`` or ``en``."""
    if lang not in LANGUAGES:
        raise ValueError(f"lang={lang!r}: expected one of {LANGUAGES}")
    _register_fonts()
    family = ["Vazirmatn", "DejaVu Sans"] if lang == "fa" else ["DejaVu Sans", "Vazirmatn"]
    with plt.rc_context(_BASE | {"font.family": family}):
        yield


def localized(words: Mapping[str, Words], lang: str) -> dict[str, str]:
    """The words of a figure in one language, by name."""
    return {name: localize(word, lang) for name, word in words.items()}


def digits(text: object, lang: str) -> str:
    """A label in the edition's words and digits: ``0.5`` becomes ``۰٫۵`` in Persian."""
    label = localize(text, lang) if isinstance(text, Text) else str(text)
    return label.translate(_PERSIAN_DIGITS) if lang == "fa" else label


def finish(fig: Figure, lang: str) -> Figure:
    """Put the edition's digits on all axes, cells and legends, and detach the figure from pyplot.

    A detached figure is shown once, by the cell that returns it.
    """
    if lang == "fa":
        for ax in fig.axes:
            for axis in (ax.xaxis, ax.yaxis):
                _persian_ticks(axis)
            legend = ax.get_legend()
            for text in (*ax.texts, *(legend.get_texts() if legend else ())):
                text.set_text(_persian_number(text.get_text()))
    plt.close(fig)
    return fig


def picture_rows(sheet: np.ndarray, titles: Sequence[Words], lang: str) -> Figure:
    """Rows of pictures, uint8 of shape (rows, columns, size, size, 3), with a title above each row.

    One image pixel is one pixel of the figure: enlarged noise is no clearer and many times the bytes.
    """
    rows, columns, size = sheet.shape[:3]
    gap, title = 6, 36
    width, height = columns * (size + gap), rows * (size + title)
    fig = plt.figure(figsize=(width / 110, height / 110), dpi=110, layout="none")
    for row, name in zip(range(rows), titles, strict=True):
        bottom = (rows - 1 - row) * (size + title) / height
        fig.text(0.5, bottom + (size + 5) / height, digits(name, lang), ha="center", va="bottom")
        for column in range(columns):
            box = (column * (size + gap) / width, bottom, size / width, size / height)
            ax = fig.add_axes(box)
            ax.imshow(sheet[row, column], interpolation="nearest")
            ax.set_axis_off()
    return fig


def _persian_number(text: str) -> str:
    """The text in Persian digits if it is a number and nothing else."""
    return digits(text, "fa").replace("%", "٪") if _NUMBER.fullmatch(text) else text


class _PersianPowers(Formatter):
    """The labels of a logarithmic axis, formulas such as ``10^{-2}``, with Persian digits in them."""

    def __init__(self, labels: Formatter) -> None:
        self._labels = labels

    def set_locs(self, locs: Any) -> None:
        self._labels.set_locs(locs)  # which of the minor ticks are labelled depends on how many there are

    def __call__(self, value: float, position: int | None = None) -> str:
        return self._labels(value, position).translate(_PERSIAN_DIGITS)


def _persian_ticks(axis: Axis) -> None:
    if isinstance(minor := axis.get_minor_formatter(), LogFormatter):
        axis.set_minor_formatter(_PersianPowers(minor))
    match formatter := axis.get_major_formatter():
        case LogFormatter():
            axis.set_major_formatter(_PersianPowers(formatter))
        case ScalarFormatter():
            axis.set_major_formatter(FuncFormatter(lambda value, _: digits(_short(value), "fa")))
            axis.set_minor_formatter(NullFormatter())
        case (
            FixedFormatter() | FuncFormatter() | StrCategoryFormatter()
        ):  # labels given, and seaborn's categories
            axis.set_major_formatter(
                FuncFormatter(lambda value, k: _persian_number(str(formatter(value, k))))
            )


def _short(value: float) -> str:
    text = f"{value:.6g}"
    return "0" if text == "-0" else text


def interval(ax: Axes, low: float, high: float, y: float, **look: Any) -> None:
    """A horizontal bar from ``low`` to ``high``; the usual ends of a broad line would make it longer."""
    ax.plot([low, high], [y, y], solid_capstyle="butt", **look)
