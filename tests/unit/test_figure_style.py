"""A figure stands once: both languages in one output, house style for matplotlib and seaborn alike."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.colors import to_hex
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from hw2lib.bilingual import EDITIONS, Text, localize
from hw2lib.figures import coupling, style

TITLE = Text("عنوان", "title")


@style.bilingual
def line(values, lang):
    fig, ax = plt.subplots(figsize=(2, 2))
    ax.plot(values)
    ax.set_title(localize(TITLE, lang))
    return fig


@style.bilingual(photographs=True)
def photograph(pixels, lang):
    fig = plt.figure(figsize=(1, 1), layout="none")
    fig.add_axes((0, 0, 1, 1)).imshow(pixels)
    return fig


def opened(code):
    return Image.open(io.BytesIO(base64.b64decode(code)))


def labels(axis):
    axis.figure.canvas.draw()
    return [label.get_text() for label in axis.get_ticklabels()]


def test_a_figure_is_shown_in_both_languages():
    bundle = line([0.0, 0.5])._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/png", EDITIONS} and list(bundle[EDITIONS]) == ["fa"]
    english, persian = opened(bundle["image/png"]), opened(bundle[EDITIONS]["fa"]["image/png"])
    assert english.format == persian.format == "PNG" and english.tobytes() != persian.tobytes()
    assert plt.get_fignums() == []


def test_photographs_are_jpeg_in_full_colour_and_stored_once_without_words():
    bundle = photograph(np.random.default_rng(0).random((8, 8, 3)))._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/jpeg"}
    picture = opened(bundle["image/jpeg"])
    assert picture.format == "JPEG" and picture.size == (110, 110) and get_sampling(picture) == 0


def test_one_edition_can_be_looked_into():
    for lang in ("fa", "en"):
        ax = line([0.0, 0.5], lang=lang).axes[0]
        assert ax.get_title() == localize(TITLE, lang)
        assert ("۰٫۲" in labels(ax.yaxis)) == (lang == "fa")


def test_seaborn_takes_house_colours_fonts_and_digits():
    frame = pd.DataFrame({"x": [1, 2, 1, 2], "y": [0.0, 0.5, 1.0, 1.5], "kind": ["1", "1", "2", "2"]})

    @style.bilingual
    def drawn(lang):
        fig, (left, right) = plt.subplots(1, 2)
        sns.pointplot(frame, x="x", y="y", hue="kind", ax=left)
        sns.heatmap(np.array([[0.25, -1.0]]), annot=True, ax=right, cbar=False)
        return fig

    left, right = drawn(lang="fa").axes
    assert labels(left.xaxis) == ["۱", "۲"] and "۰٫۴" in labels(left.yaxis)
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["۱", "۲"]
    assert to_hex(left.lines[0].get_color()).upper() == style.PALETTE[0]
    assert [text.get_text() for text in right.texts] == ["۰٫۲۵", "−۱"]
    assert labels(right.xaxis) == ["۰", "۱"]
    assert left.xaxis.label.get_family()[0] == "Vazirmatn"
    left, right = drawn(lang="en").axes
    assert labels(left.xaxis) == ["1", "2"] and [t.get_text() for t in right.texts] == ["0.25", "-1"]


def test_logarithmic_axes_have_the_digits_of_the_edition():
    """Powers too, and the labels between them where an axis spans less than a power of ten."""

    @style.bilingual
    def drawn(lang):
        fig, (powers, little, signed) = plt.subplots(1, 3)
        powers.loglog([1e-3, 1e3], [1, 1e6])
        little.semilogy([1, 2], [2, 9])
        signed.plot([-1000, 1000])
        signed.set_yscale("symlog")
        return fig

    shown = {}
    for lang in ("fa", "en"):
        axes = drawn(lang=lang).axes
        shown[lang] = [t.get_text() for ax in axes for t in ax.get_yticklabels(which="both")]
        shown[lang] += labels(axes[0].xaxis)
    persian, english = shown["fa"], shown["en"]
    assert "$\\mathdefault{۱۰^{−۱}}$" in persian and "$\\mathdefault{10^{-1}}$" in english
    assert any("times" in text for text in persian)
    assert [text.translate(str.maketrans("۰۱۲۳۴۵۶۷۸۹−", "0123456789-")) for text in persian] == english
    assert not re.search("[0-9]", "".join(persian))


@pytest.mark.parametrize("lang, word", [("fa", "شیب ۳"), ("en", "slope 3")])
def test_growth_of_the_determinant_has_its_guides(lang, word):
    costs = {kind: {8: 10.0, 16: 80.0, 32: 640.0} for kind in ("full", "triangle")}
    left, _ = coupling.growth(costs, costs, lang=lang).axes
    assert word in [text.get_text() for text in left.get_legend().get_texts()]
    assert labels(left.xaxis) == (["۸", "۱۶", "۳۲"] if lang == "fa" else ["8", "16", "32"])


def test_blocks_are_drawn_with_their_titles():
    fig = coupling.block_jacobians({Text("جمعی", "additive"): np.eye(2)}, passive=1, lang="fa")
    assert fig.axes[0].get_title() == "جمعی"
