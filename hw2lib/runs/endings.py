"""Where the training of a flow ends, and what it finds there.

The rules are flow-trained-on, end-as-read and behind-at-the-end in ``book/protocol.yml``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pandas import Series

from hw2lib.errors import UserError

from .reader import RecordedRun

REPORTED = 50  # epochs
BEYOND = 50  # epochs without a lower validation loss
MOST_SEEDS = 4
TOO_LITTLE = 0.05


@dataclass(frozen=True)
class Ending:
    """The end of one training, among the epochs after which its test images were scored.

    Attributes:
        run: trained far beyond the report's epochs.
    """

    run: RecordedRun

    @property
    def validation(self) -> Series:
        """Validation bits per dimension of the averaged weights, by scored epoch."""
        losses = self.run.losses.set_index("epoch")["val_bpd_ema"]
        return losses.loc[sorted(self.run.auroc["epoch"].unique())]

    @property
    def reached(self) -> bool:
        """Whether the lowest of them is fifty epochs before the run's last or more."""
        return int(self.validation.idxmin()) <= self.run.config["epochs"] - BEYOND

    @property
    def epoch(self) -> int:
        """The scored epoch with the lowest of them; the last one where the validation was still falling."""
        return int(self.validation.idxmin() if self.reached else self.validation.index[-1])

    def area(self, defect: str = "all", epoch: int | None = None) -> float:
        """AUROC of the averaged weights at the end, or after another epoch.

        Args:
            defect: a kind, ``all``, or ``pixels`` for the map less the mean normal map.
            epoch: one of the scored ones.

        Raises:
            UserError: it was not measured then.
        """
        epoch = self.epoch if epoch is None else epoch
        rows = self.run.auroc.query("weights == 'ema' and defect == @defect and epoch == @epoch")
        if rows.empty:
            raise UserError(f"{self.run.path}: auroc.csv has no {defect} of epoch {epoch}")
        return float(rows["auroc"].iloc[0])


def no_reason_to_choose(endings: Sequence[Ending], images: float, pixels: float) -> bool:
    """Whether in four of five seeds the flow is behind cheap baselines at the end, in both in the same seed.

    Args:
        endings: of the five seeds.
        images: image AUROC of the position-wise Gaussian.
        pixels: pixel AUROC of the PCA residual, like the flow's of the map less the mean normal map.
    """
    behind = [end.area() < images and end.area("pixels") < pixels for end in endings]
    return sum(behind) >= MOST_SEEDS


def gain_of_the_end(endings: Sequence[Ending]) -> float:
    """By how much the mean image AUROC over the seeds is larger at the end than after the report's epochs."""
    return float(np.mean([end.area() - end.area(epoch=REPORTED) for end in endings]))


def too_little_training_was_all(endings: Sequence[Ending]) -> bool:
    """Whether the mean area grows by 0.05 or more to the end: the flow had been trained too little."""
    return gain_of_the_end(endings) >= TOO_LITTLE
