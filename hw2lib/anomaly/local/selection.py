"""How the settings were chosen: on synthetic defects in normal images, one setting after the other.

Of each category's normal images every fifth is set aside. A detector learns from the others; the images
set aside are scored as they are and with a defect of each kind. The criterion is the image AUROC, averaged
over the kinds and over the categories. Settings are gone through once in a fixed order; another value is
taken where it adds at least ``LEAST_GAIN``, the best of several.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from hw2lib.statistics import auroc

from .config import LocalConfig
from .detector import LocalDetector
from .objects import object_mask
from .synthetic import KINDS, SyntheticDefects, synthetic_defects

LEAST_GAIN = 0.003
# Where the search begins: a prototype's settings, written out so that they stay what they are.
START = LocalConfig(
    cell=4, directions=8, widths=(0.8, 1.5), lengths=(4.0, 6.0), pooling="energy", whitening=0.5,
    neighbours=3, radius=1, tail=0.95, window=9, top_cells=5, hidden_features=(256, 256), transforms=4,
    steps=1000, noise=0.02, mask_margin=0.012,
)  # fmt: skip
# What is tried, in this order; what tries the same settings is compared with each other.
SEARCH = (
    {"widths": (0.8, 1.5), "lengths": (3.0, 5.0)},
    {"widths": (1.0, 2.0), "lengths": (4.0, 8.0)},
    {"widths": (0.8, 1.5, 3.0), "lengths": (4.0, 6.0, 9.0)},
    {"whitening": 0.0},
    {"whitening": 1.0},
    {"neighbours": 1},
    {"neighbours": 5},
    {"radius": 0},
    {"radius": 2},
    {"window": 5},
    {"window": 13},
    {"tail": 0.9},
    {"tail": 0.98},
    {"top_cells": 1},
    {"top_cells": 3},
    {"top_cells": 10},
)
# Then for the flow, on the features and with the calibration that the neighbours chose.
FLOW_SEARCH = ({"noise": 0.1}, {"transforms": 2}, {"steps": 2000})
_FEATURES = (
    "cell", "directions", "widths", "lengths", "pooling", "mask", "mask_margin", "border_spread"
)  # fmt: skip


class Trial:
    """One category on which settings are tried: its normal images, split, and the defects made in them."""

    def __init__(self, images: Tensor, config: LocalConfig, seed: int = 0) -> None:
        aside = torch.arange(len(images)) % 5 == 0
        self.normal, self.aside = images[~aside], images[aside]
        self.mask = object_mask(self.normal, config)
        self.defects: SyntheticDefects = synthetic_defects(self.aside, self.mask, seed)
        self._described: tuple[dict, list[Tensor]] | None = None

    def areas(self, config: LocalConfig) -> dict[str, float]:
        """Image AUROC of each kind of defect against the normal images set aside."""
        detector = LocalDetector(config, self.normal.shape[2:])
        detector.look_at(self.normal)
        normal, aside, defective = self._features(detector)
        detector.learn(normal)
        clean, damaged = (detector.scores(detector.maps_of(part)) for part in (aside, defective))
        kinds = np.array(self.defects.kinds)
        return {
            kind: auroc(
                np.repeat([False, True], [len(clean), np.sum(kinds == kind)]),
                np.concatenate([clean, damaged[kinds == kind]]),
            )
            for kind in KINDS
        }

    def _features(self, detector: LocalDetector) -> list[Tensor]:
        """Features of the three sets, kept as long as the settings of features do not change."""
        key = detector.config.model_dump(include=set(_FEATURES))
        if self._described is None or self._described[0] != key:
            parts = (self.normal, self.aside, self.defects.images)
            self._described = key, [detector.describe(part) for part in parts]
        return self._described[1]


def choose(
    trials: Mapping[str, Trial],
    start: LocalConfig,
    search: Iterable[Mapping[str, object]] = SEARCH,
    report: Callable[[dict], None] = lambda row: None,
) -> tuple[LocalConfig, list[dict]]:
    """Go through the settings and keep what helps.

    Returns:
        The chosen settings, and a row per trial in its order: ``changed``, the criterion ``mean``,
        ``areas`` by category and kind, ``taken``.
    """

    def tried(config: LocalConfig, changed: Mapping[str, object]) -> dict:
        areas = {name: trial.areas(config) for name, trial in trials.items()}
        mean = float(np.mean([list(part.values()) for part in areas.values()]))
        return {"changed": dict(changed), "mean": mean, "areas": areas, "taken": False}

    best, rows = start, [tried(start, {}) | {"taken": True}]
    report(rows[0])
    groups: dict[tuple[str, ...], list[Mapping[str, object]]] = {}
    for changed in search:
        groups.setdefault(tuple(changed), []).append(changed)
    reference = rows[0]["mean"]
    for alternatives in groups.values():
        found = []
        for changed in alternatives:
            found.append(tried(LocalConfig.model_validate(best.model_dump() | dict(changed)), changed))
            report(found[-1])
        leader = max(found, key=lambda row: row["mean"])
        if leader["mean"] >= reference + LEAST_GAIN:
            leader["taken"], reference = True, leader["mean"]
            best = LocalConfig.model_validate(best.model_dump() | leader["changed"])
        rows += found
    return best, rows
