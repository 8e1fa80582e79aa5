"""Progress bars with losses and the time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


@contextmanager
def training_progress(epochs: int, shown: bool = True) -> Iterator[Callable[[dict], None]]:
    """A bar over all steps of a run, shown from the first on; yields what takes the trainer's events."""
    if not shown:
        yield lambda event: None
        return
    columns = (
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("", total=None, epoch=0, epochs=epochs, losses="")

    def report(event: dict) -> None:
        progress.start()
        done = event["epoch"] * event["steps_per_epoch"] + event["step"]
        progress.update(
            task,
            total=epochs * event["steps_per_epoch"],
            completed=done,
            epoch=event["epoch"] + 1,
            losses=_losses(event),
        )

    try:
        yield report
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is done, one after the other; yields what takes (what, done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        yield report


def _losses(event: dict) -> str:
    """A flow's bits per dimension, or a CycleGAN's losses summed over both directions."""
    if "losses" in event:
        sums: dict[str, float] = {}
        for name, value in event["losses"].items():
            term = name.rsplit("_", 1)[0]
            sums[term] = sums.get(term, 0.0) + value
        return " ".join(f"{term} {value:.2f}" for term, value in sums.items())
    validation = "" if event["val_bpd"] is None else f" val {event['val_bpd']:.3f}"
    return f"train {event['train_bpd']:.3f}{validation} bits/dim"
