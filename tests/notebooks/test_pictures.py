"""Stored pictures are compared with fresh ones: what is replaced is found, what a font's hinting moves is not."""

import base64
import io
from pathlib import Path

import grade
import matplotlib as mpl
import nbformat
import pictures
import pytest
from faults import cases, fault
from nbclient import NotebookClient
from PIL import Image, ImageDraw
from prose import NOTEBOOKS, ROOT

from hw2lib.bilingual import EDITIONS
from hw2lib.figures import style

DRAW = """from hw2lib.figures import style
@style.bilingual
def drawn(lang):
    import matplotlib.pyplot as plt
    fig, ax = plt.subplots(figsize=(4, 3))
    ax.plot([0.1, 0.5, 0.3], label="aAbB")
    ax.set_title("زیان" if lang == "fa" else "loss")
    return fig
drawn()"""
LANGS = ("fa", "en")


@style.bilingual
def curve(height=0.5, lang="en"):
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(5, 4))
    ax.plot([0.1, height, 0.3, 0.2], label={"fa": "آموزش و اعتبارسنجی", "en": "training, validation"}[lang])
    ax.set_title({"fa": "زیان در هر دور", "en": "Loss by epoch"}[lang])
    ax.set_xlabel({"fa": "دورها", "en": "epochs"}[lang])
    ax.legend()
    return fig


def red(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, "PNG")
    return file.getvalue()


def with_square(picture: bytes, side: int) -> bytes:
    """The picture with a red square in its middle."""
    image, file = Image.open(io.BytesIO(picture)).convert("RGB"), io.BytesIO()
    x, y = image.width // 2, image.height // 2
    ImageDraw.Draw(image).rectangle((x, y, x + side, y + side), fill="red")
    image.save(file, "PNG")
    return file.getvalue()


def passes(stored: bytes, fresh: bytes, allowed: pictures.Tolerance = pictures.STRICT) -> bool:
    return allowed.holds(pictures.difference(stored, fresh))


@pytest.mark.parametrize("lang", LANGS)
def test_other_hinting_of_the_fonts_passes(lang):
    stored = curve().images[lang]
    with mpl.rc_context({"text.hinting": "none"}):
        fresh = curve().images[lang]
    assert stored != fresh and passes(stored, fresh)


SPOILT = {
    "red": ("a figure replaced by a red square", "another picture of its size", lambda p: red(_size(p))),
    "part": ("a red square in a figure", "a square of 24 pixels", lambda p: with_square(p, 24)),
    "curve": ("a curve drawn elsewhere", "its largest value is 0.45 and not 0.5", None),
    "size": ("a figure of another size", "a red picture of half its width",
             lambda p: red((_size(p)[0] // 2, _size(p)[1]))),
}  # fmt: skip
FOUND = "nbval's run and `make grade` find it in either edition."


def _size(picture: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture)).size


@pytest.mark.parametrize("spoil", cases("record", FOUND, SPOILT))
@pytest.mark.parametrize("lang", LANGS)
def test_another_picture_is_found(lang, spoil):
    picture = curve().images[lang]
    assert passes(picture, picture)
    assert not passes(curve(0.45).images[lang] if spoil is None else spoil(picture), picture)


@pytest.mark.slow
@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_red_square_in_place_of_any_stored_picture_is_found(source):
    """Also where the tolerance is wide; where it is not, so is another figure of the chapter."""
    shown = []
    for cell in nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells:
        for output in cell.get("outputs", ()):
            for place, part in pictures._parts(output):
                if place[-1] in pictures.PICTURES:
                    shown.append((base64.b64decode(part), pictures.tolerance(cell)))
    assert len(shown) >= 4
    for k, (picture, allowed) in enumerate(shown):
        assert not passes(red(_size(picture)), picture, allowed)
        if allowed is pictures.STRICT:
            assert not any(passes(other, picture, allowed) for other, _ in shown[k + 2 :: 2])


def test_the_figures_of_live_numbers_are_there():
    figures = {
        cell.metadata["mystnb"]["figure"]["name"]
        for source in NOTEBOOKS
        for cell in nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells
        if "figure" in cell.metadata.get("mystnb", {})
    }
    assert pictures.OF_LIVE_NUMBERS < figures
    assert len(pictures.OF_LIVE_NUMBERS) < len(figures) / 3


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    """A notebook of five cells that draw the same, as a chapter stores it."""
    metadata = {"tags": ["nbval-ignore-output"]}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(DRAW, metadata=metadata) for _ in range(5)]
    )
    NotebookClient(notebook, kernel_name="python3", extra_arguments=["--log-level=ERROR"]).execute()
    path = tmp_path_factory.mktemp("drawn") / "drawn.ipynb"
    nbformat.write(notebook, path)
    return path


@fault(
    "record",
    "a stored picture is replaced in one edition, or something is added beside it",
    "the picture of the Persian or of the English edition, its plain text, one more output",
    "Strict nbval fails in this cell, and `make grade` is red.",
)
@pytest.mark.slow
def test_nbval_compares_what_it_runs(stored, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "OUT", tmp_path)
    notebook = nbformat.read(stored, as_version=4)
    bundles = [cell.outputs[0].data for cell in notebook.cells]
    spoilt = base64.b64encode(with_square(base64.b64decode(bundles[0]["image/png"]), 30)).decode()
    bundles[0]["image/png"] = spoilt
    bundles[1][EDITIONS]["fa"]["image/png"] = spoilt
    bundles[2]["text/plain"] = "AUROC 0.99"
    notebook.cells[3].outputs.append(nbformat.v4.new_output("display_data", {"text/plain": "AUROC 0.99"}))
    path = tmp_path / "drawn.ipynb"
    nbformat.write(notebook, path)
    found = grade.run_nbval(path)
    assert set(found) == {0, 1, 2, 3}
    assert "edition en differs" in found[0] and "edition fa differs" in found[1]
    assert "AUROC 0.99" in found[2] and "2 outputs are stored, and 1 come today" in found[3]


def test_pytest_loads_the_comparison_for_everyone():
    assert '"pictures"' in (ROOT / "conftest.py").read_text("utf-8")
