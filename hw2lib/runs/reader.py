"""The recorded full-size runs, as the notebooks read them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pandas import DataFrame, Series

from hw2lib.errors import UserError
from hw2lib.schema import read_json
from hw2lib.statistics.oscillation import Oscillation, oscillation
from hw2lib.statistics.trends import Trend, trend
from hw2lib.translation.colour_statistics import COLOURS
from hw2lib.translation.spectra import grid_excess

from .images import cut_sheet
from .paths import MARKED, paper_root
from .schema import CycleGANMetrics, Environment, Settings, metrics_of

# The measures of a CycleGAN by their short names in a printed table.
_MEASURES = {
    "success": "success",
    "colour": "colour",
    "kernel": "classifier_kid",
    "PSNR": "cycle_psnr",
    "SSIM": "cycle_ssim",
    "identity": "identity_l1",
}


@dataclass(frozen=True)
class RecordedRun:
    """One recorded run."""

    path: Path

    @property
    def seed(self) -> int:
        return self.config["seed"]

    @cached_property
    def config(self) -> dict:
        return read_json(self.path / "config.json", Settings)

    @cached_property
    def environment(self) -> dict:
        return read_json(self.path / "environment.json", Environment)

    @cached_property
    def metrics(self) -> dict:
        return read_json(self.path / "metrics.json", metrics_of(self.path))

    @cached_property
    def losses(self) -> DataFrame:
        return read_table(self.path / "losses.csv")

    def fall_by(self, epoch: int, column: str) -> float:
        """Share of a loss's fall from the first to the last epoch that is done by an epoch."""
        values = self.losses.set_index("epoch")[column]
        return float((values.iloc[0] - values[epoch]) / (values.iloc[0] - values.iloc[-1]))

    def loss_trends(self, *terms: str) -> dict[str, tuple[Trend, Trend]]:
        """Trends of losses with the step: over the whole training, and over its second half of epochs."""
        late = self.losses["epoch"] > self.losses["epoch"].max() / 2
        return {term: (trend(self.losses[term]), trend(self.losses[term][late])) for term in terms}

    def loss_oscillations(self, *terms: str) -> dict[str, Oscillation]:
        """Whether losses oscillate over the whole training; see hw2lib.statistics.oscillation."""
        return {term: oscillation(self.losses[term]) for term in terms}

    @cached_property
    def auroc(self) -> DataFrame:
        return read_table(self.path / "auroc.csv")

    @cached_property
    def scores(self) -> DataFrame:
        return read_table(self.path / "scores.csv")

    def sample_sheet(self, columns: int = 5, padding: int = 2) -> np.ndarray:
        """The images of samples.png, uint8 of shape (rows, columns, size, size, 3)."""
        return cut_sheet(self.path / "samples.png", self.config["size"], columns, padding)


