"""hw2 claims."""

import json
from dataclasses import asdict
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
    from hw2lib.claims import (
        BOOKKEEPING,
        VERDICT_NAMES,
        Verdict,
        as_row,
        count_verdicts,
        load_ledger,
        results,
    )
    from hw2lib.protocol import provenance

    found, ledger = results(), load_ledger()
    rows = [as_row(entry, found.get(entry["id"]), map(asdict, provenance(entry["id"]))) for entry in ledger]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    heads = Text("ادعا", "claim"), Text("متن ادعا", "statement"), Text("شاهد", "evidence")
    table = Table(*(localize(head, lang) for head in heads), show_lines=True)
    names = {verdict: localize(name, lang) for verdict, name in VERDICT_NAMES.items()}
    bookkeeping = localize(BOOKKEEPING, lang)
    for row in rows:
        verdict = names[Verdict(row["verdict"])] if row["verdict"] else localize(Text("باز", "open"), lang)
        if row["kind"] == "bookkeeping":
            verdict = f"{bookkeeping} ({verdict})"
        evidence = row["evidence"][lang] if row["evidence"] else ""
        claim = "\n".join((row["id"], verdict, row["notebook"]))
        cells = claim, " ".join(row["statement"][lang].split()), evidence
        table.add_row(*map(escape, cells))  # brackets are those of an interval
    Console().print(table)
    listed = sum(row["kind"] == "bookkeeping" for row in rows)
    counts = {names[verdict]: n for verdict, n in count_verdicts(ledger, found).items()}
    counts[localize(Text("ثبتی، شمرده نشده", "bookkeeping, not counted"), lang)] = listed
    semicolon = localize(Text("؛ ", "; "), lang)
    typer.echo(semicolon.join(f"{name}: {localize(n, lang)}" for name, n in counts.items()))
