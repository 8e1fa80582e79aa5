"""What each part of a CycleGAN's training is for, from runs that lack one of them.

The rules are apple2orange-small, photographs-decide and cycle-loss-alone-keeps-content in
``book/protocol.yml``. A difference between a run and the table's counts where it is more than chance among
the test images, and more than what another seed does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pandas import DataFrame

from hw2lib.errors import UserError
from hw2lib.statistics import Estimate, bootstrap_mean
from hw2lib.statistics.oscillation import Oscillation

from .reader import RecordedCycleGAN, paper_run, paper_runs

DIRECTIONS = ("A", "B")
# The settings in which each run differs from the table's; all are of the table's first seed.
VARIANTS: dict[str, dict[str, object]] = {
    "identity-0": {"identity": 0.0},
    "cycle-0": {"cycle": 0.0},
    "cycle-and-identity-0": {"cycle": 0.0, "identity": 0.0},
    "pool-0": {"pool": 0},
    "resize": {"upsampling": "resize"},
}
SEEDS = (0, 1, 2)
# Measures of the last epoch that are means over the test images, by their columns of translations.csv.
COLUMNS = {"filter": "filter_share", "shape": "ssim", "change": "changed"}
CONTENT = 3.0  # dB
COLLAPSE = 0.5
KEPT = 0.5
FALSE_OSCILLATIONS = 1  # of six tests at 5 %


@dataclass(frozen=True)
class Ablations:
    """Runs that differ in one thing each from the table's.

    Attributes:
        table: the runs of the table, by seed; the first has the seed of the others.
        variants: by name, one of :data:`VARIANTS`.
    """

    table: Sequence[RecordedCycleGAN]
    variants: Mapping[str, RecordedCycleGAN]

    @classmethod
    def recorded(cls, job: str = "cyclegan-apple2orange-small") -> "Ablations":
        """Those of this checkout.

        Raises:
            UserError: one of them is not recorded, or has other settings than its name says.
        """
        table = three_seeds(job)
        variants = {name: paper_run(f"{job}-{name}") for name in VARIANTS}
        for name, changed in VARIANTS.items():
            if variants[name].config != table[0].config | changed:
                where = variants[name].path
                raise UserError(f"{where}: differs from {table[0].path} in other settings than {changed}")
        return cls(table, variants)

    @cached_property
    def measures(self) -> DataFrame:
        """By run, seed and direction: :data:`COLUMNS`, ``back`` (PSNR in dB) and ``spread``."""
        runs = [("table", run) for run in self.table] + [*self.variants.items()]
        return DataFrame(
            {"run": name, "seed": run.seed, "direction": direction} | _measures(run, direction)
            for name, run in runs
            for direction in DIRECTIONS
        )

    def of_the_table(self, measure: str, direction: str) -> np.ndarray:
        """A measure of the table's runs, by seed."""
        return self.measures.query("run == 'table' and direction == @direction")[measure].to_numpy()

    def of(self, variant: str, measure: str, direction: str) -> float:
        """A measure of one of the variants."""
        row = self.measures.query("run == @variant and direction == @direction")
        return float(row[measure].iloc[0])

    def difference(self, variant: str, measure: str, direction: str, less: str = "table") -> Estimate:
        """By how much the mean over the test images is larger than in another run of the same seed.

        Args:
            variant: name of the run.
            measure: one of :data:`COLUMNS`.
            direction: ``A`` or ``B``.
            less: the run that is taken away.
        """
        other = self.table[0] if less == "table" else self.variants[less]
        first, second = (
            run.last_translations(direction).set_index("image")[COLUMNS[measure]]
            for run in (self.variants[variant], other)
        )
        return bootstrap_mean((first - second).to_numpy())

    def counts(self, variant: str, measure: str, direction: str) -> int:
        """1 where the difference to the table's run counts and is above 0, −1 where below, else 0."""
        interval = self.difference(variant, measure, direction)
        value, seeds = self.of(variant, measure, direction), self.of_the_table(measure, direction)
        return int(interval.low > 0 and value > seeds.max()) - int(interval.high < 0 and value < seeds.min())

    @property
    def identity_loss_keeps_from_filtering(self) -> bool:
        """T2.5: without the identity loss one filter explains more of the change, in both directions."""
        return all(self.counts("identity-0", "filter", direction) == 1 for direction in DIRECTIONS)

    @property
    def cycle_loss_keeps_content(self) -> bool:
        """T2.3: without the cycle loss the way back is worse by more than 3 dB, in both directions."""
        return all(
            self.of("cycle-0", "back", direction) < self.of_the_table("back", direction).min() - CONTENT
            for direction in DIRECTIONS
        )

    @property
    def cycle_loss_alone_keeps_content(self) -> bool:
        """T2.3: with the cycle loss alone the similarity is at least half of the seeds' least, both ways."""
        return all(
            self.of("identity-0", "shape", direction) >= KEPT * self.of_the_table("shape", direction).min()
            for direction in DIRECTIONS
        )

    @property
    def collapses_without_cycle_loss(self) -> bool:
        """T2.3: the outputs lie closer by half in some direction, with the identity loss or without."""
        return any(
            self.of(variant, "spread", direction) < COLLAPSE * self.of_the_table("spread", direction).min()
            for variant in ("cycle-0", "cycle-and-identity-0")
            for direction in DIRECTIONS
        )

    @property
    def keeps_the_shape(self) -> dict[str, bool]:
        """T2.10: by loss, whether it alone keeps the shape better than neither does, in both directions."""
        alone = {"cycle": "identity-0", "identity": "cycle-0"}
        return {
            loss: all(
                self.difference(variant, "shape", direction, less="cycle-and-identity-0").low > 0
                for direction in DIRECTIONS
            )
            for loss, variant in alone.items()
        }

    @cached_property
    def discriminators(self) -> dict[str, list[dict[str, Oscillation]]]:
        """T2.9: the oscillations of both discriminators' losses, of the table's runs and without the pool."""
        runs = {"table": self.table, "pool-0": [self.variants["pool-0"]]}
        return {name: [run.loss_oscillations("D_A", "D_B") for run in of] for name, of in runs.items()}

    @property
    def oscillates_without_pool_alone(self) -> bool:
        """T2.9: both discriminators' losses oscillate without the pool, and with it one of six at most."""
        found = {
            name: [loss.oscillates for run in runs for loss in run.values()]
            for name, runs in self.discriminators.items()
        }
        return all(found["pool-0"]) and sum(found["table"]) <= FALSE_OSCILLATIONS

    def stands_out(self, run: RecordedCycleGAN, period: int, direction: str) -> bool:
        """Whether the grid of the outputs is above the intervals of the photographs of both domains."""
        return grid_of_outputs(run, period, direction) > grid_of_photographs(run, period, "high")

    @property
    def grid_of_transposed(self) -> bool:
        """C2.4: with transposed convolution the grid of two pixels always stands out."""
        return all(self.stands_out(run, 2, direction) for run in self.table for direction in DIRECTIONS)

    @property
    def grid_of_resize(self) -> bool:
        """C2.4: with resize convolution a grid of two or of four pixels stands out in some direction."""
        run = self.variants["resize"]
        return any(self.stands_out(run, period, d) for period in (2, 4) for d in DIRECTIONS)


