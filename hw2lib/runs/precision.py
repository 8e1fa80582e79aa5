"""Whether convolutions in 32 bits instead of bfloat16 change more than another seed does.

The rule is precision-small in ``book/protocol.yml``. Rounding alone sends an adversarial training
elsewhere, so a run in 32 bits is held against what seeds differ by, and not against its twin.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import product

import numpy as np

from hw2lib.errors import UserError

from .ablations import DIRECTIONS, Ablations, three_seeds
from .margins import FRUIT, leaves_kept
from .reader import paper_run

CONTROL = "float32"
HALF = 0.5
MEASURES = "filter", "shape", "back", "spread"


@dataclass(frozen=True)
class Held:
    """A value of the run in 32 bits beside the same of the seeds.

    Attributes:
        value: of the run in 32 bits.
        seeds: of the runs in bfloat16.
        threshold: that a claim compares it with, if one does.
    """

    value: float
    seeds: tuple[float, ...]
    threshold: float | None = None

    @property
    def outside(self) -> bool:
        """Whether it lies outside the range of the seeds, widened on both sides by its width."""
        least, most = min(self.seeds), max(self.seeds)
        return not 2 * least - most <= self.value <= 2 * most - least

    @property
    def turned(self) -> bool:
        """Whether it lies on the other side of the threshold than all seeds do."""
        if self.threshold is None:
            return False
        above = {seed > self.threshold for seed in self.seeds}
        return above == {self.value <= self.threshold}


def held_in_32_bits(job: str = "cyclegan-apple2orange-small") -> dict[Hashable, Held]:
    """The rule's values by name: of :data:`~hw2lib.runs.margins.FRUIT`, ``leaves``, and (measure, direction).

    Raises:
        UserError: a run is not recorded, or differs in more than the precision.
    """
    table = three_seeds(job)
    control = paper_run(f"{job}-{CONTROL}")
    if control.config != table[0].config | {"bfloat16": False}:
        raise UserError(f"{control.path}: differs from {table[0].path} in more than the precision")
    compared = FRUIT | {"leaves": (leaves_kept, HALF)}
    held: dict[Hashable, Held] = {
        name: Held(measure(control), tuple(measure(run) for run in table), threshold)
        for name, (measure, threshold) in compared.items()
    }
    beside = Ablations(table, {CONTROL: control})
    for measure, direction in product(MEASURES, DIRECTIONS):
        value, seeds = beside.of(CONTROL, measure, direction), beside.of_the_table(measure, direction)
        threshold = HALF if measure == "filter" else None  # T2.5's
        held[measure, direction] = Held(value, tuple(seeds), threshold)
    return held


def outside_by_chance(draws: int = 100_000) -> float:
    """How often the fourth of four normal numbers is :attr:`~Held.outside` of what the other three span."""
    drawn = np.random.default_rng(0).normal(size=(draws, 4))
    least, most = drawn[:, :3].min(1), drawn[:, :3].max(1)
    width, fourth = most - least, drawn[:, 3]
    return float(np.mean((fourth < least - width) | (fourth > most + width)))
