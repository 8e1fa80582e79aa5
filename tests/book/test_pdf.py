"""The printed book: chapters in the outline, links that lead somewhere, fonts inside, nothing cut off."""

import os
import re
import shutil
import subprocess

import pdf
import pytest
from bs4 import BeautifulSoup
from prose import PERSIAN
from pypdf import PdfReader

from hw2lib.claims import load_ledger

pytestmark = pytest.mark.book
LANGUAGES = ("fa", "en")


@pytest.fixture(scope="module")
def documents(site) -> dict[str, BeautifulSoup]:
    """The one document that is printed, for each edition."""
    return {lang: BeautifulSoup(pdf.document(lang), "html.parser") for lang in LANGUAGES}


@pytest.mark.slow
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_document_holds_every_page_and_its_links_resolve(documents, lang):
    page = documents[lang]
    assert (page.html["lang"], page.html["dir"]) == (lang, pdf.WORDS[lang]["dir"])
    ids = [tag["id"] for tag in page.select("[id]")]
    assert len(ids) == len(set(ids)), "pages do not share an id"
    assert {pdf.anchor(name) for name, _ in pdf.chapters()} <= set(ids)
    inside = [tag["href"][1:] for tag in page.select("a[href^='#']")]
    assert len(inside) > 300 and set(inside) <= set(ids)
    assert not page.select("article a[href$='.html'], article form, article script")
    for entry in load_ledger():
        assert pdf.anchor(entry["notebook"], f"claim-{entry['id'].replace('.', '-').lower()}") in ids
    entries = page.select(".contents .chapter")
    assert len(entries) == len(list(pdf.chapters()))
    assert all(bool(PERSIAN.search(entry.get_text())) == (lang == "fa") for entry in entries)


@pytest.fixture(scope="module")
def printed(site) -> dict[str, PdfReader]:
    """Both editions as PDF."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        if os.environ.get("CI"):
            pytest.fail("no chromium and chromedriver, and CI must print the book")
        pytest.skip("printing needs chromium and chromedriver (Debian: chromium chromium-driver)")
    pdf.main()
    return {lang: PdfReader(pdf.OUT / f"hw2-{lang}.pdf") for lang in LANGUAGES}


def copied(lang: str, first: int = 1, last: int = 9999) -> str:
    """The text that is copied out of some pages; pypdf joins the numbers of a line."""
    if not shutil.which("pdftotext"):
        pytest.skip("needs pdftotext (Debian: poppler-utils)")
    command = ["pdftotext", "-f", str(first), "-l", str(last), str(pdf.OUT / f"hw2-{lang}.pdf"), "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.long
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_outline_leads_to_the_pages_in_the_contents(printed, documents, lang):
    book = printed[lang]
    assert len(book.pages) > 100 and book.root_object["/Lang"] == lang
    chapters = [item for item in book.outline if not isinstance(item, list)]
    titles = [entry.get_text() for entry in documents[lang].select(".contents .chapter")]
    assert [item.title for item in chapters] == titles
    at = [book.get_destination_page_number(item) for item in chapters]
    assert at == sorted(set(at)) and at[0] > 0
    numbers = {int(number) for number in re.findall(r"\d+", copied(lang, 2, at[0]))}  # of Persian digits, too
    assert {number + 1 for number in at} <= numbers


@pytest.mark.long
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_link_inside_leads_to_a_page(printed, lang):
    book, links = printed[lang], 0
    for page in book.pages:
        for annotation in map(lambda a: a.get_object(), page.get("/Annots") or ()):
            if "/Dest" in annotation:
                links += 1
                assert str(annotation["/Dest"]) in book.named_destinations
    assert links > 300


@pytest.mark.long
@pytest.mark.parametrize("lang", LANGUAGES)
def test_fonts_are_embedded(printed, lang):
    names = set()
    for page in printed[lang].pages:
        for font in map(lambda f: f.get_object(), page["/Resources"].get("/Font", {}).values()):
            if font["/Subtype"] == "/Type3":  # the glyphs are in the file: bitmaps of symbols
                continue
            part = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
            descriptor = part["/FontDescriptor"].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor), font["/BaseFont"]
            names.add(str(font["/BaseFont"]).partition("+")[2])
    assert len(names) > 3 and (lang == "en" or "Vazirmatn-Regular" in names)


@pytest.mark.long
@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_picture_is_cut_off(printed, lang):
    """Each picture's corners lie on the paper."""
    drawn = 0
    for page in printed[lang].pages:
        width, height = float(page.mediabox.width), float(page.mediabox.height)
        corners = []

        def look(operator, operands, cm, tm, found=corners, page=page):
            if operator == b"Do" and page["/Resources"]["/XObject"][operands[0]]["/Subtype"] == "/Image":
                a, b, c, d, x, y = cm
                found.extend([(x, y), (x + a + c, y + b + d)])

        page.extract_text(visitor_operand_before=look)
        drawn += len(corners) // 2
        assert all(-1 <= x <= width + 1 and -1 <= y <= height + 1 for x, y in corners), page.page_number
    assert drawn > 50


@pytest.mark.long
def test_persian_text_is_copied_with_its_half_spaces_in_place(printed):
    text = copied("fa")
    assert text.count("می\u200cتوان") > 10 and "میت\u200cوان" not in text
