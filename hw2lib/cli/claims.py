"""hw2 claims."""

import json
from dataclasses import asdict
from typing import Annotated

import typer


def claims(
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for programs")] = False,
) -> None:
    """Print what became of every claim of the report."""
    from hw2lib.claims import as_row, count_verdicts, load_ledger, results
    from hw2lib.protocol import provenance

    found, ledger = results(), load_ledger()
    rows = [as_row(entry, found.get(entry["id"]), map(asdict, provenance(entry["id"]))) for entry in ledger]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("claim", "verdict", "evidence", "notebook")
    for row in rows:
        evidence = row["evidence"]["en"] if row["evidence"] else ""
        verdict = row["verdict"] or "open"
        if row["kind"] == "bookkeeping":
            verdict = f"bookkeeping ({verdict})"
        cells = row["id"], verdict, evidence, row["notebook"]
        table.add_row(*map(escape, cells))  # brackets are those of an interval
    counts = count_verdicts(ledger, found)
    Console().print(table)
    listed = sum(row["kind"] == "bookkeeping" for row in rows)
    parts = [f"{verdict.value}: {n}" for verdict, n in counts.items()]
    typer.echo("; ".join([*parts, f"bookkeeping, not counted: {listed}"]))
