"""hw2 claims."""

import json
from enum import StrEnum
from typing import Annotated

import typer


class Lang(StrEnum):
    """An edition's language."""

    FA = "fa"
    EN = "en"


def claims(
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for programs")] = False,
    lang: Annotated[Lang, typer.Option(help="language of what is printed")] = Lang.EN,
) -> None:
    """Print every claim of the report, what became of it, and the chapter that decides."""
    from hw2lib.bilingual import Text, localize
    from hw2lib.claims import VERDICT_NAMES, Verdict, as_row, load_ledger, results

    found = results()
    rows = [as_row(entry, found.get(entry["id"])) for entry in load_ledger()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    heads = Text("ادعا", "claim"), Text("متن ادعا", "statement"), Text("شاهد", "evidence")
    table = Table(*(localize(head, lang) for head in heads), show_lines=True)
    unchecked = Text("باز", "open")
    for row in rows:
        verdict = VERDICT_NAMES[Verdict(row["verdict"])] if row["verdict"] else unchecked
        claim = "\n".join((row["id"], localize(verdict, lang), row["notebook"]))
        evidence = row["evidence"][lang] if row["evidence"] else ""
        table.add_row(claim, " ".join(row["statement"][lang].split()), evidence)
    Console().print(table)
