"""Where the training of a flow ends, and what it finds there.

The rules are flow-trained-on, end-as-read, behind-at-the-end and noise-at-the-end in ``book/protocol.yml``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pandas import Series
from scipy.ndimage import gaussian_filter

from hw2lib.errors import UserError

from .reader import RecordedRun

REPORTED = 50  # epochs
BEYOND = 50  # epochs without a lower validation loss
MOST_SEEDS = 4
TOO_LITTLE = 0.05
LESS_NOISE = 0.1
NOISY = 0.5


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

    def areas(self, defect: str = "all") -> Series:
        """AUROC of the averaged weights by scored epoch.

        Args:
            defect: a kind, ``all``, or ``pixels`` for the map less the mean normal map.
        """
        rows = self.run.auroc.query("weights == 'ema' and defect == @defect")
        return rows.set_index("epoch")["auroc"]

    def area(self, defect: str = "all", epoch: int | None = None) -> float:
        """One of :meth:`areas`, at the end or after another epoch.

        Raises:
            UserError: it was not measured then.
        """
        epoch, areas = self.epoch if epoch is None else epoch, self.areas(defect)
        if epoch not in areas.index:
            raise UserError(f"{self.run.path}: auroc.csv has no {defect} of epoch {epoch}")
        return float(areas.loc[epoch])

    @cached_property
    def noise(self) -> float:
        """:func:`blurred_away` of the samples after the last epoch (averaged weights, T = 1)."""
        return blurred_away(self.run.sample_sheet()[0])


def blurred_away(images: np.ndarray) -> float:
    """Share of the variance of images that a Gaussian of two pixels removes.

    It is small in photographs, and near 1 in white noise.

    Args:
        images: shape (n, height, width, channels).
    """
    images = images.astype(float)
    return float(1 - gaussian_filter(images, (0, 2, 2, 0)).var() / images.var())


def no_reason_to_choose(endings: Sequence[Ending], images: float, pixels: float) -> bool:
    """Whether in four of five seeds the flow is behind cheap baselines at the end, in both in the same seed.

    Args:
        endings: of the five seeds.
        images: image AUROC of the position-wise Gaussian.
        pixels: pixel AUROC of the PCA residual, like the flow's of the map less the mean normal map.
    """
    behind = [end.area() < images and end.area("pixels") < pixels for end in endings]
    return sum(behind) >= MOST_SEEDS


def gains_of_the_end(endings: Sequence[Ending]) -> np.ndarray:
    """By how much the image AUROC of each seed is larger at the end than after the report's epochs."""
    return np.array([end.area() - end.area(epoch=REPORTED) for end in endings])


def too_little_training_was_all(endings: Sequence[Ending]) -> bool:
    """Whether the mean area grows by 0.05 or more to the end: the flow had been trained too little."""
    return bool(gains_of_the_end(endings).mean() >= TOO_LITTLE)


def noise_of_training(reported: Sequence[float], at_the_end: Sequence[float]) -> int:
    """What longer training does to the noise of samples, by the rule noise-at-the-end.

    Args:
        reported: :func:`blurred_away` of the samples after the report's epochs, by seed.
        at_the_end: that of the samples after the last epoch, of the same seeds.

    Returns:
        -1 where there is less of it, 1 where there is more, 0 where neither is seen.
    """
    change = np.subtract(at_the_end, reported)
    sign = int(np.sign(change.mean()))
    enough = np.sum(sign * change > 0) >= MOST_SEEDS and abs(change.mean()) >= LESS_NOISE
    return sign if enough else 0


def is_not_all_of_the_noise(at_the_end: Sequence[float]) -> bool:
    """Whether noise is left that training cut short does not explain, by the rule noise-at-the-end."""
    return bool(np.mean(at_the_end) > NOISY)
