"""Synthetic capsules: a set in the layout of MVTec AD capsule that can be shared, read by the same loader.

A two-coloured capsule with a print lies on a light table. Position, angle, lighting and noise vary
from image to image, and five kinds of defect are drawn with exact masks: a pixel is defective where
the clean rendering with the defect differs from the one without it. Everything follows from a seed.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hw2lib.data.folders import atomic_directory
from hw2lib.data.mvtec import MVTecCategory
from hw2lib.errors import UserError

DEFECTS = ("crack", "faulty_imprint", "poke", "scratch", "squeeze")
_OVERSAMPLING = 3
_HALF_LENGTH, _RADIUS, _SEAM = 0.46, 0.27, 0.04
_DARK, _ORANGE = np.array([0.16, 0.15, 0.17]), np.array([0.80, 0.38, 0.17])
# The print "500" as strokes of a seven-segment display, in units of one digit's box.
_SEGMENTS = {
    "a": ((0, 0), (1, 0)),
    "b": ((1, 0), (1, 1)),
    "c": ((1, 1), (1, 2)),
    "d": ((0, 2), (1, 2)),
    "e": ((0, 1), (0, 2)),
    "f": ((0, 0), (0, 1)),
    "g": ((0, 1), (1, 1)),
}
_DIGITS = {"5": "afgcd", "0": "abcdef"}
_VISIBLE = 0.03  # a difference of 3 % of the brightness range counts as a defect


@dataclass(frozen=True)
class _Scene:
    """What one picture shows; lengths in half image widths."""

    shift: tuple[float, float]
    angle: float
    light: float
    tilt: float
    print_offset: tuple[float, float] = (0.0, 0.0)
    print_gone: float = 0.0
    crack: np.ndarray | None = None
    scratch: np.ndarray | None = None
    poke: tuple[float, float, float] | None = None
    squeeze: tuple[float, float, float] | None = None


def synthetic_capsules(
    size: int = 64, train: int = 48, good: int = 12, per_defect: int = 6, seed: int = 0
) -> MVTecCategory:
    """Generated capsules in memory.

    Args:
        size: height and width in pixels, at least 16.
        train: number of normal training images.
        good: number of normal test images.
        per_defect: number of test images of each of the five kinds of defect.
        seed: the same seed gives the same images.

    Raises:
        UserError: a size below 16 or a count below 1.
    """
    for name, value, least in (
        ("size", size, 16),
        ("train", train, 1),
        ("good", good, 1),
        ("per_defect", per_defect, 1),
    ):
        if value < least:
            raise UserError(f"{name}={value}: generated capsules need at least {least}")
    plan = [("train", "good", k) for k in range(train)]
    plan += [("test", "good", k) for k in range(good)]
    plan += [("test", kind, k) for kind in DEFECTS for k in range(per_defect)]
    images, masks = zip(*(_picture(split, kind, k, size, seed) for split, kind, k in plan), strict=True)
    stack = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    names = [f"{kind}/{k:03d}.png" for _, kind, k in plan]
    return MVTecCategory(
        name="capsule-synthetic",
        train=stack[:train],
        train_files=names[:train],
        test=stack[train:],
        test_files=names[train:],
        test_defects=[kind for _, kind, _ in plan[train:]],
        masks=torch.from_numpy(np.stack(masks[train:])),
        checksum=hashlib.sha256(stack.numpy().tobytes()).hexdigest(),
    )


def make_capsules(
    out: str | Path, size: int = 64, train: int = 48, good: int = 12, per_defect: int = 6, seed: int = 0
) -> None:
    """Write generated capsules in the official folder layout of MVTec AD.

    Args:
        out: folder to create; the other arguments as for :func:`synthetic_capsules`.

    Raises:
        UserError: ``out`` exists and is not an empty folder, or cannot be written; a size or count is too
            small.
    """
    data = synthetic_capsules(size, train, good, per_defect, seed)
    assert data.masks is not None
    pictures = [
        ("train", name, image, None) for name, image in zip(data.train_files, data.train, strict=True)
    ]
    pictures += [
        ("test", name, image, mask)
        for name, image, mask in zip(data.test_files, data.test, data.masks, strict=True)
    ]
    with atomic_directory(out) as part:
        for split, name, image, mask in pictures:
            _save(part / split / name, image.permute(1, 2, 0).numpy())
            if mask is not None and mask.any():
                path = part / "ground_truth" / name
                _save(path.with_name(f"{path.stem}_mask.png"), mask.numpy().astype(np.uint8) * 255)


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _picture(split: str, kind: str, index: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One image, uint8 (size, size, 3), and its mask, bool (size, size)."""
    key = [seed, ("train", "test").index(split), ("good", *DEFECTS).index(kind), index]
    rng = np.random.default_rng(key)
    scene = _Scene(
        shift=tuple(rng.uniform(-0.05, 0.05, 2)),
        angle=float(np.deg2rad(rng.uniform(-4, 4))),
        light=float(rng.uniform(0.92, 1.06)),
        tilt=float(rng.uniform(-0.08, 0.08)),
    )
    damaged = clean = _render(scene, size)
    mask = np.zeros((size, size), dtype=bool)
    while kind != "good" and not mask.any():  # on few pixels a small defect can fall between them
        damaged = _render(_with_defect(scene, kind, rng), size)
        mask = np.abs(damaged - clean).max(-1) > _VISIBLE
    noisy = damaged + rng.normal(0, 0.012, damaged.shape)
    return np.clip(np.rint(noisy * 255), 0, 255).astype(np.uint8), mask


