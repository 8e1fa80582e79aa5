"""Print both editions of the built book: _build/pdf/hw2-{fa,en}.pdf, by Debian's Chromium.

The pages of the site become one document, in the order of the table of contents, with links among them.
It is printed twice: the first print tells the page of every heading, for the contents and the outline.
Chromium's own outline has the words of a Persian heading in reverse order.
"""

import base64
import io
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag
from pypdf import PdfReader, PdfWriter
from pypdf.generic import BooleanObject, DictionaryObject, IndirectObject, NameObject
from selenium import webdriver

ROOT = Path(__file__).resolve().parents[1]
SITE, OUT = ROOT / "_build" / "site", ROOT / "_build" / "pdf"
SECONDS = 300
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
WORDS = {
    "fa": {
        "contents": "فهرست",
        "about": "ویرایش فارسی، چاپ‌شده از کتاب اجراپذیر",
        "digits": "persian",
        "dir": "rtl",
    },
    "en": {
        "contents": "Contents",
        "about": "The English edition, printed from the executable book",
        "digits": "decimal",
        "dir": "ltr",
    },
}
KINDS = {"h1": "chapter", "h2": "section"}  # of entries in the contents
TEXT_WIDTH = 673  # of A4 without book.css's margins, in pixels of 1/96 inch
PAGE = """<!doctype html>
<html lang="{lang}" dir="{dir}" data-theme="light" data-mode="light"><head><meta charset="utf-8">
<title>{title}</title>{links}
<style>@page {{ @bottom-center {{ content: counter(page, {digits}); font: 9pt Vazirmatn, sans-serif; }} }}
.contents a::after {{ counter-reset: number var(--page, 0); content: counter(number, {digits}); }}</style>
<script>window.MathJax = {{loader: {{load: ["input/tex", "output/chtml"]}},
  options: {{enableMenu: false, ignoreHtmlClass: "never", processHtmlClass: "math"}}}}</script>
<script defer src="{mathjax}"></script></head>
<body class="paper">
<section class="cover"><p class="title">{title}</p><p>{about}</p><p>{author}</p></section>
<nav class="contents"><p class="title">{contents}</p>{entries}</nav>
{articles}
</body></html>
"""
# Resolves when formulas and fonts are there, with what is wider than the paper made to fit it.
FIT = """
const done = arguments[0];
const fit = () => {
  for (const e of document.querySelectorAll('article :is(mjx-container[display="true"], table, pre)')) {
    const room = e.parentElement.clientWidth, wide = Math.max(e.scrollWidth, e.getBoundingClientRect().width);
    if (room && wide > room + 1) e.style.zoom = Math.max(room / wide, .4);
  }
  done(true);
};
Promise.all([MathJax.startup.promise, document.fonts.ready]).then(() => requestAnimationFrame(fit));
"""


# Writes the page of each heading into the contents.
NUMBER = """
for (const [id, page] of Object.entries(arguments[0]))
  document.querySelector(`.contents a[href="#${id}"]`)?.style.setProperty("--page", page);
"""


def chapters() -> Iterator[tuple[str, str]]:
    """Name of each page in reading order, with the caption of the part that begins there, if one does."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    yield toc["root"], ""
    for part in toc["parts"]:
        for k, chapter in enumerate(part["chapters"]):
            yield chapter["file"], "" if k else part["caption"]


def anchor(page: str, place: str = "") -> str:
    """The id of a place of a page in the one document."""
    return f"{page.rpartition('/')[2]}--{place or 'top'}"


def address(value: str, page: Path, pages: dict[Path, str]) -> str:
    """Where a link of a page leads in the one document; nowhere, if to a page that is not printed."""
    parts = urlsplit(value)
    if parts.scheme or parts.netloc:
        return value
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    return f"#{anchor(pages[target], unquote(parts.fragment))}" if target in pages else ""


def article(path: Path, pages: dict[Path, str]) -> Tag:
    """The words of a page with ids, links and pictures as the one document needs them."""
    found = BeautifulSoup(path.read_text("utf-8"), "html.parser").select_one("article.bd-article")
    if found is None:
        sys.exit(f"{path}: no article in it; build the book anew (make book)")
    for tag in found.select("a.headerlink, script, .toctree-wrapper, form, button"):
        tag.decompose()
    for tag in found.select("[id]"):
        tag["id"] = anchor(pages[path], str(tag["id"]))
    for tag in found.select("a[href]"):
        if target := address(str(tag["href"]), path, pages):
            tag["href"] = target
        else:
            del tag["href"]
    for tag in found.select("img[src]"):
        tag["src"] = (path.parent / unquote(str(tag["src"]))).resolve().as_uri()
        tag.attrs.pop("loading", None)
    for tag in found.select("section > span[id]:empty"):  # alone at the end of a page, Chromium drops it
        if (after := tag.find_next_sibling()) is not None:
            after.insert(0, tag)  # moves it
    for tag in found.select("details:not(.hide)"):  # folded code stays away, a folded answer does not
        tag["open"] = ""
    found["id"] = anchor(pages[path])
    return found


def headings(words: Tag) -> Iterator[tuple[str, str, str]]:
    """Kind, anchor and text of a page's title and of its sections."""
    for heading in words.select("section[id] > h1, section[id] > h2"):
        assert heading.parent is not None
        yield heading.name, str(heading.parent["id"]), " ".join(heading.get_text().split())


