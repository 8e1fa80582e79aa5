"""The built site as files: twin editions, links that resolve, nothing from elsewhere."""

import html
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from prose import PERSIAN, ROOT

from hw2lib import bilingual
from hw2lib.claims import load_ledger, results
from hw2lib.figures.overview import overview

pytestmark = pytest.mark.book
EDITIONS = {"fa": "rtl", "en": "ltr"}
OTHER = {"fa": "en", "en": "fa"}
LOADERS = {"script", "img", "iframe", "source", "video", "audio", "embed", "track", "input"}
CSS_LOADS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """Tags with their attributes, style texts, and the words inside <article> but for code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.styles: list[str] = []
        self.article: list[str] = []
        self.inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag in ("article", "style", "script", "pre"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self.inside:
            self.inside.remove(tag)

    def handle_data(self, data):
        if "style" in self.inside:
            self.styles.append(data)
        elif "article" in self.inside and not {"script", "pre"} & set(self.inside):
            self.article.append(data)

    def having(self, key: str) -> list[tuple[str, dict[str, str]]]:
        return [(tag, attrs) for tag, attrs in self.tags if key in attrs]

    def ids(self) -> set[str]:
        return {attrs["id"] for _, attrs in self.having("id")}

    def loads(self) -> list[str]:
        """Addresses that a browser fetches without a click."""
        found = [attrs["src"] for tag, attrs in self.having("src") if tag in LOADERS]
        found += [part.split()[0] for _, a in self.having("srcset") for part in a["srcset"].split(",")]
        kinds = {"alternate", "next", "prev", "search", "index", "author", "license", "canonical"}
        for tag, attrs in self.having("href"):
            if tag == "link" and not set(attrs.get("rel", "").split()) <= kinds:
                found.append(attrs["href"])
        styles = [*self.styles, *(attrs["style"] for _, attrs in self.having("style"))]
        return found + [address for text in styles for address in css_loads(text)]


def css_loads(text: str) -> list[str]:
    return [a or b for a, b in CSS_LOADS.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.S))]


def external(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme not in ("", "data")


@cache
def parsed(path: Path) -> Page:
    return Page(path.read_text("utf-8"))


def files(site: Path, language: str) -> list[Path]:
    """All HTML files of an edition that are pages or point to one."""
    root = site / language
    return [path for path in sorted(root.rglob("*.html")) if "_static" not in path.relative_to(root).parts]


def forwards(page: Page) -> bool:
    return any(attrs["http-equiv"].lower() == "refresh" for _, attrs in page.having("http-equiv"))


@pytest.fixture(scope="module", params=EDITIONS)
def language(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def pages(site, language) -> dict[str, Page]:
    """The edition's pages by their path, without those that only point to another."""
    root = site / language
    found = {str(path.relative_to(root)): parsed(path) for path in files(site, language)}
    return {name: page for name, page in found.items() if not forwards(page)}


def test_editions_have_the_same_pages(site):
    names = [{str(p.relative_to(site / code)) for p in files(site, code)} for code in EDITIONS]
    assert names[0] == names[1]
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    listed = {chapter["file"] for part in toc["parts"] for chapter in part["chapters"]} | {toc["root"]}
    assert {f"{name}.html" for name in listed} <= names[0]


def test_pages_declare_language_and_direction(pages, language):
    for name, page in pages.items():
        (html,) = [attrs for tag, attrs in page.tags if tag == "html"]
        assert (html["lang"], html["dir"]) == (language, EDITIONS[language]), name


def test_pictures_have_words_in_their_place(pages, language):
    images = described = 0
    for name, page in pages.items():
        for attrs in [attrs for tag, attrs in page.tags if tag == "img"]:
            alt = attrs.get("alt", "")
            assert "_images/" not in alt and not alt.endswith((".png", ".jpg")), (name, alt)
            if name.startswith("notebooks/"):
                images += 1
                described += len(alt.split()) > 1 and bool(PERSIAN.search(alt)) == (language == "fa")
    assert described == images > 50


