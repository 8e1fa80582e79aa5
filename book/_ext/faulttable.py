"""The directive ``table-of-faults``: what the tests bring about, and what then happens."""

from pathlib import Path

import yaml
from digits import PERSIAN_DIGITS
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

HEADINGS = {
    "fa": ("نوع", "شمار خطاها", "شمار آزمون‌ها", "چه رخ می‌دهد"),
    "en": ("kind", "faults", "tried", "what happens"),
}
DETAILS = ("fault", "how it is injected", "what happens", "tried")


def inline(text: str) -> nodes.paragraph:
    """A text with code between backticks, as a sentence."""
    text = text[:1].upper() + text[1:] if text[:1] != "`" else text
    parts = text.split("`")
    kinds = (nodes.Text, lambda code: nodes.literal(text=code))
    return nodes.paragraph("", "", *(kinds[k % 2](part) for k, part in enumerate(parts) if part))


def table(head: tuple[str, ...], rows: list[tuple], widths: tuple[int, ...]) -> nodes.table:
    """A table of paragraphs, with a heading per column."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(head))
    for kind, part in ((nodes.thead, [head]), (nodes.tbody, rows)):
        body = [nodes.row("", *(nodes.entry("", inline(str(cell))) for cell in row)) for row in part]
        group += kind("", *body)
    return nodes.table("", group, classes=["fault-table"])


class TableOfFaults(SphinxDirective):
    """A table of the kinds; in English one of all faults under each kind as well."""

    def run(self) -> list[nodes.Node]:
        folder, language = Path(self.env.srcdir) / "book", self.config.language
        read = {}
        for name in ("faults.yml", "fault_kinds.yml"):
            self.env.note_dependency(str(folder / name))
            read[name] = yaml.safe_load((folder / name).read_text("utf-8"))
        by_kind = {
            entry["kind"]: [row for row in read["faults.yml"] if row["kind"] == entry["kind"]]
            for entry in read["fault_kinds.yml"]
        }
        kinds = []
        for entry in read["fault_kinds.yml"]:
            rows = by_kind[entry["kind"]]
            counts = [str(len(rows)), str(sum(row["tried"] for row in rows))]
            if language == "fa":
                counts = [count.translate(PERSIAN_DIGITS) for count in counts]
            kinds.append((entry[language], *counts, entry["outcome"][language]))
        found: list[nodes.Node] = [table(HEADINGS[language], kinds, (25, 10, 10, 55))]
        if language == "en":
            for entry in read["fault_kinds.yml"]:
                details = [
                    tuple(row[name] for name in ("fault", "injected", "outcome", "tried"))
                    for row in by_kind[entry["kind"]]
                ]
                found += [nodes.rubric(text=entry["en"]), table(DETAILS, details, (32, 30, 30, 8))]
        return found


def setup(app) -> dict:
    app.add_directive("table-of-faults", TableOfFaults)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
