"""Local features, densities, calibration and object mask as one detector."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from hw2lib.errors import UserError

from .calibration import OUTSIDE, Calibration, image_p_values
from .config import LocalConfig
from .densities import DENSITIES, ConditionalFlow, HeldOut, LocalDensity, Report, silent
from .features import LineFeatures
from .objects import object_mask

BATCH = 32
_FEWEST, _FOLDS = 10, 5


class LocalDetector(nn.Module):
    r"""Finds defects by how usual each cell of an image is at its place.

    A(x) = mean over the densities of −log₁₀ of the calibrated tail probability of every cell, 0 beside
    the object; an image's score is the mean of its ``top_cells`` largest cells. It learns from normal
    images alone.

    Args:
        config: the settings.
        shape: height and width of the images, multiples of ``config.cell``.

    Raises:
        UserError: by :meth:`fit`, on fewer than ten images.

    Example:
        >>> from hw2lib.data import synthetic_capsules
        >>> data = synthetic_capsules(32, train=12, good=2, per_defect=1)
        >>> detector = LocalDetector(LocalConfig(size=32), (32, 32)).fit(data.train)
        >>> detector.maps(data.test).shape
        (7, 8, 8)
    """

    inside: Tensor
    mean: Tensor
    spread: Tensor
    normal_scores: Tensor
    normal_map: Tensor
    features: LineFeatures

    def __init__(self, config: LocalConfig, shape: Sequence[int]) -> None:
        super().__init__()
        self.config, self.shape = config, (shape[0], shape[1])
        self.grid = shape[0] // config.cell, shape[1] // config.cell
        self.densities, self.calibrations = nn.ModuleDict(), nn.ModuleDict()
        for name in ("inside", "mean", "spread", "normal_scores", "normal_map"):
            self.register_buffer(name, torch.empty(0))
        self.held: dict[str, HeldOut] = {}

    def fit(self, images: Tensor, report: Report = silent) -> Self:
        """Learn from normal images, uint8 (n, 3, height, width), and return itself.

        Args:
            images: normal ones.
            report: takes what is being done, how much of it is done, and of how much.
        """
        if len(images) < _FEWEST:
            raise UserError(f"{len(images)} normal images: a detector needs {_FEWEST} to learn and calibrate")
        self.look_at(images)
        return self.learn(self.describe(images, report), report)

    def look_at(self, images: Tensor) -> None:
        """Find the cells that are looked at in normal images."""
        mask = object_mask(images, self.config) if self.config.mask == "auto" else None
        if mask is None:
            mask = np.ones(self.shape, bool)
        share = mask.reshape(self.grid[0], self.config.cell, self.grid[1], self.config.cell).mean((1, 3))
        self.prepare(torch.from_numpy(share >= 0.5).to(self.mean.device))

    def prepare(self, inside: Tensor) -> None:
        """Make what describes and judges the cells of ``inside``, booleans (rows, columns)."""
        self.inside = inside
        box = _extent(inside.any(1)), _extent(inside.any(0))
        self.features = LineFeatures(self.config, self.shape, box).to(inside.device)
        for name in self.config.densities:
            self.densities[name] = DENSITIES[name](self.config, inside[box])
            self.calibrations[name] = Calibration(self.config, inside[box])

    def describe(self, images: Tensor, report: Report = silent) -> Tensor:
        """Features of the box of cells around those that are looked at, (n, rows, columns, features)."""
        parts = []
        for part in images.split(BATCH):
            parts.append(self.features(part))
            report("features", sum(map(len, parts)), len(images))
        return torch.cat(parts)

    def learn(self, features: Tensor, report: Report = silent) -> Self:
        """Learn from the features of normal images as :meth:`describe` gives them."""
        cells = features[:, self.inside[self.features.box]]
        self.mean, self.spread = cells.mean((0, 1)), cells.std((0, 1)) + 1e-6
        features = (features - self.mean) / self.spread
        for name in self.config.densities:
            density = cast(LocalDensity, self.densities[name])
            self.held[name] = density.fit(features, partial(_named, name, report))
            cast(Calibration, self.calibrations[name]).fit(self.held[name].scores)
        self._score_held_out()
        return self

    def only(self, *names: str) -> Self:
        """The same detector with some of its densities alone, which it shares; right after learning."""
        part = type(self)(self.config.model_copy(update={"densities": names}), self.shape)
        part.prepare(self.inside)
        part.mean, part.spread = self.mean, self.spread
        for name in names:
            part.densities[name], part.calibrations[name] = self.densities[name], self.calibrations[name]
            part.held[name] = self.held[name]
        part._score_held_out()
        return part

    def restore(self, tensors: Mapping[str, Tensor]) -> Self:
        """Take up what ``state_dict`` gave of a detector with these settings."""
        self.prepare(tensors["inside"])
        if "maf" in self.densities:
            sides = (tensors[f"densities.maf.{name}"].shape[1] for name in ("whiten", "place"))
            cast(ConditionalFlow, self.densities["maf"]).build(*sides)
        for name, value in tensors.items():
            owner, _, leaf = name.rpartition(".")
            module = self.get_submodule(owner)
            if leaf in module._buffers:  # their shapes follow from what was learnt
                setattr(module, leaf, value)
        self.load_state_dict(dict(tensors))
        return self.requires_grad_(False)

    def maps(self, images: Tensor, report: Report = silent) -> np.ndarray:
        """−log₁₀ p of every cell, 0 beside the object; float32 (n, rows, columns)."""
        parts = []
        for part in images.split(BATCH):
            parts.append(self.maps_of(self.features(part)))
            report("scoring", sum(map(len, parts)), len(images))
        return np.concatenate(parts)

    def maps_of(self, features: Tensor) -> np.ndarray:
        """As :meth:`maps`, from features as :meth:`describe` gives them."""
        return self.calibrated(self.raw(features)).cpu().numpy()

    def raw(self, features: Tensor) -> dict[str, Tensor]:
        """Each density's own scores in the box, (n, rows, columns), of features of :meth:`describe`."""
        features = (features - self.mean) / self.spread
        return {name: density(features) for name, density in self.densities.items()}

    def calibrated(self, raw: Mapping[str, Tensor]) -> Tensor:
        """The map from the densities' scores."""
        return self.whole(torch.stack([c(raw[name]) for name, c in self.calibrations.items()]).mean(0))

    def whole(self, box: Tensor) -> Tensor:
        """Maps of the box as maps of the image."""
        maps = box.new_full((len(box), *self.grid), OUTSIDE)
        maps[:, *self.features.box] = box
        return maps

    def scores(self, maps: np.ndarray) -> np.ndarray:
        """Mean of each map's largest cells, shape (n,)."""
        return top_mean(maps, self.config.top_cells)

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """How often a normal image scores as much; see :func:`~.calibration.image_p_values`."""
        return image_p_values(scores, self.normal_scores.cpu().numpy())

    def _score_held_out(self) -> None:
        """Scores and mean map of normal images that no density has seen, each calibrated without itself.

        A fifth of them at a time is left out of the calibration, of all densities alike.
        """
        shared = set.intersection(*(set(part.images.tolist()) for part in self.held.values()))
        common = torch.tensor(sorted(shared))
        if len(common) < 2:
            raise UserError(f"{len(common)} normal images are held out by all of {self.config.densities}")
        found = []
        for fold in torch.arange(len(common)).chunk(min(_FOLDS, len(common))):
            maps = []
            for part in self.held.values():
                out = torch.isin(part.images, common[fold])
                inside = self.inside[self.features.box]
                calibration = Calibration(self.config, inside).fit(part.scores[~out])
                maps.append(calibration(part.scores[out]))
            found.append(self.whole(torch.stack(maps).mean(0)))
        whole = torch.cat(found)
        self.normal_map = whole.mean(0)
        self.normal_scores = torch.from_numpy(self.scores(whole.cpu().numpy()))


def top_mean(maps: np.ndarray, cells: int) -> np.ndarray:
    """Mean of the largest values of each map, shape (n,)."""
    flat = np.reshape(maps, (len(maps), -1))
    cells = min(cells, flat.shape[1])
    return np.partition(flat, -cells, 1)[:, -cells:].mean(1)


def _extent(used: Tensor) -> slice:
    """From the first to the last that is used."""
    places = torch.nonzero(used)[:, 0]
    return slice(int(places[0]), int(places[-1]) + 1)


def _named(name: str, report: Report, what: str, done: int, total: int) -> None:
    report(f"{name}: {what}", done, total)
