"""hw2 data."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

# Synthetic sets: the name on the command line and the function in hw2lib.data that writes it.
MAKERS = {
    "capsules": "make_capsules",
    "apple2orange": "make_apple2orange",
    "summer2winter": "make_summer2winter",
}


@app.command("list")
def list_sets() -> None:
    """List the data sets that can be fetched and the synthetic sets that can be generated."""
    from hw2lib.data.download import DATASETS

    for name, dataset in DATASETS.items():
        typer.echo(f"{name:24} get   {dataset.size / 1e6:>6.0f} MB  {dataset.description}")
        checked = "the archive's sha256 is known, and each file's once it is fetched"
        if dataset.copies:
            checked += f"; so are the files of {', '.join(dataset.copies)}"
        for line in (f"verified: {checked}", f"publisher: {dataset.page}", dataset.licence):
            typer.echo(f"{'':30} {'':9}  {line}")
    for name in MAKERS:
        typer.echo(f"{name:24} make  {'':>9}  synthetic set, deterministic, made by this package")


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="a name from `hw2 data list`")],
    out: Annotated[Path, typer.Option(help="folder that takes the data set's folder")] = Path("data"),
    url: Annotated[str | None, typer.Option(help="another address, or an archive on this disk")] = None,
    sha256: Annotated[str | None, typer.Option(help="checksum the archive must have")] = None,
    accept_unverified: Annotated[
        bool, typer.Option("--accept-unverified", help="with --url: take an archive of another checksum")
    ] = False,
) -> None:
    """Fetch an official archive, check it and unpack it; the same command resumes a broken download."""
    from hw2lib.data.download import fetch, find
    from hw2lib.errors import printable

    dataset = find(name)
    typer.echo(f"{name}: {dataset.licence}")
    with _download_progress(dataset.archive) as report:
        done = fetch(dataset, out, url, sha256, accept_unverified, report)
    state = "already there" if done.skipped else "ready"
    for folder in done.folders:
        typer.echo(printable(f"{folder}: {state}, {'verified' if done.verified else 'not verified'}"))
    if done.sha256 and not done.verified:
        typer.echo(f"{dataset.archive}: its sha256 was {done.sha256}")


@app.command("make")
def make(
    name: Annotated[str, typer.Argument(help="a synthetic set from `hw2 data list`")],
    out: Annotated[Path, typer.Option(help="folder to write")],
    seed: Annotated[int, typer.Option(help="random seed", min=0)] = 0,
    size: Annotated[int | None, typer.Option(help="height and width in pixels", min=16)] = None,
) -> None:
    """Generate a synthetic data set in the official folder layout."""
    from hw2lib.errors import UserError, printable
    from hw2lib.memory import require_memory

    if name not in MAKERS:
        raise UserError(f"{name}: no such synthetic set; expected {', '.join(MAKERS)}")
    import hw2lib.data

    require_memory(24 * (size or 0) ** 2, f"--size {size}")  # one image as float64

    options = {} if size is None else {"size": size}
    getattr(hw2lib.data, MAKERS[name])(out, seed=seed, **options)
    typer.echo(printable(f"{out}: {name}"))


@contextmanager
def _download_progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar over the bytes of an archive, shown once the first of them arrive."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TextColumn("left"), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("", total=None)

    def report(here: int, total: int | None) -> None:
        progress.start()
        progress.update(task, completed=here, total=total)

    try:
        yield report
    finally:
        if progress.live.is_started:
            progress.stop()