class RecordedCycleGAN(RecordedRun):
    """A recorded run of CycleGAN: what its networks made of the test images, and how that was judged."""

    @cached_property
    def metrics(self) -> dict:
        return read_json(self.path / "metrics.json", CycleGANMetrics)

    @property
    def epochs(self) -> list[int]:
        """The epochs whose networks translated, and were measured on, the test images."""
        return [row["epoch"] for row in self.metrics["test"]]

    def contact_sheet(self, epoch: int) -> np.ndarray:
        """What the networks made of the same test images, uint8 of shape (4, 6, size, size, 3).

        Rows: G(x), F(G(x)), F(y), G(F(y)) for x of testA and y of testB.
        """
        return cut_sheet(self.path / f"epoch-{epoch:02d}.png", self.config["size"], columns=6)

    def last_samples(self, direction: str, back: bool = False) -> np.ndarray:
        """The translations in the last epoch's sheet, or the ways back, uint8 of shape (6, size, size, 3)."""
        return self.contact_sheet(self.epochs[-1])[(0 if direction == "A" else 2) + back]

    def grid_excess(self, epoch: int, period: int) -> float:
        """How far a grid of this period stands out in a sheet; see hw2lib.translation.spectra."""
        images = torch.tensor(self.contact_sheet(epoch)).flatten(0, 1).permute(0, 3, 1, 2)
        return grid_excess(images.double(), period)

    @cached_property
    def measures(self) -> DataFrame:
        """Cycle, identity and translation measures, a row per measured epoch, a column per measure."""
        translation = {row["epoch"]: row for row in self.metrics["translation"]["epochs"]}
        return DataFrame([row | translation[row["epoch"]] for row in self.metrics["test"]])

    @cached_property
    def references(self) -> dict[str, dict[str, float]]:
        """The measures of untranslated images (``source``) and of real ones of the target (``real``)."""
        return self.metrics["translation"]["reference"]

    def measures_of(self, direction: str) -> DataFrame:
        """The six measures of ``"A"`` (A → B) or ``"B"`` by their short names, NaN where there is none.

        Rows: untranslated images (``source``), the measured epochs, real images of the target (``real``).
        """
        rows = {"source": self.references["source"], **self.measures.set_index("epoch").T}
        table = DataFrame(rows | {"real": self.references["real"]}).T
        return table.reindex(columns=[f"{name}_{direction}" for name in _MEASURES.values()]).set_axis(
            list(_MEASURES), axis="columns"
        )

    @cached_property
    def translations(self) -> DataFrame:
        """What changed in each test image; the columns of :mod:`hw2lib.jobs.cyclegan_evaluation`.

        The column ``taken`` is ``classified_as_target`` here.
        """
        return read_table(self.path / "translations.csv").rename(columns={"taken": "classified_as_target"})

    def changed(self, direction: str) -> Series:
        """By how many levels the images of one direction change on average, by epoch."""
        return self.translations.query("direction == @direction").groupby("epoch")["changed"].mean()

    def last_translations(self, direction: str) -> DataFrame:
        """The rows of :attr:`translations` of one direction after the last epoch."""
        return self.translations.query("epoch == @self.epochs[-1] and direction == @direction")

    @property
    def last_outputs(self) -> dict:
        """How the outputs of the last epoch differ from each other, and their grids."""
        return self.metrics["outputs"]["epochs"][-1]

    def colours_after(self, epoch: int, direction: str) -> DataFrame:
        """Share of all pixels by colour before (rows) and after (columns).

        See :mod:`hw2lib.translation.colour_statistics`.
        """
        shares = DataFrame(self.metrics["colours"]).query("epoch == @epoch and direction == @direction")
        table = shares.pivot(index="before", columns="after", values="share")
        return table.reindex(index=COLOURS, columns=COLOURS).fillna(0.0)

    def colour_share(self, epoch: int, direction: str, before: str, *after: str) -> float:
        """Of the pixels of colour ``before``, the share of which the translation has one of ``after``."""
        shares = self.colours_after(epoch, direction).loc[before]
        return float(shares[list(after)].sum() / shares.sum())

    def recoloured(self, epoch: int, direction: str, *before: str) -> float:
        """Of the pixels of these colours, taken together, the share whose translation has another colour."""
        shares = self.colours_after(epoch, direction).loc[[*before]]
        kept = sum(shares.loc[colour, colour] for colour in before)
        return float(1 - kept / shares.to_numpy().sum())

    @cached_property
    def steganography(self) -> DataFrame:
        """Reconstruction errors as translations are disturbed; see hw2lib.translation.steganography."""
        return DataFrame(self.metrics["steganography"])

    def last_steganography(self, direction: str) -> DataFrame:
        """The rows of :attr:`steganography` of one direction after the last epoch, by ``kind`` and ``level``.

        The column ``gain`` is that of the way back (book: eq-steganography), NaN where nothing is disturbed.
        """
        rows = self.steganography.query("epoch == @self.epochs[-1] and direction == @direction")
        return rows.assign(gain=rows["moved"] / rows["size"]).set_index(["kind", "level"])


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


def paper_run(name: str) -> RecordedCycleGAN:
    """The recorded run of a CycleGAN, such as ``cyclegan-summer2winter``, which has one seed.

    Raises:
        UserError: nothing is recorded under that name.
    """
    folder = paper_root() / name
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no recorded run")
    return RecordedCycleGAN(folder)


def marked_run(name: str) -> RecordedCycleGAN:
    """The run of a CycleGAN from uncommitted code, which the book shows and no verdict rests on.

    Raises:
        UserError: there is none under that name.
    """
    return paper_run(f"{MARKED}/{name}")


def paper_table(name: str, metric: str) -> DataFrame:
    """One metric of a recorded job of several seeds: a row per seed, a column per path of names below it.

    The columns of ``{"a": {"b": 1.0}}`` are one level per depth, as ``table["a", "b"]``.

    Raises:
        UserError: nothing is recorded under that name.
    """
    rows = {run.seed: pd.json_normalize(run.metrics[metric], sep="/").iloc[0] for run in paper_runs(name)}
    table = DataFrame(rows).T
    if any("/" in column for column in table):
        table.columns = pd.MultiIndex.from_tuples([tuple(column.split("/")) for column in table])
    return table


def read_table(path: Path) -> DataFrame:
    """A CSV file as a table, with numbers where every value of a column is one, and text otherwise."""
    try:
        # Only nan is missing: None and NA are words.
        table = pd.read_csv(path, keep_default_na=False, na_values=["nan"])
    except OSError as error:
        raise UserError(f"{path}: cannot be read") from error
    except pd.errors.EmptyDataError:
        table = DataFrame()
    if table.empty:
        raise UserError(f"{path}: holds no rows")
    return table
