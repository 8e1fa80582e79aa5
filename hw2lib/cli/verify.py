"""hw2 verify."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Device, check_device


def verify(
    names: Annotated[list[str] | None, typer.Argument(help="jobs or records [default: all]")] = None,
    again: Annotated[bool, typer.Option("--retrain", help="redo the runs, and compare")] = False,
    data: Annotated[Path | None, typer.Option(help="with --retrain: folder of the real sets")] = None,
    runs: Annotated[Path, typer.Option(help="with --retrain: folder of the runs")] = Path("runs/verify"),
    device: Device = "auto",
) -> None:
    """Recompute every recorded number that follows from recorded files; exit code 1 where one does not."""
    from hw2lib.errors import UserError
    from hw2lib.jobs.verify import records, retrain
    from hw2lib.jobs.verify import verify as verify_records

    check_device(device)
    checks = list(verify_records(names or ()))
    if again:
        if data is None:
            raise UserError("--retrain: needs --data with the folder of the real sets")
        for name in records(names or ()):
            checks += retrain(name, data, runs, device)
    for check in checks:
        if not check.compared:
            typer.echo(f"{check.record}: not compared, its record states no measure with an interval")
    alone = sum(not check.compared for check in checks)
    checks = [check for check in checks if check.compared]
    failed = [check for check in checks if not check.holds]
    for check in failed:
        line = f"{check.record}: {check.what}: recorded {check.recorded}, recomputed {check.recomputed}"
        typer.echo(line, err=True)
    counts = f"{len({c.record for c in checks})} records, {len(checks)} numbers and files"
    typer.echo(f"{counts}, {len(failed)} differ" + f", {alone} made again not compared" * (alone > 0))
    if failed:
        raise typer.Exit(1)
