"""hw2 claims."""

import json
from typing import Annotated

import typer

KEYS = ("id", "verdict", "measured", "unit", "notebook")


def claims(
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for programs")] = False,
) -> None:
    """Print what became of every claim of the report."""
    from hw2lib.claims import load_ledger

    rows = [{key: entry.get(key) for key in KEYS} for entry in load_ledger()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("claim", "verdict", "measured", "notebook")
    for row in rows:
        measured = " ".join(str(row[k]) for k in ("measured", "unit") if row[k])
        table.add_row(row["id"], row["verdict"] or "open", measured, row["notebook"])
    Console().print(table)
