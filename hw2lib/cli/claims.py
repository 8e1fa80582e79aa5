"""hw2 claims."""

import json
from typing import Annotated

import typer


def claims(
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for programs")] = False,
) -> None:
    """Print what became of every claim of the report."""
    from hw2lib.claims import as_row, load_ledger, results

    found = results()
    rows = [as_row(entry, found.get(entry["id"])) for entry in load_ledger()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("claim", "verdict", "evidence", "notebook")
    for row in rows:
        evidence = row["evidence"]["en"] if row["evidence"] else ""
        cells = row["id"], row["verdict"] or "open", evidence, row["notebook"]
        table.add_row(*map(escape, cells))  # brackets are those of an interval
    Console().print(table)
