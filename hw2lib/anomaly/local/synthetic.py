"""Defects made in normal images, with exact masks: on these the settings are chosen.

No test image is needed, and none is looked at. Seven kinds, from a cut and pasted patch to a scratch
fainter than the noise of the print; each is laid on the object where there is one. A pixel is defective
where a channel changes by more than 3 % of the brightness range.

Source: Li et al. 2021 (CutPaste: patch and scar); Zavrtanik et al. 2021 (DRAEM: defects from noise).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from hw2lib.errors import UserError

VISIBLE = 0.03
_TRIES = 50
_FEWEST = 6  # pixels of a defect at 256 pixels

Array = np.ndarray


@dataclass(frozen=True)
class SyntheticDefects:
    """Normal images, and the same images with defects.

    Attributes:
        images: uint8, (n, 3, height, width); a defective one for each normal image and kind.
        masks: bool, (n, height, width).
        kinds: n names.
        sources: the index of the normal image that each was made from.
    """

    images: Tensor
    masks: Array
    kinds: list[str]
    sources: list[int]


def synthetic_defects(images: Tensor, where: Array | None = None, seed: int = 0) -> SyntheticDefects:
    """One defect of every kind in every image.

    Args:
        images: normal ones, uint8, (n, 3, height, width).
        where: booleans (height, width), where the middle of a defect may lie; everywhere by default.
        seed: the same seed gives the same defects.

    Raises:
        UserError: after 50 tries a defect is not visible, as where ``where`` is empty.
    """
    places = np.argwhere(np.ones(images.shape[2:], bool) if where is None else where)
    if not len(places):
        raise UserError("there is no place for a defect: the object mask is empty")
    made, masks, kinds, sources = [], [], [], []
    for k, kind in enumerate(KINDS):
        for n, image in enumerate(images):
            rng = np.random.default_rng([seed, k, n])
            values, mask = _damaged(kind, image.permute(1, 2, 0).numpy() / 255, places, rng)
            made.append(np.rint(values * 255).astype(np.uint8))
            masks.append(mask)
            kinds.append(kind)
            sources.append(n)
    stacked = torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).contiguous()
    return SyntheticDefects(stacked, np.stack(masks), kinds, sources)


def _damaged(kind: str, image: Array, places: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    scale = max(image.shape[:2]) / 256
    for _ in range(_TRIES):
        canvas = _Canvas(image, places[rng.integers(len(places))].astype(float), scale, rng)
        values = np.clip(KINDS[kind](canvas), 0, 1)
        mask = np.abs(values - image).max(2) > VISIBLE
        if mask.sum() >= _FEWEST * min(1, scale):
            return values, mask
    raise UserError(f"no visible defect of kind {kind} in {_TRIES} tries; are the images blank?")


class _Canvas:
    """An image of values in [0, 1], the place of a defect, and the length of a pixel at 256."""

    def __init__(self, image: Array, centre: Array, scale: float, rng: np.random.Generator) -> None:
        self.image, self.centre, self.scale, self.rng = image, centre, scale, rng
        self.y, self.x = np.mgrid[: image.shape[0], : image.shape[1]].astype(float)

    def length(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high)) * self.scale

    def turned(self) -> tuple[Array, Array]:
        """Coordinates around the centre along and across a random direction, in pixels."""
        angle = self.rng.uniform(0, np.pi)
        dy, dx = self.y - self.centre[0], self.x - self.centre[1]
        return dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)

    def moved(self, dy: float, dx: float) -> Array:
        """The image, shifted."""
        return _sampled(self.image, self.y + dy, self.x + dx)

    def shade(self, low: float, high: float) -> Array:
        """A difference of brightness of either sign, nearly grey."""
        strength = self.rng.uniform(low, high) * self.rng.choice([-1, 1])
        return strength * self.rng.uniform(0.8, 1.2, 3)

    def line(self, path: Array, width: float) -> Array:
        """1 on a polyline of the given half-width, 0 away from it, soft over a pixel."""
        distance = np.full(self.y.shape, np.inf)
        for (a, b), (c, d) in zip(path, path[1:], strict=False):
            length = max((c - a) ** 2 + (d - b) ** 2, 1e-9)
            t = np.clip(((self.y - a) * (c - a) + (self.x - b) * (d - b)) / length, 0, 1)
            distance = np.minimum(distance, np.hypot(self.y - a - t * (c - a), self.x - b - t * (d - b)))
        return np.clip(width - distance + 0.5, 0, 1)[..., None]

    def blend(self, other: Array, opacity: Array) -> Array:
        return self.image * (1 - opacity) + other * opacity


def _patch(c: _Canvas) -> Array:
    """A rectangle from elsewhere in the image, its brightness changed a little."""
    u, v = c.turned()
    inside = (np.abs(u) < c.length(4, 14)) & (np.abs(v) < c.length(3, 8))
    away = c.rng.uniform(0, 2 * np.pi)
    far = c.length(20, 60)
    return c.blend(
        c.moved(far * np.sin(away), far * np.cos(away)) * c.rng.uniform(0.9, 1.1), inside[..., None]
    )


def _scar(c: _Canvas) -> Array:
    """A thin strip from elsewhere, turned."""
    u, v = c.turned()
    inside = (np.abs(u) < c.length(8, 20)) & (np.abs(v) < c.length(0.8, 2.0))
    away = c.rng.uniform(0, 2 * np.pi)
    far = c.length(15, 50)
    return c.blend(c.moved(far * np.sin(away), far * np.cos(away)), inside[..., None])


def _scratch(c: _Canvas) -> Array:
    """A thin, slightly bent line, brighter or darker."""
    angle, bend, half = c.rng.uniform(0, 2 * np.pi), c.rng.normal(0, 0.5), c.length(8, 25)
    t = np.linspace(-1, 1, 9)
    turn = angle + bend * t
    steps = np.stack([np.sin(turn), np.cos(turn)], 1) * half / 4
    path = c.centre + np.cumsum(steps, 0) - steps.sum(0) / 2
    return c.image + c.line(path, c.length(0.4, 1.0)) * c.shade(0.06, 0.25)


def _crack(c: _Canvas) -> Array:
    """A jagged dark line."""
    turn = c.rng.uniform(0, 2 * np.pi) + np.cumsum(c.rng.normal(0, 0.7, 8))
    steps = np.stack([np.sin(turn), np.cos(turn)], 1) * c.length(2, 5)
    path = c.centre + np.cumsum(steps, 0) - steps.sum(0) / 2
    return c.image * (1 - c.line(path, c.length(0.5, 1.3)) * c.rng.uniform(0.2, 0.6))


def _blob(c: _Canvas) -> Array:
    """A soft spot of another brightness or colour."""
    u, v = c.turned()
    bump = np.exp(-0.5 * ((u / c.length(1.5, 5)) ** 2 + (v / c.length(1.5, 4)) ** 2))
    colour = c.shade(0.08, 0.3) if c.rng.random() < 0.6 else c.rng.uniform(-0.25, 0.25, 3)
    return c.image + bump[..., None] * colour


def _dent(c: _Canvas) -> Array:
    """The surface pressed in: the image drawn to one side around the centre."""
    u, v = c.turned()
    bump = np.exp(-0.5 * ((u / c.length(5, 12)) ** 2 + (v / c.length(5, 12)) ** 2))
    angle, depth = c.rng.uniform(0, 2 * np.pi), c.length(2, 6)
    return c.moved(bump * depth * np.sin(angle), bump * depth * np.cos(angle))


def _missing(c: _Canvas) -> Array:
    """What stands there is gone: print, edges and grain are replaced by their smooth surroundings."""
    u, v = c.turned()
    opacity = np.clip(1.5 - np.hypot(u / c.length(4, 12), v / c.length(3, 8)), 0, 1)
    smooth = gaussian_filter(c.image, (8 * c.scale, 8 * c.scale, 0))
    return c.blend(smooth, np.minimum(opacity * 2, 1)[..., None])


KINDS: dict[str, Callable[[_Canvas], Array]] = {
    "patch": _patch,
    "scar": _scar,
    "scratch": _scratch,
    "crack": _crack,
    "blob": _blob,
    "dent": _dent,
    "missing": _missing,
}


def _sampled(image: Array, y: Array, x: Array) -> Array:
    coordinates = np.broadcast_arrays(y, x)
    return np.stack(
        [map_coordinates(image[..., k], coordinates, order=1, mode="mirror") for k in range(3)], -1
    )
