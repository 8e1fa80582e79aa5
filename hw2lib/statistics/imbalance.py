r"""What a test set would say if defects were rarer: accuracy, precision and recall by proportion.

The two rates of the ROC curve belong to the score; accuracy and precision mix them with the share π
of anomalous images:

    accuracy = π · TPR + (1 − π) · (1 − FPR),   precision = π · TPR / (π · TPR + (1 − π) · FPR).

Weights for the two classes move π without a new image. Book: eq-accuracy, eq-precision.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, precision_recall_curve

from hw2lib.errors import UserError

from .roc import checked, roc_points


@dataclass(frozen=True)
class Threshold:
    """A threshold and what it does.

    Attributes:
        value: images that score at least this much are called anomalous; inf calls none.
        accuracy: share of right answers.
        recall: share of the anomalous images that are found.
    """

    value: float
    accuracy: float
    recall: float


@dataclass(frozen=True)
class Alarms:
    """What a threshold does to a test set, counted.

    Attributes:
        threshold: images that score at least this much raise an alarm.
        found: anomalous images with an alarm (true positives).
        missed: anomalous images without one (false negatives).
        false: normal images with an alarm (false positives).
        quiet: normal images without one (true negatives).
    """

    threshold: float
    found: int
    missed: int
    false: int
    quiet: int

    @property
    def recall(self) -> float:
        """True-positive rate: the share of the anomalous images that are found."""
        return self.found / (self.found + self.missed)

    @property
    def false_rate(self) -> float:
        """False-positive rate: the share of the normal images that raise an alarm."""
        return self.false / (self.false + self.quiet)

    def precision(self, prevalence: float) -> float:
        """Which share of the alarms is right where a share π is anomalous, book: eq-precision; NaN without
        an alarm."""
        right, wrong = prevalence * self.recall, (1 - prevalence) * self.false_rate
        return right / (right + wrong) if right + wrong else float("nan")


def count_alarms(anomalous: ArrayLike, scores: ArrayLike, threshold: float) -> Alarms:
    """Count what becomes of a test set at a threshold.

    Raises:
        UserError: as :func:`~hw2lib.statistics.auroc`.

    Example:
        >>> count_alarms([False, True, False, True], [1, 2, 3, 4], 2.5)
        Alarms(threshold=2.5, found=1, missed=1, false=1, quiet=1)
    """
    labels, values = checked(anomalous, scores)
    alarm = values >= threshold
    found, false = int((alarm & labels).sum()), int((alarm & ~labels).sum())
    return Alarms(threshold, found, int(labels.sum()) - found, false, int((~labels).sum()) - false)


def class_weights(anomalous: ArrayLike, prevalence: float) -> np.ndarray:
    """Weights with mean one under which a share ``prevalence`` of the images is anomalous.

    Args:
        anomalous: booleans, shape (n,); both classes must occur.
        prevalence: π, between 0 and 1.

    Raises:
        UserError: π is not between 0 and 1, or a class is missing.

    Example:
        >>> class_weights([True, False, False, False], 0.5).tolist()
        [2.0, 0.6666666666666666, 0.6666666666666666, 0.6666666666666666]
    """
    labels, _ = checked(anomalous, np.zeros(np.shape(anomalous)))
    if not 0 < prevalence < 1:
        raise UserError(f"prevalence={prevalence}: expected a share between 0 and 1")
    share = labels.mean()
    return np.where(labels, prevalence / share, (1 - prevalence) / (1 - share))


def best_threshold(anomalous: ArrayLike, scores: ArrayLike, prevalence: float) -> Threshold:
    """The threshold of the highest accuracy at a share π of anomalous images; book: eq-accuracy.

    Of equally accurate thresholds the one that finds most is taken.

    Args:
        anomalous: booleans, shape (n,).
        scores: shape (n,), higher means more anomalous.
        prevalence: π.

    Raises:
        UserError: as :func:`class_weights`.
    """
    class_weights(anomalous, prevalence)
    fpr, tpr, thresholds = roc_points(anomalous, scores)
    accuracy = prevalence * tpr + (1 - prevalence) * (1 - fpr)
    # Rounding must not choose between accuracies that are equal as fractions.
    best = int(np.flatnonzero(accuracy >= accuracy.max() - 1e-12)[-1])
    return Threshold(float(thresholds[best]), float(accuracy[best]), float(tpr[best]))


def precision_recall_points(
    anomalous: ArrayLike, scores: ArrayLike, prevalence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall at every distinct score, from the lowest to the highest; book: eq-precision.

    Raises:
        UserError: as :func:`class_weights`.
    """
    labels, values = checked(anomalous, scores)
    weights = class_weights(labels, prevalence)
    precision, recall, _ = precision_recall_curve(labels, values, sample_weight=weights)
    return precision, recall


def average_precision(anomalous: ArrayLike, scores: ArrayLike, prevalence: float) -> float:
    """Mean precision over the anomalous images, each at its own score as threshold.

    A score that knows nothing has π; unlike the AUROC the value falls with π.

    Raises:
        UserError: as :func:`class_weights`.

    Source: Davis and Goadrich 2006; book: eq-precision.

    Example:
        >>> average_precision([False, True, False, True], [1, 2, 3, 4], 0.5)
        0.8333333333333333
    """
    labels, values = checked(anomalous, scores)
    return float(average_precision_score(labels, values, sample_weight=class_weights(labels, prevalence)))
