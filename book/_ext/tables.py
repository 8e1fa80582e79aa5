"""Parts of a page that are made out of data: the ledger, the glossary, the front page's figures, rules."""

from pathlib import Path

import yaml
from claimbox import ledger_markdown, rule_line
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from hw2lib.bilingual import localize
from hw2lib.claims import load_ledger, results
from hw2lib.figures.overview import overview
from hw2lib.protocol import provenance_of

# Persian dictionaries put آ first; vowel signs and the half-space do not count, hamza counts as its seat.
ALPHABET = {letter: rank for rank, letter in enumerate(" -ءآابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهی")}
SEATS = str.maketrans(
    "أإؤئۀة", "ااویهت", "\u200c\u0640\u0654\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652"
)
COLUMNS = {"fa": ("فارسی", "English", "جای تعریف"), "en": ("English", "فارسی", "Defined in")}


def persian_order(text: str) -> list[tuple[int, str]]:
    """Sort key by the Persian alphabet; other letters come before it, in their own order.

    >>> sorted(["وارون", "گام", "پیچش", "آزمون", "بذر", "نقطهٔ"], key=persian_order)
    ['آزمون', 'بذر', 'پیچش', 'گام', 'نقطهٔ', 'وارون']
    """
    return [(ALPHABET.get(letter, -1), letter) for letter in text.translate(SEATS).casefold()]


class Generated(SphinxDirective):
    """Generated MyST, parsed in place."""

    def parsed(self, markdown: str, source: str) -> list[nodes.Node]:
        holder = nodes.container()
        self.state.nested_parse(StringList(markdown.splitlines(), source=source), self.content_offset, holder)
        return holder.children

    def depends_on(self, name: str) -> Path:
        """A file of the book; the page is rebuilt when it changes."""
        path = Path(self.env.srcdir) / "book" / name
        self.env.note_dependency(str(path))
        return path


class MarkdownTable(Generated):
    """The entries of a file as MyST."""

    source: str

    def markdown(self, entries: list[dict], language: str) -> str:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        path = self.depends_on(self.source)
        entries = yaml.safe_load(path.read_text("utf-8"))
        return self.parsed(self.markdown(entries, self.config.language), str(path))


class ClaimsLedger(MarkdownTable):
    source = "claims.yml"

    def markdown(self, entries: list[dict], language: str) -> str:
        return ledger_markdown(entries, results(Path(self.env.srcdir) / "notebooks"), language)


class Glossary(MarkdownTable):
    source = "glossary.yml"

    def markdown(self, entries: list[dict], language: str) -> str:
        other = "en" if language == "fa" else "fa"
        order = persian_order if language == "fa" else str.casefold
        rows = sorted(entries, key=lambda e: order(e[language]))
        lines = [":::{list-table}", ":header-rows: 1", ":class: glossary-table", ""]
        first, *rest = COLUMNS[language]
        lines += [f"* - {first}", *(f"  - {name}" for name in rest)]
        for row in rows:
            folder = "book" if row["where"] == "index" else "notebooks"
            page = f"{{doc}}`/{folder}/{row['where']}`"
            lines += [f"* - {row[language]}", f"  - {row[other]}", f"  - {page}"]
        return "\n".join([*lines, ":::"])


class Rules(Generated):
    """The rules named, each with its commit and those of its records; for what decides no claim's box."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        path = self.depends_on("protocol.yml")
        names = "\n".join(self.content).split()
        lines = (f"- {rule_line(provenance_of(name), self.config.language)}" for name in names)
        return self.parsed("\n".join(lines), str(path))


class OverviewFigure(Generated):
    """A figure of the front page, drawn while the book is built; its caption says what is in it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name, language = self.arguments[0], self.config.language
        source = Path(self.env.srcdir)
        draw, caption = overview(load_ledger(source / "book/claims.yml"), results(source / "notebooks"))[name]
        picture = draw()
        file = f"overview-{name}-{language}.{picture.mime.removeprefix('image/')}"
        (Path(self.env.srcdir) / "book" / file).write_bytes(picture.images[language])
        lines = [f":::{{figure}} {file}", f":name: fig-{name}", "", localize(caption, language), ":::"]
        return self.parsed("\n".join(lines), file)


def setup(app) -> dict:
    app.add_directive("claims-ledger", ClaimsLedger)
    app.add_directive("glossary-of-terms", Glossary)
    app.add_directive("overview-figure", OverviewFigure)
    app.add_directive("rules", Rules)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