def test_buttons_without_text_are_named_in_the_language(pages, language):
    """The themes' templates bring some of these names past all catalogues."""
    catalogs = json.loads((ROOT / "book" / "_ext" / "interface_fa.json").read_text("utf-8"))
    english = {word for pairs in catalogs.values() for word in pairs}
    names = {
        attrs[key]
        for page in pages.values()
        for key in ("title", "aria-label")
        for _, attrs in page.having(key)
    }
    assert bool(names & english) == (language == "en")


def test_every_page_links_to_its_counterpart_and_back(site, pages, language):
    for name, page in pages.items():
        here = site / language / name
        for tag in ("a", "link"):
            found = [attrs for t, attrs in page.having("hreflang") if t == tag]
            assert found, f"{name}: no {tag} to the other language"
            for attrs in found:
                target = (here.parent / attrs["href"]).resolve()
                assert target == (site / OTHER[language] / name).resolve(), name
                assert target.is_file(), name
                assert attrs["hreflang"] == OTHER[language]


def test_nothing_is_loaded_from_elsewhere(site, language):
    for path in files(site, language):
        assert [a for a in parsed(path).loads() if external(a)] == [], path
    for path in sorted((site / language).rglob("*.css")):
        assert [a for a in css_loads(path.read_text("utf-8")) if external(a)] == [], path


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://host/a.js"></script>',
        '<link rel="stylesheet" href="//host/a.css">',
        '<link rel="preload" href="http://host/font">',
        '<img srcset="https://host/a.png 2x">',
        '<iframe src="https://host"></iframe>',
        "<style>@import 'https://host/a.css';</style>",
        '<p style="background: url(https://host/a.png)">',
    ],
)
def test_a_foreign_address_is_noticed(html):
    assert [address for address in Page(html).loads() if external(address)]


def test_internal_links_resolve(site, language):
    broken = []
    for path in files(site, language):
        page = parsed(path)
        addresses = [attrs["href"] for _, attrs in page.having("href")] + page.loads()
        for address in addresses:
            parts = urlsplit(address)
            if external(address) or parts.scheme == "data":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                broken.append(f"{path}: {address}")
            elif parts.fragment and target.suffix == ".html":
                if unquote(parts.fragment) not in parsed(target).ids():
                    broken.append(f"{path}: {address}: no such place")
    assert broken == []


def test_ledger_page_lists_every_claim(pages):
    words = " ".join(pages["book/claims.html"].article)
    missing = [e["id"] for e in load_ledger() if not re.search(rf"(?<!\w){re.escape(e['id'])}(?!\w)", words)]
    assert missing == []


def test_checked_claims_link_to_the_box_that_checks_them(pages):
    links = {attrs["href"] for _, attrs in pages["book/claims.html"].having("href")}
    for entry in load_ledger():
        page, box = f"notebooks/{entry['notebook']}.html", f"claim-{entry['id'].replace('.', '-').lower()}"
        assert box in pages[page].ids(), entry["id"]
        assert f"../{page}#{box}" in links, entry["id"]


def test_the_ledger_shows_all_rows_and_no_form_without_scripts(site, language):
    text = (site / language / "book/claims.html").read_text("utf-8")
    form = re.search(r'<form class="ledger-filter"[^>]*>', text)[0]
    assert " hidden" in form and "filtered-out" not in text
    assert "ledger.js" in text


def test_the_front_page_counts_the_verdicts(site, language):
    text = (site / language / "book/index.html").read_text("utf-8")
    for name, (_, caption) in overview(load_ledger(), results()).items():
        assert f"overview-{name}-{language}" in text
        words = re.split(r"\s+", bilingual.localize(caption, language))
        assert words == re.split(r"\s+", shown_caption(text, f"fig-{name}")), name


def shown_caption(text: str, name: str) -> str:
    """The words under a figure of a page, without its number."""
    found = re.search(rf'id="{name}".*?<span class="caption-text">(.*?)</span>(?=<a |</p>)', text, re.S)
    return html.unescape(re.sub(r"<[^>]+>", "", found[1]))


