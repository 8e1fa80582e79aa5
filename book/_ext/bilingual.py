"""Make one edition of the book, Persian or English, out of bilingual sources.

A cell tagged lang-fa or lang-en belongs to that edition only; an untagged one to both. Prose pages
use MyST block breaks with the same tags. Of an output or a caption in both languages, an edition
keeps its own.
"""

import json
import os
import re
import subprocess
from itertools import chain
from pathlib import Path

import nbformat
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from claimbox import claim_markdown
from docutils import nodes
from sphinx.search.en import SearchEnglish

from hw2lib.bilingual import EDITIONS
from hw2lib.claims import MIME, ClaimResult, load_ledger
from hw2lib.figures import explore

TECHNICAL = nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.comment
DIRECTION = {"fa": "rtl", "en": "ltr"}
MIRRORED = "\n/* mirrored by rtlcss */\n"
BREAK = re.compile(r"^\+\+\+[ \t]*(\{.*\})?[ \t]*$", re.M)
# The theme links a script for live kernels from a CDN even where the feature is off.
THEBE = re.compile(
    r"\s*<script>const THEBE_JS_URL.*?</script>|\s*<script[^>]*sphinx-thebe\.js[^>]*></script>", re.S
)
# Whole sentences of a caption, until they say something.
OPENING = re.compile(r".{60,}?(?=[.؟](\s|$))|.+(?=[.؟]$)|.+", re.S)
# Words of the interface in Persian, by catalogue.
INTERFACE = json.loads((Path(__file__).parent / "interface_fa.json").read_text("utf-8"))
WIDGET = re.compile(r'class="explorable" data-widget="(\w+)"')
# What the themes write into their templates, past all catalogues.
UNTRANSLATED = re.compile(r'(?<=\s)((?:title|aria-label)=")([^"]+)(")')
# A button that shows words goes by these: speech input finds no button by words that its name lacks.
NAMED_TWICE = re.compile(
    r'(<(?:button class="btn search-button-field|summary)\b[^>]*?) aria-label="[^"]*"'
    r'|(<i class="theme-switch [^>]*?) +title="[^"]*"'
)
# docutils calls the references a list and none of them an item.
ROLE = ' role="list" class="citation-list"'
# Latin words with what stands between them.
WORD = "[A-Za-z][A-Za-z0-9]*(?:[.-][A-Za-z0-9]+)*"
LATIN = re.compile(rf"({WORD}(?:[ ,.'’/&+-]+{WORD})*)")
# Zero-width non-joiner, tatweel and diacritics do not count in a search.
UNSEEN = "\u200c\u0640\u064b-\u065f\u0670"
# The first cell of a download, for machines such as Colab's.
INSTALL = """\
# Fetch and install the book's package where it is not there yet, as on Colab
import importlib.util, sys
if importlib.util.find_spec("hw2lib") is None:
    !git clone --quiet --depth 1 {address} hw2
    %pip install --quiet --editable hw2
    sys.path.insert(0, "hw2")
"""


def keep(tags: list[str], language: str) -> bool:
    """Does a cell with these tags belong to the edition?"""
    languages = {t.removeprefix("lang-") for t in tags if t.startswith("lang-")}
    return not languages or language in languages


def widget(payload: dict, language: str) -> str:
    """What explore.js reads, as a legend to the caption; :func:`place_widgets` moves it above."""
    data = json.dumps(explore.localized(payload, language), ensure_ascii=False).replace("</", "<\\/")
    script = f'<script type="application/json">{data}</script>'
    name = payload["widget"]
    return f'\n\n```{{raw}} html\n<div class="explorable" data-widget="{name}" hidden>{script}</div>\n```\n'