def _with_defect(scene: _Scene, kind: str, rng: np.random.Generator) -> _Scene:
    along = float(rng.uniform(-0.45, 0.45))
    if kind == "crack":
        moves = rng.uniform(0.03, 0.07, 7), rng.normal(0, 0.05, 7)
        path = np.cumsum(np.stack(moves, 1), 0) + [along - 0.2, rng.uniform(-0.12, 0.12)]
        return replace(scene, crack=path)
    if kind == "faulty_imprint":
        if rng.random() < 0.5:
            return replace(
                scene, print_offset=(float(rng.uniform(0.05, 0.1)), float(rng.choice([-1, 1]) * 0.08))
            )
        return replace(scene, print_gone=float(rng.uniform(0.4, 1.0)))
    if kind == "poke":
        return replace(scene, poke=(along, float(rng.uniform(-0.15, 0.15)), float(rng.uniform(0.03, 0.055))))
    if kind == "scratch":
        turn = rng.uniform(0, np.pi)
        half = rng.uniform(0.08, 0.16) * np.array([np.cos(turn), np.sin(turn)])
        centre = np.array([along, rng.uniform(-0.1, 0.1)])
        return replace(scene, scratch=np.stack([centre - half, centre + half]))
    return replace(scene, squeeze=(along, float(rng.uniform(0.25, 0.45)), float(rng.choice([-1, 1]))))


def _render(scene: _Scene, size: int) -> np.ndarray:
    """The scene without noise, values in [0, 1], shape (size, size, 3)."""
    n = size * _OVERSAMPLING
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    x, y = np.meshgrid(axis, axis)
    cos, sin = np.cos(scene.angle), np.sin(scene.angle)
    dx, dy = x - scene.shift[0], y - scene.shift[1]
    u, v = cos * dx + sin * dy, -sin * dx + cos * dy  # along and across the capsule
    table = 0.80 + 0.04 * x + scene.tilt * y
    radius = _RADIUS * np.ones_like(u)
    if scene.squeeze is not None:
        where, depth, side = scene.squeeze
        radius -= _RADIUS * depth * np.exp(-(((u - where) / 0.12) ** 2)) * (v * side > 0)
    beyond = np.maximum(np.abs(u) - _HALF_LENGTH, 0)
    distance = np.hypot(beyond, v) / radius  # 1 on the outline
    shadow = 0.22 * np.exp(-np.maximum(np.hypot(beyond, v - 0.06) / radius - 1, 0) * 5)
    image = np.repeat((table - shadow)[..., None], 3, -1) * np.array([1.0, 0.99, 0.97])
    body = np.where((u < _SEAM)[..., None], _DARK, _ORANGE)
    height = np.sqrt(np.clip(1 - distance**2, 0, 1))  # of the surface above the table
    shade = 0.45 + 0.6 * height + 0.35 * np.exp(-((((v / radius) + 0.45) / 0.16) ** 2)) * height
    body = body * shade[..., None]
    body *= (1 - 0.5 * np.exp(-(((u - _SEAM) / 0.012) ** 2)))[..., None]
    body = _printed(body, u, v, scene)
    body = _damaged(body, u, v, scene)
    inside = np.clip((1 - distance) * 60 + 0.5, 0, 1)[..., None]
    image = (inside * body + (1 - inside) * image) * scene.light
    blocks = image.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, 3)
    return np.clip(blocks.mean((1, 3)), 0, 1)


def _printed(body: np.ndarray, u: np.ndarray, v: np.ndarray, scene: _Scene) -> np.ndarray:
    ink = np.zeros_like(u)
    for k, digit in enumerate("500"):
        left = -0.40 + 0.13 * k + scene.print_offset[0]
        top = -0.08 + scene.print_offset[1]
        for segment in _DIGITS[digit]:
            ends = np.array(_SEGMENTS[segment]) * 0.075 + [left, top]
            ink = np.maximum(ink, _stroke(u, v, ends, 0.011))
    # A faulty print fades from its end.
    kept = np.clip((0.06 - scene.print_gone * 0.5 - u) * 40 + 0.5, 0, 1) if scene.print_gone else 1.0
    ink = (ink * kept)[..., None] * 0.85
    return body * (1 - ink) + 0.9 * ink


def _damaged(body: np.ndarray, u: np.ndarray, v: np.ndarray, scene: _Scene) -> np.ndarray:
    if scene.crack is not None:
        lines = [
            _stroke(u, v, np.stack(ends), 0.012) for ends in zip(scene.crack, scene.crack[1:], strict=False)
        ]
        crack = np.maximum.reduce(lines)[..., None]
        body = body * (1 - crack) + crack * np.array([0.42, 0.36, 0.33])
    if scene.scratch is not None:
        scratch = _stroke(u, v, scene.scratch, 0.010)[..., None]
        body = body * (1 - scratch) + scratch * 0.75
    if scene.poke is not None:
        where, across, radius = scene.poke
        ring = np.hypot(u - where, v - across) / radius
        hole = np.clip((1 - ring) * 6 + 0.5, 0, 1)[..., None]
        rim = np.exp(-(((ring - 1.15) / 0.2) ** 2))[..., None] * 0.35
        body = body * (1 - hole) + hole * 0.05 + rim
    return body


def _stroke(u: np.ndarray, v: np.ndarray, ends: np.ndarray, width: float) -> np.ndarray:
    """1 on a line from ends[0] to ends[1] of the given half-width, 0 away from it."""
    (a, b), (c, d) = ends
    along = np.clip(((u - a) * (c - a) + (v - b) * (d - b)) / ((c - a) ** 2 + (d - b) ** 2), 0, 1)
    distance = np.hypot(u - a - along * (c - a), v - b - along * (d - b))
    return np.clip((width - distance) / 0.008 + 0.5, 0, 1)