def test_every_page_states_the_licences_and_no_date(site, pages, language):
    for name in pages:
        text = (site / language / name).read_text("utf-8")
        footer = re.search(r'<footer class="bd-footer-content">(.*?)</footer>', text, re.S)[1]
        assert "CC BY 4.0" in footer and "MIT" in footer, name
        assert not re.search(r"\b20\d\d\b", footer), f"{name}: a date makes each day's build another"


def test_english_pages_are_english(site):
    for path in files(site, "en"):
        if path.stem in ("glossary", "genindex", "search"):
            continue
        found = [text.strip() for text in parsed(path).article if PERSIAN.search(text)]
        assert [text for text in found if text != "فارسی"] == [], path


SENTENCE = re.compile(r"[A-Za-z]{2,}(?:[ ,;:]+[A-Za-z]{2,}){2,}")


def test_persian_claims_hold_no_english_sentence(site):
    """Neither in the ledger nor in the boxes; code, formulas and names of two words are no sentences."""
    found, seen = [], set()
    for path in files(site, "fa"):
        for id, words in claim_texts(path.read_text("utf-8")):
            seen.add(id)
            if SENTENCE.search(words) or re.search("True|False", words):
                found.append((path.name, id, words))
    assert found == [] and seen == {entry["id"] for entry in load_ledger()}


def claim_texts(html: str) -> list[tuple[str, str]]:
    """Id and words of each claim box and each row of the ledger, without code and formulas."""
    boxes = re.findall(r'<div class="[^"]*admonition claim[^"]*"[^>]*>(.*?)</div>', html, re.S)
    ledger = re.search(r'<table class="[^"]*ledger[^"]*"[^>]*>(.*?)</table>', html, re.S)
    rows = re.findall(r"<tr\b.*?</tr>", ledger[1], re.S)[1:] if ledger else []
    found = []
    for part in boxes + rows:
        part = re.sub(r'<code\b.*?</code>|<span class="math.*?</span>', " ", part, flags=re.S)
        words = " ".join(re.sub(r"<[^>]+>", " ", part).split())
        found.append((re.search(r"[A-Z][a-z]*\d\.[\da-z-]+", words)[0], words))
    return found


@pytest.mark.parametrize("words", ["0 of 78 forbidden connections are open", "yes: it agrees, they say"])
def test_an_english_sentence_is_noticed(words):
    assert SENTENCE.search(f"اندازه‌گیری‌شده: {words}")
    assert not SENTENCE.search("اختلاف با MAF و CycleGAN در Adam beta کمتر است")


def test_downloads_hold_one_language(site, language):
    sources = site / language / "_sources"
    notebooks, pages = sorted(sources.rglob("*.ipynb")), sorted(sources.rglob("*.md"))
    assert len(notebooks) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    for path in notebooks:
        tags = {
            t for c in json.loads(path.read_text("utf-8"))["cells"] for t in c["metadata"].get("tags", [])
        }
        assert f"lang-{language}" in tags and f"lang-{OTHER[language]}" not in tags, path
        assert bilingual.EDITIONS not in path.read_text("utf-8"), path
    for path in pages:
        text = path.read_text("utf-8")
        assert f"lang-{OTHER[language]}" not in text, path
        assert bool(PERSIAN.search(text)) == (language == "fa"), path


NUMBERED = re.compile(
    r'<span class="(?:section-number|caption-number|eqno|std std-numref)">(.*?)</span>'
    r'|<a class="reference internal" href="[^"]*#equation-[^"]*">(\([^<]*\))</a>',
    re.S,
)


def test_numbers_are_in_the_digits_of_the_language(site, language):
    shown = [
        re.sub("<[^>]*>", "", match[1] or match[2])
        for path in files(site, language)
        for match in NUMBERED.finditer(path.read_text("utf-8"))
    ]
    assert len(shown) > 200
    foreign = "[0-9]" if language == "fa" else "[۰-۹]"
    assert not [text for text in shown if re.search(foreign, text)]