def document(lang: str) -> str:
    """One HTML document with all pages of an edition."""
    folder = SITE / lang
    names = dict(chapters())
    pages = {(folder / f"{name}.html").resolve(): name for name in names}
    first = next(iter(pages))
    if missing := [path.name for path in pages if not path.exists()]:
        sys.exit(f"{missing[0]}: not in _build/site; build the book anew (make book)")
    head = BeautifulSoup(first.read_text("utf-8"), "html.parser").head
    assert head is not None
    for tag in (sheets := head.select("link[rel=stylesheet]")):
        tag["href"] = (first.parent / urlsplit(str(tag["href"])).path).resolve().as_uri()
    entries, articles = [], []
    for path, name in pages.items():
        words = article(path, pages)
        if part := names[name]:
            entries.append(f"<p class='part'>{part.split(' | ')[lang == 'en']}</p>")
        for kind, place, text in headings(words):
            entries.append(f'<p class="{KINDS[kind]}"><a href="#{place}"><span>{escape(text)}</span></a></p>')
        articles.append(str(words))
    config = {}
    for file in (ROOT / "_config.yml", *([ROOT / "book/config.en.yml"] if lang == "en" else [])):
        config |= yaml.safe_load(file.read_text("utf-8"))
    return PAGE.format(
        lang=lang,
        title=config["title"],
        author=config["author"],
        links="".join(map(str, sheets)),
        mathjax=(folder / "_static/mathjax/startup.js").as_uri(),
        entries="\n".join(entries),
        articles="\n".join(articles),
        **WORDS[lang],
    )


def browser(profile: str) -> webdriver.Chrome:
    """A headless Chromium of this machine."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        sys.exit("make pdf needs chromium and chromedriver (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={TEXT_WIDTH},1000"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    driver.set_page_load_timeout(SECONDS)
    driver.set_script_timeout(SECONDS)
    driver.command_executor.client_config.timeout = SECONDS
    return driver


def print_page(driver: webdriver.Chrome, page: Path) -> PdfWriter:
    """A page as PDF, tagged, on the paper that its styles name, with an outline."""
    size = {"width": TEXT_WIDTH, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    driver.get(page.as_uri())
    driver.execute_async_script(FIT)

    def printed() -> PdfReader:
        options = dict.fromkeys(("preferCSSPageSize", "printBackground", "generateTaggedPDF"), True)
        data = driver.execute_cdp_cmd("Page.printToPDF", options)["data"]
        return PdfReader(io.BytesIO(base64.b64decode(data)))

    def pages(pdf: PdfReader) -> dict[str, int]:
        """Number of the page of every place that a link leads to, from 0."""
        places = pdf.named_destinations
        return {name.lstrip("/"): pdf.get_destination_page_number(place) for name, place in places.items()}

    driver.execute_script(NUMBER, {name: number + 1 for name, number in pages(printed()).items()})
    pdf = printed()
    where, writer = pages(pdf), PdfWriter(clone_from=pdf)
    writer.root_object[NameObject("/ViewerPreferences")] = DictionaryObject(
        {NameObject("/DisplayDocTitle"): BooleanObject(True)}
    )
    chapter: IndirectObject | None = None
    for entry in BeautifulSoup(page.read_text("utf-8"), "html.parser").select(".contents p:has(a)"):
        link = entry.select_one("a[href]")
        assert link is not None
        top = entry["class"] == [KINDS["h1"]]
        number = where[str(link["href"])[1:]]
        item = writer.add_outline_item(
            title=link.get_text(), page_number=number, parent=None if top else chapter
        )
        chapter = item if top else chapter
    return writer


def main() -> None:
    if not (SITE / "index.html").exists():
        sys.exit("_build/site: not there; build the book first (make book)")
    OUT.mkdir(exist_ok=True)
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # Chromium's count of objects is off by a few
    with tempfile.TemporaryDirectory() as profile:
        driver = browser(profile)
        try:
            for lang in WORDS:
                page = OUT / f"{lang}.html"
                page.write_text(document(lang), "utf-8")
                target = OUT / f"hw2-{lang}.pdf"
                pdf = print_page(driver, page)
                pdf.write(target)
                size = target.stat().st_size / 1e6
                print(f"{target.relative_to(ROOT)}: {len(pdf.pages)} pages, {size:.1f} MB")
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
