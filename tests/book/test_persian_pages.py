"""The built Persian pages need no English: Latin words are names, and are marked as English."""

import re

import pytest
from bs4 import BeautifulSoup

pytestmark = pytest.mark.book
# Names of methods, of quantities known by their letters, of data, programs, devices and the other edition.
# Everything else stands in code, in a formula, or in brackets after its term. A letter alone is a symbol.
NAMES = set(
    "CycleGAN PatchGAN pix2pix GAN MADE MAF IAF RealNVP NICE TarFlow VAE U-Net ResNet "
    "PCA PaDiM PatchCore CFLOW FastFlow CutPaste anomalib ImageNet "
    "Inception Adam AUROC ROC AUPRO AUPIMO F1 ELBO NLL KL KID FID MSE PSNR SSIM L1 L2 PNG git "
    "MVTec AD apple2orange JPEG JSON PDF pdf ipynb md losses.csv hw2 CC BY MIT NVIDIA H200 CPU GPU bfloat16 "
    "ConvTranspose2d slogdet sympy torch PyTorch Fabric Lightning Jupyter nbval JavaScript English".split()
)
CLAIM = re.compile(r"(?:[A-Z]|Tab)\d+\.\d+[a-z]?(?:-\d+)?")
WORD = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|[._/-](?=[A-Za-z0-9]))+")
# Code, formulas, references to the literature, and the glossary's column of English terms.
TECHNICAL = (
    "script, style, template, pre, code, kbd, samp, .math, .citation, a[href*='#id'], "
    ".glossary-table tr > :nth-child(2)"
)


def words(page: BeautifulSoup) -> list[str]:
    """Latin words of a page outside brackets and what is technical."""
    for tag in page.select(TECHNICAL):
        tag.replace_with(" ")
    text = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", " ", page.body.get_text())
    return [word for word in WORD.findall(text) if not CLAIM.fullmatch(word)]


def unmarked(page: BeautifulSoup) -> list[str]:
    """Texts with Latin words that no tag around them says to be English."""
    for tag in page.select("script, style, pre, code, kbd, samp, .math"):
        tag.decompose()
    texts = [
        text for part in page.select("article") for text in part.find_all(string=re.compile("[A-Za-z]{2}"))
    ]
    return [text for text in texts if text.find_parent(lang=True)["lang"] != "en"]


@pytest.fixture(scope="module")
def seen(site) -> dict[str, tuple[list[str], list[str]]]:
    """Of each Persian page that does not only point to another: texts not marked as English, Latin words."""
    found = {}
    for path in sorted((site / "fa").rglob("*.html")):
        page = BeautifulSoup(path.read_text("utf-8"), "html.parser")
        if "_static" not in path.parts and not page.select("meta[http-equiv=refresh]"):
            found[path.stem] = unmarked(page), words(page)
    return found


def test_persian_pages_hold_no_english_but_names(seen):
    foreign = {name: set(latin) - NAMES for name, (_, latin) in seen.items()}
    assert len(seen) > 10 and {name: found for name, found in foreign.items() if found} == {}


def test_english_is_marked_as_english(seen):
    assert {name: texts for name, (texts, _) in seen.items() if texts} == {}


@pytest.mark.parametrize(
    ("html", "foreign", "marked"),
    [
        ("<p>مدل (model) را <code>fit</code> کنید؛ [PPM17]</p>", [], False),
        ("<p>مدل flow را</p>", ["flow"], False),
        ("<p>مدل <span lang='en'>flow model</span> را</p>", ["flow", "model"], True),
        ("<p>ادعای T1.2a</p>", [], True),
    ],
)
def test_english_is_noticed(html, foreign, marked):
    page = f"<html lang='fa'><body><article>{html}</article></body></html>"
    assert words(BeautifulSoup(page, "html.parser")) == foreign
    assert (unmarked(BeautifulSoup(page, "html.parser")) == []) == marked