def edition_notebook(text: str, language: str, claims: dict[str, dict], on_page: bool = False) -> str:
    """The notebook with the other language's cells, outputs and captions left out, and claims spelled out.

    On a page, figures to explore have their widgets beside them; a notebook to download has the pictures.
    """
    notebook = json.loads(text)
    notebook["cells"] = [c for c in notebook["cells"] if keep(c["metadata"].get("tags", []), language)]
    for cell in notebook["cells"]:
        figure = cell["metadata"].get("mystnb", {}).get("figure", {})
        if isinstance(figure.get("caption"), dict):
            figure["caption"] = figure["caption"][language]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if MIME in data:
                result = ClaimResult.from_data(data[MIME])
                output["data"] = {"text/markdown": claim_markdown(claims[result.id], result, language)}
            else:  # without a version of its own, an edition has the common one
                versions, payload = data.pop(EDITIONS, {}), data.pop(explore.MIME, None)
                if language in versions:
                    output["data"] = versions[language]
                if payload and on_page:
                    figure["caption"] += widget(payload, language)
    return json.dumps(notebook, ensure_ascii=False)


def edition_markdown(text: str, language: str) -> str:
    """The page with the other edition's blocks left out."""
    head, *rest = BREAK.split(text)
    parts = [head]
    for meta, body in zip(rest[::2], rest[1::2], strict=True):
        if keep(json.loads(meta or "{}").get("tags", []), language):
            parts.append(body)
    return "\n".join(parts)


def read_source(app, docname: str, source: list[str]) -> None:
    language = app.config.language
    if str(app.env.doc2path(docname)).endswith(".ipynb"):
        source[0] = edition_notebook(source[0], language, app.config.bilingual_claims, on_page=True)
    else:
        source[0] = edition_markdown(source[0], language)


def load_claims(app, config) -> None:
    entries = load_ledger(Path(app.srcdir) / "book" / "claims.yml")
    config.bilingual_claims = {entry["id"]: entry for entry in entries}


