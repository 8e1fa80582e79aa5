"""The recorded full-size runs, as the notebooks read them."""

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from hw2lib.errors import UserError
from hw2lib.statistics.trends import Trend, trend
from hw2lib.translation.spectra import grid_excess

from .folder import read_json
from .images import cut_sheet

Table = dict[str, np.ndarray]
# The measures of a CycleGAN run by their short names in a printed table.
_MEASURES = {
    "success": "success",
    "colour": "colour",
    "kernel": "classifier_kid",
    "PSNR": "cycle_psnr",
    "SSIM": "cycle_ssim",
    "identity": "identity_l1",
}


def paper_root() -> Path:
    """``results/paper`` of this checkout, or the folder that HW2_RESULTS names."""
    named = os.environ.get("HW2_RESULTS")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "results" / "paper"


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

    def loss_trends(self, *terms: str) -> dict[str, tuple[Trend, Trend]]:
        """Trends of losses with the step: over the whole training, and over its second half of epochs."""
        late = self.losses["epoch"] > self.losses["epoch"].max() / 2
        return {term: (trend(self.losses[term]), trend(self.losses[term][late])) for term in terms}

    @cached_property
    def auroc(self) -> Table:
        return read_table(self.path / "auroc.csv")

    @cached_property
    def scores(self) -> Table:
        return read_table(self.path / "scores.csv")

    def sample_sheet(self, columns: int = 5, padding: int = 2) -> np.ndarray:
        """The images of samples.png, uint8 of shape (rows, columns, size, size, 3)."""
        return cut_sheet(self.path / "samples.png", self.config["size"], columns, padding)

    # What follows is of CycleGAN runs.

    @property
    def epochs(self) -> list[int]:
        """The epochs whose networks translated, and were measured on, the test images."""
        return [row["epoch"] for row in self.metrics["test"]]

    def contact_sheet(self, epoch: int) -> np.ndarray:
        """What the networks made of the same test images, uint8 of shape (4, 6, size, size, 3).

        Rows: G(x), F(G(x)), F(y), G(F(y)) for x of testA and y of testB.
        """
        return cut_sheet(self.path / f"epoch-{epoch:02d}.png", self.config["size"], columns=6)

    def grid_excess(self, epoch: int, period: int) -> float:
        """How far a grid of this period stands out in a sheet; see hw2lib.translation.spectra."""
        images = torch.tensor(self.contact_sheet(epoch)).flatten(0, 1).permute(0, 3, 1, 2)
        return grid_excess(images.double(), period)

    @cached_property
    def measures(self) -> Table:
        """Cycle, identity and translation measures, a row per measured epoch, a column per measure."""
        translation = {row["epoch"]: row for row in self.metrics["translation"]["epochs"]}
        return columns_of([row | translation[row["epoch"]] for row in self.metrics["test"]])

    @cached_property
    def references(self) -> dict[str, dict[str, float]]:
        """The measures of untranslated images (``source``) and of real ones of the target (``real``)."""
        return self.metrics["translation"]["reference"]

    def measures_table(self, ways: Mapping[str, str]) -> str:
        """The measures as text, between those of untranslated images and of real ones of the target.

        Args:
            ways: how to name the directions ``"A"`` and ``"B"``.
        """
        rows = {"untranslated": self.references["source"]}
        for k, epoch in enumerate(self.epochs):
            rows[f"epoch {epoch}"] = {name: column[k] for name, column in self.measures.items()}
        rows["real target"] = self.references["real"]
        lines = []
        for direction, way in ways.items():
            lines.append(f"{way:<18}" + "".join(f"{short:>10}" for short in _MEASURES))
            for label, row in rows.items():
                found = (row.get(f"{name}_{direction}") for name in _MEASURES.values())
                cells = ("" if value is None else f"{value:.3g}" for value in found)
                lines.append(f"{label:<18}" + "".join(f"{cell:>10}" for cell in cells))
        return "\n".join(lines)

    @cached_property
    def translations(self) -> Table:
        """What changed in each test image; the columns of :mod:`hw2lib.jobs.cyclegan_evaluation`."""
        return read_table(self.path / "translations.csv")

    def colours_after(self, epoch: int, direction: str) -> dict[str, dict[str, float]]:
        """Share of all pixels by colour before and, within that, after; see hw2lib.translation.colours."""
        shares: dict[str, dict[str, float]] = {}
        for row in self.metrics["colours"]:
            if (row["epoch"], row["direction"]) == (epoch, direction):
                shares.setdefault(row["before"], {})[row["after"]] = row["share"]
        return shares

    def colour_share(self, epoch: int, direction: str, before: str, *after: str) -> float:
        """Of the pixels of colour ``before``, the share of which the translation has one of ``after``."""
        shares = self.colours_after(epoch, direction)[before]
        return sum(shares.get(colour, 0.0) for colour in after) / sum(shares.values())

    @cached_property
    def steganography(self) -> Table:
        """Reconstruction errors as translations are disturbed; see hw2lib.translation.steganography."""
        return columns_of(self.metrics["steganography"])


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


def paper_run(name: str) -> RecordedRun:
    """The recorded run of a job with one seed, such as ``cyclegan-apple2orange``.

    Raises:
        UserError: nothing is recorded under that name.
    """
    folder = paper_root() / name
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no recorded run")
    return RecordedRun(folder)


def columns_of(rows: Sequence[Mapping[str, object]]) -> Table:
    """Rows with the same keys as columns."""
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


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
