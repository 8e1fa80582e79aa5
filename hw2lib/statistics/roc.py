"""How well a score tells anomalous images from normal ones."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score, roc_curve

from hw2lib.errors import UserError

NORMAL = "good"


def auroc(anomalous: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    r"""Area under the ROC curve: P(S(anomalous) > S(normal)) + ½ P(equal).

    Args:
        anomalous: booleans, shape (n,); both classes must occur.
        scores: shape (n,), higher means more anomalous.
        weights: of the images, shape (n,); by default all count the same.

    Raises:
        UserError: only one class, or a score that is not a number.

    Source: Hanley and McNeil 1982; book: eq-auroc.

    Example:
        >>> auroc([False, False, True], [0.1, 0.7, 0.7])
        0.75
    """
    labels, values = checked(anomalous, scores)
    return float(roc_auc_score(labels, values, sample_weight=weights))


def auroc_per_defect(defects: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """AUROC of all defects together (key ``all``) and of each kind against the normal images."""
    defects, values = np.asarray(defects), np.asarray(scores, dtype=float)
    normal = defects == NORMAL
    out = {"all": auroc(~normal, values)}
    for kind in kinds_of_defects(defects):
        part = normal | (defects == kind)
        out[kind] = auroc(~normal[part], values[part])
    return out


def kinds_of_defects(defects: np.ndarray) -> list[str]:
    """The kinds that are not normal, in order; UserError where one bears the name of all together."""
    kinds = sorted(set(defects.tolist()) - {NORMAL})
    if "all" in kinds:
        raise UserError("all: cannot name a kind of defect, it stands for all of them together")
    return kinds


def roc_points(anomalous: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False-positive rate, true-positive rate and threshold at every distinct score."""
    labels, values = checked(anomalous, scores)
    return roc_curve(labels, values, drop_intermediate=False)


def checked(anomalous: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores as arrays; UserError unless they can be ranked."""
    labels, values = np.asarray(anomalous, dtype=bool), np.asarray(scores, dtype=float)
    if labels.shape != values.shape or labels.ndim != 1:
        raise UserError(f"{labels.shape} labels do not fit {values.shape} scores")
    if not np.isfinite(values).all():
        raise UserError(f"score number {int(np.flatnonzero(~np.isfinite(values))[0])} is not a finite number")
    if labels.all() or not labels.any():
        raise UserError("an AUROC needs normal and anomalous images; only one kind is here")
    return labels, values