def three_seeds(job: str) -> list[RecordedCycleGAN]:
    """The recorded runs of a job at a small size, by seed.

    Raises:
        UserError: they are not recorded, or differ in more than their seed.
    """
    runs = [RecordedCycleGAN(run.path) for run in paper_runs(job)]
    expected = "expected seeds 0, 1 and 2 of the same settings"
    if len(runs) != len(SEEDS):
        raise UserError(f"{job}: {len(runs)} seeds are recorded, not {len(SEEDS)}; {expected}")
    for run, seed in zip(runs, SEEDS, strict=True):
        if run.config != runs[0].config | {"seed": seed}:
            where = f"{run.path}: differs from {runs[0].path}"
            raise UserError(f"{where} in other settings than its seed; {expected}")
    return runs


def grid_of_outputs(run: RecordedCycleGAN, period: int, direction: str) -> float:
    """How far a grid of this period stands out in the outputs of the last epoch."""
    return float(run.last_outputs[f"grid_{period}_{direction}"]["value"])


def grid_of_photographs(run: RecordedCycleGAN, period: int, end: str = "value") -> float:
    """That of the test photographs, of the domain with more: its ``value``, or an ``end`` of its interval."""
    photographs = run.metrics["outputs"]["photographs"].values()
    return float(max(grids[f"grid_{period}"][end] for grids in photographs))


def _measures(run: RecordedCycleGAN, direction: str) -> dict[str, float]:
    images = run.last_translations(direction)
    back = run.measures.set_index("epoch")[f"cycle_psnr_{direction}"]
    means = {name: float(images[column].mean()) for name, column in COLUMNS.items()}
    return means | {"back": float(back.iloc[-1]), "spread": run.last_outputs[f"spread_{direction}"]}
