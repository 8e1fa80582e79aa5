"""The recorded full-size runs, as the notebooks read them."""

import csv
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hw2lib.data.mvtec import read_rgb
from hw2lib.errors import UserError
from hw2lib.training.runs import read_json

Table = dict[str, np.ndarray]


def paper_root() -> Path:
    """``results/paper`` of this checkout, or the folder that HW2_RESULTS names."""
    named = os.environ.get("HW2_RESULTS")
    return Path(named) if named else Path(__file__).resolve().parents[1] / "results" / "paper"


@dataclass(frozen=True)
class RecordedRun:
    """One recorded run; tables are dictionaries of NumPy columns."""

    path: Path

    @property
    def seed(self) -> int:
        return self.config["seed"]

    @cached_property
    def config(self) -> dict:
        return read_json(self.path / "config.json")

    @cached_property
    def environment(self) -> dict:
        return read_json(self.path / "environment.json")

    @cached_property
    def metrics(self) -> dict:
        return read_json(self.path / "metrics.json")

    @cached_property
    def losses(self) -> Table:
        return read_table(self.path / "losses.csv")

    @cached_property
    def auroc(self) -> Table:
        return read_table(self.path / "auroc.csv")

    @cached_property
    def scores(self) -> Table:
        return read_table(self.path / "scores.csv")

    def sample_sheet(self, columns: int = 5, padding: int = 2) -> np.ndarray:
        """The images of samples.png, uint8 of shape (rows, columns, size, size, 3)."""
        sheet, size = read_rgb(self.path / "samples.png", None), self.config["size"]
        step = size + padding
        rows = (sheet.shape[0] - padding) // step
        tiles = sheet[padding : padding + rows * step, padding : padding + columns * step]
        return tiles.reshape(rows, step, columns, step, 3).swapaxes(1, 2)[:, :, :size, :size]


def paper_runs(name: str) -> list[RecordedRun]:
    """The recorded runs of one job, such as ``maf-capsule``, ordered by seed.

    Raises:
        UserError: nothing is recorded under that name.
    """
    folder = paper_root() / name
    runs = [RecordedRun(p.parent) for p in sorted(folder.glob("seed-*/config.json"))]
    if not runs:
        raise UserError(f"{folder}: no recorded runs")
    return sorted(runs, key=lambda run: run.seed)


def read_table(path: Path) -> Table:
    """A CSV file as columns: float64 where every value is a number, text otherwise."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UserError(f"{path}: cannot be read") from error
    if not rows:
        raise UserError(f"{path}: holds no rows")
    return {name: _column([row[name] for row in rows]) for name in rows[0]}


def select(table: Table, **equal: object) -> Table:
    """The rows in which every named column has the given value."""
    keep = np.logical_and.reduce([table[name] == value for name, value in equal.items()])
    return {name: column[keep] for name, column in table.items()}


def _column(values: list[str]) -> np.ndarray:
    try:
        return np.array([float(v) for v in values])
    except ValueError:
        return np.array(values)
