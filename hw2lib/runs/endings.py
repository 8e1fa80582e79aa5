"""Where the training of a flow ends, and what it finds there.

The rules are flow-trained-on and end-as-read in ``book/protocol.yml``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pandas import Series

from .reader import RecordedRun

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
    def epoch(self) -> int:
        """The scored epoch with the lowest of them."""
        return int(self.validation.idxmin())

    @property
    def reached(self) -> bool:
        """Whether the validation likelihood had stopped improving before the run ended."""
        return self.epoch <= self.run.config["epochs"] - BEYOND

    def area(self, defect: str = "all", epoch: int | None = None) -> float:
        """AUROC of the averaged weights at the end, or after another epoch.

        Args:
            defect: a kind, ``all``, or ``pixels`` for the map less the mean normal map.
            epoch: one of the scored ones.
        """
        rows = self.run.auroc.query("weights == 'ema' and defect == @defect").set_index("epoch")
        return float(rows.loc[self.epoch if epoch is None else epoch, "auroc"])


def no_reason_to_choose(endings: Sequence[Ending], images: float, pixels: float) -> bool:
    """Whether in four of five seeds the flow is behind cheap baselines at the end, in both.

    Args:
        endings: of the five seeds.
        images: image AUROC of the position-wise Gaussian.
        pixels: pixel AUROC of the PCA residual less its mean normal map.
    """
    behind = [end.area() < images and end.area("pixels") < pixels for end in endings]
    return sum(behind) >= MOST_SEEDS


def gain_of_the_end(endings: Sequence[Ending], epoch: int = 50) -> float:
    """By how much the mean image AUROC over the seeds is larger at the end than after an epoch."""
    return float(np.mean([end.area() - end.area(epoch=epoch) for end in endings]))
