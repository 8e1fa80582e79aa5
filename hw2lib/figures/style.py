"""How figures look: fonts and digits of the edition, colours by role, sizes for a page 700 pixels wide.

matplotlib 3.11 shapes and orders Persian text itself; labels in Persian hold no ``$…$``.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, ScalarFormatter

LANGUAGES = ("fa", "en")
_FONTS = Path(__file__).parent / "fonts"
_PERSIAN_DIGITS = str.maketrans("0123456789.-−", "۰۱۲۳۴۵۶۷۸۹٫−−")

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

_BASE = {
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
}


def _register_fonts() -> None:
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(_FONTS.glob("*.ttf")):
        if str(path) not in known:
            font_manager.fontManager.addfont(path)


@dataclass(frozen=True)
class Jpeg:
    """A figure full of photographs, which a notebook shows as JPEG: in a quarter of the room of PNG.

    Attributes:
        figure: what is shown.
    """

    figure: Figure

    def _repr_jpeg_(self) -> bytes:
        file = io.BytesIO()
        # Without subsampling, which would blur the colours that these pictures are about.
        self.figure.savefig(file, format="jpeg", pil_kwargs={"quality": 85, "subsampling": 0})
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


def digits(text: object, lang: str) -> str:
    """Numbers in the edition's digits: ``0.5`` becomes ``۰٫۵`` in Persian."""
    return str(text).translate(_PERSIAN_DIGITS) if lang == "fa" else str(text)


def finish(fig: Figure, lang: str) -> Figure:
    """Put the edition's digits on all linear axes and detach the figure from pyplot.

    Powers on logarithmic axes are mathematics and stay as they are. A detached figure is shown once,
    by the cell that returns it.
    """
    if lang == "fa":
        for ax in fig.axes:
            _persian_ticks(ax)
    plt.close(fig)
    return fig


def picture_rows(sheet: np.ndarray, titles: Sequence[str], lang: str) -> Figure:
    """Rows of pictures, uint8 of shape (rows, columns, size, size, 3), with a title above each row.

    One image pixel is one pixel of the figure: enlarged noise is no clearer and many times the bytes.
    """
    rows, columns, size = sheet.shape[:3]
    gap, title = 6, 36
    width, height = columns * (size + gap), rows * (size + title)
    with language(lang):
        fig = plt.figure(figsize=(width / 110, height / 110), dpi=110, layout="none")
        for row, name in zip(range(rows), titles, strict=True):
            bottom = (rows - 1 - row) * (size + title) / height
            fig.text(0.5, bottom + (size + 5) / height, digits(name, lang), ha="center", va="bottom")
            for column in range(columns):
                box = (column * (size + gap) / width, bottom, size / width, size / height)
                ax = fig.add_axes(box)
                ax.imshow(sheet[row, column], interpolation="nearest")
                ax.set_axis_off()
        return finish(fig, lang)


def _persian_ticks(ax: Axes) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        if isinstance(axis.get_major_formatter(), ScalarFormatter) and not isinstance(
            axis.get_major_locator(), LogLocator
        ):
            axis.set_major_formatter(FuncFormatter(lambda value, _: digits(_short(value), "fa")))
            axis.set_minor_formatter(NullFormatter())


def _short(value: float) -> str:
    text = f"{value:.6g}"
    return "0" if text == "-0" else text


def interval(ax: Axes, low: float, high: float, y: float, **look: object) -> None:
    """A horizontal bar from ``low`` to ``high``; the usual ends of a broad line would make it longer."""
    ax.plot([low, high], [y, y], solid_capstyle="butt", **look)