def page_context(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """The link to the same page in the other language."""
    switch = app.config.bilingual_switch
    if not switch:
        return
    href = "../" * (pagename.count("/") + 1) + f"{switch['code']}/{pagename}.html"
    code, label, direction = switch["code"], switch["label"], DIRECTION[switch["code"]]
    context["language_switch"] = (
        f'<a class="btn btn-sm lang-switch" href="{href}" hreflang="{code}" lang="{code}" dir="{direction}" '
        f'rel="alternate">{label}</a>'
    )
    context["metatags"] = (
        context.get("metatags", "") + f'\n<link rel="alternate" hreflang="{code}" href="{href}" />'
    )


def describe_pictures(app, doctree, docname: str) -> None:
    """A caption's beginning stands in for a picture that is not seen; else it would be the file's name."""
    for figure in doctree.findall(nodes.figure):
        for caption in figure.findall(nodes.caption):
            for image in figure.findall(nodes.image):
                image["alt"] = OPENING.match(caption.astext().strip())[0]


def mark_english(app, doctree, docname: str) -> None:
    """English words on a Persian page are read aloud, and hyphenated, as English."""
    if app.config.language != "fa" or app.builder.format != "html":
        return
    for text in list(doctree.findall(nodes.Text)):
        if not isinstance(text.parent, TECHNICAL) and len(parts := LATIN.split(text)) > 1:
            marked = [nodes.inline("", word, classes=["language-en"]) for word in parts[1::2]]
            kept = [nodes.Text(part) for part in parts[::2]]
            text.parent.replace(text, [*chain(*zip(kept, marked, strict=False)), kept[-1]])


def place_widgets(app, doctree) -> None:
    """A widget stands above its caption, where the picture is that it takes the place of."""
    for raw in [found for found in doctree.findall(nodes.raw) if WIDGET.search(found.astext())]:
        legend, figure = raw.parent, raw.parent.parent
        figure.remove(legend)
        figure.insert(figure.first_child_matching_class(nodes.caption), raw)


def load_widgets(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Scripts and styles of the widgets of a page, on that page only."""
    names = sorted(set(WIDGET.findall(context.get("body", ""))))
    if names:
        app.add_css_file("explore.css")
    for file in ["explore.js", *(f"explore-{name}.js" for name in names)] if names else []:
        app.add_js_file(file, loading_method="defer")


def finish(app, exception) -> None:
    """Direction, mirrored styles, and downloads that hold this edition only."""
    if exception or app.builder.format != "html":
        return
    language, out = app.config.language, Path(app.outdir)
    words = {e: p for pairs in INTERFACE.values() for e, p in pairs.items()} if language == "fa" else {}
    if DIRECTION[language] == "rtl":
        mirror_styles(out / "_static", os.environ["RTLCSS"].split("\n"))
    for page in out.rglob("*.html"):
        text = page.read_text("utf-8")
        new = re.sub(r"<html\b(?![^>]*\bdir=)", f'<html dir="{DIRECTION[language]}"', text, count=1)
        new = NAMED_TWICE.sub(r"\1\2", THEBE.sub("", new)).replace(ROLE, ' class="citation-list"')
        new = UNTRANSLATED.sub(lambda found: found[1] + words.get(found[2], found[2]) + found[3], new)
        if new != text:
            page.write_text(new, "utf-8")
    address = app.config.html_theme_options.get("repository_url")
    for path in (out / "_sources").rglob("*.ipynb"):
        notebook = json.loads(
            edition_notebook(path.read_text("utf-8"), language, app.config.bilingual_claims)
        )
        if address:
            cell = nbformat.v4.new_code_cell(INSTALL.format(address=address), id="install")
            notebook["cells"].insert(0, cell)
        path.write_text(json.dumps(notebook, ensure_ascii=False), "utf-8")
    for page in (out / "_sources").rglob("*.md"):
        page.write_text(edition_markdown(page.read_text("utf-8"), language).lstrip("\n"), "utf-8")


def mirror_styles(static: Path, command: list[str]) -> None:
    """Flip left and right in the theme's stylesheets; our own knows both directions."""
    for css in sorted(static.rglob("*.css")):
        if css.name in ("book.css", "explore.css", "pygments.css") or "mathjax" in css.parts:
            continue
        if not css.read_text("utf-8").endswith(MIRRORED):
            subprocess.run([*command, "--silent", str(css), str(css)], check=True)
            css.write_text(css.read_text("utf-8") + MIRRORED, "utf-8")


class SearchPersian(SearchEnglish):
    """English stemming for Latin words; letter folding for Persian ones.

    Diacritics and ZWNJ are dropped and Arabic yeh and kaf become Persian, in the index and in the
    query alike; Sphinx's substring match then finds plurals.
    """

    lang = "fa"
    language_name = "Persian"
    stopwords = SearchEnglish.stopwords | set("و در به از که این آن را با است برای تا یا هم".split())
    js_splitter_code = (
        "var splitQuery = (query) => query\n"
        f'    .replace(/[{UNSEEN}]/g, "").replace(/[\u064a\u0649]/g, "\u06cc").replace(/\u0643/g, "\u06a9")\n'
        "    .split(/[^\\p{Letter}\\p{Number}_]+/gu).filter(term => term);\n"
    )
    _fold = str.maketrans({"\u064a": "\u06cc", "\u0649": "\u06cc", "\u0643": "\u06a9"})
    _drop = re.compile(f"[{UNSEEN}]")

    def split(self, input: str) -> list[str]:
        return super().split(self._drop.sub("", input).translate(self._fold))


def write_catalogs(app) -> None:
    """Neither theme speaks Persian; our catalogue fills what Sphinx's own leaves open."""
    root = Path(app.doctreedir) / "locale"
    for name, pairs in INTERFACE.items():
        catalog = Catalog(locale="fa")
        for english, persian in pairs.items():
            catalog.add(english, persian)
        folder = root / "fa" / "LC_MESSAGES"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.mo").open("wb") as file:
            write_mo(file, catalog)
        app.add_message_catalog(name, str(root))


def setup(app) -> dict:
    write_catalogs(app)
    app.add_search_language(SearchPersian)
    app.add_config_value("bilingual_switch", {}, "html")
    app.add_config_value("bilingual_claims", {}, "env")
    app.connect("config-inited", load_claims)
    app.connect("source-read", read_source)
    app.connect("doctree-read", place_widgets)
    app.connect("doctree-resolved", describe_pictures)
    app.connect("doctree-resolved", mark_english, priority=900)
    # Before the theme drops components that render empty.
    app.connect("html-page-context", page_context, priority=100)
    app.connect("html-page-context", load_widgets)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
