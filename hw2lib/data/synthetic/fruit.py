"""Apples and oranges, drawn: whole or halved, one to three, on four kinds of ground."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .drawing import Array, blend, fractal, plane, rgb, smoothstep, stroke, to_pixels

Kind = Literal["apple", "orange"]

_LEAF, _STEM, _PITH = rgb(0.25, 0.45, 0.14), rgb(0.33, 0.22, 0.12), rgb(0.96, 0.90, 0.76)
# Of an apple: the ground colour and the blush over it.
_APPLES = (
    (rgb(0.70, 0.10, 0.10), rgb(0.45, 0.02, 0.06)),
    (rgb(0.82, 0.62, 0.25), rgb(0.75, 0.13, 0.11)),
    (rgb(0.52, 0.68, 0.20), rgb(0.62, 0.72, 0.28)),
    (rgb(0.72, 0.72, 0.28), rgb(0.80, 0.30, 0.16)),
    (rgb(0.85, 0.72, 0.32), rgb(0.88, 0.58, 0.24)),
)
_ORANGES = (rgb(0.95, 0.52, 0.08), rgb(0.92, 0.45, 0.06), rgb(0.96, 0.60, 0.14), rgb(0.88, 0.42, 0.10))


@dataclass(frozen=True)
class _Fruit:
    """Where a fruit lies; lengths in half image widths."""

    centre: tuple[float, float]
    radius: float
    turn: float


def draw_fruit(kind: Kind, rng: np.random.Generator, size: int) -> Array:
    """One picture of one to three fruits of a kind, uint8 of shape (size, size, 3)."""
    x, y = plane(size)
    light = np.array([rng.choice([-1, 1]) * rng.uniform(0.3, 0.6), -rng.uniform(0.4, 0.65), 0.75])
    light /= np.linalg.norm(light)
    image = _ground(rng, x, y)
    fruits = _arrangement(rng)
    for fruit in fruits:
        image = _shadow(image, x, y, fruit, light)
    colours = _APPLES[rng.integers(len(_APPLES))] if kind == "apple" else None
    for k, fruit in enumerate(fruits):
        front = k == len(fruits) - 1
        if front and rng.random() < 0.15:
            image = _half(image, kind, rng, x, y, fruit)
        elif kind == "apple":
            image = _apple(image, rng, x, y, fruit, light, colours)
        else:
            image = _orange(image, rng, x, y, fruit, light)
    return to_pixels(image * rng.uniform(0.9, 1.08), rng)


def _arrangement(rng: np.random.Generator) -> list[_Fruit]:
    """Fruits from back to front, which overlap a little."""
    count = rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2])
    largest = {1: 0.66, 2: 0.48, 3: 0.42}[count]
    fruits = []
    for k in range(count):
        radius = largest * rng.uniform(0.8, 1.05)
        across = 0.0 if count == 1 else (k / (count - 1) - 0.5) * 0.95
        centre = across + rng.uniform(-0.12, 0.12), rng.uniform(-0.08, 0.18) + 0.12 * (k == count - 1)
        fruits.append(_Fruit(centre, radius, np.deg2rad(rng.normal(0, 14))))
    return fruits


def _ground(rng: np.random.Generator, x: Array, y: Array) -> Array:
    kind = rng.choice(["table", "studio", "foliage", "cloth"])
    if kind == "foliage":
        coarse, fine = fractal(rng, x, y, 1.2, 3), fractal(rng, x, y, 4, 3)
        leaves = blend(
            np.full((*x.shape, 3), rgb(0.10, 0.20, 0.07)), rgb(0.35, 0.52, 0.18), 0.5 + 0.6 * coarse
        )
        return blend(leaves, rgb(0.62, 0.72, 0.40), 0.5 * smoothstep(0.2, 0.9, fine))
    if kind == "table":
        grain = fractal(rng, x * 0.25, y * 2, 3, 5)
        wood = rgb(0.52, 0.36, 0.22) * rng.uniform(0.7, 1.3)
        board = wood * (1 + 0.22 * grain)[..., None]
        wall = rng.uniform(0.35, 0.85) * (rgb(1, 0.97, 0.92) + 0.06 * rng.uniform(-1, 1, 3))
        edge = rng.uniform(-0.5, -0.1)
        return blend(
            np.full_like(board, wall) * (0.9 + 0.1 * x)[..., None], board, smoothstep(edge, edge + 0.03, y)
        )
    if kind == "studio":
        tone = rng.uniform(0.8, 0.97) + 0.04 * rng.uniform(-1, 1, 3)
        return tone * (1 - 0.12 * np.hypot(x - 0.2, y + 0.3))[..., None]
    tone = rng.uniform(0.08, 0.45, 3)
    folds = fractal(rng, x + 0.4 * y, y - 0.5 * x, 1, 4)
    return tone * (1 + 0.35 * folds)[..., None]


def _shadow(image: Array, x: Array, y: Array, fruit: _Fruit, light: Array) -> Array:
    u, v = x - fruit.centre[0] + 0.35 * light[0], y - fruit.centre[1] - 0.85 * fruit.radius
    spread = np.hypot(u / (1.15 * fruit.radius), v / (0.38 * fruit.radius))
    return image * (1 - 0.55 * smoothstep(1.3, 0.2, spread))[..., None]


def _local(x: Array, y: Array, fruit: _Fruit) -> tuple[Array, Array]:
    """Coordinates in radii, upright in the fruit's own frame."""
    dx, dy = (x - fruit.centre[0]) / fruit.radius, (y - fruit.centre[1]) / fruit.radius
    cos, sin = np.cos(fruit.turn), np.sin(fruit.turn)
    return cos * dx + sin * dy, -sin * dx + cos * dy


def _lit(
    colour: Array, u: Array, v: Array, distance: Array, light: Array, gloss: float, bumps: Array
) -> Array:
    """Diffuse and specular light on a ball whose outline is at ``distance`` 1."""
    height = np.sqrt(np.clip(1 - distance**2, 0, 1))
    normal = np.stack([u + 0.25 * bumps, v + 0.25 * bumps, height + 0.05], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    toward = np.clip(normal @ light, 0, 1)
    mirrored = np.clip(2 * toward * normal[..., 2] - light[2], 0, 1)
    return colour * (0.32 + 0.80 * toward)[..., None] + (gloss * mirrored**22)[..., None]


def _apple(image, rng, x, y, fruit, light, colours) -> Array:
    u, v = _local(x, y, fruit)
    angle = np.arctan2(u, -v)  # 0 upwards
    outline = (
        1 - 0.16 * np.exp(-((angle / 0.42) ** 2)) - 0.06 * np.exp(-(((np.abs(angle) - np.pi) / 0.35) ** 2))
    )
    outline = outline + 0.035 * np.cos(2 * angle) * rng.uniform(-1, 1) + 0.02 * np.sin(3 * angle)
    distance = np.hypot(u, v) / outline
    ground, blush = colours
    # Streaks run from the stem to the calyx: noise that is stretched along the meridians.
    meridian = u / np.sqrt(np.clip(1.05 - v**2, 0.05, None))
    streaks = fractal(rng, meridian, v * 0.08, 7, 3)
    side = rng.uniform(-0.6, 0.6)
    skin = blend(np.full((*x.shape, 3), ground), blush, 0.45 + 0.5 * (side * u - 0.4 * v) + 0.4 * streaks)
    dots = smoothstep(0.75, 0.95, fractal(rng, u, v, 22, 1))
    skin = blend(skin, rgb(0.93, 0.85, 0.60), 0.35 * dots)
    body = _lit(skin, u, v, distance, light, 0.5, np.zeros_like(u))
    hollow = np.exp(-((u / 0.30) ** 2) - ((v + 0.80) / 0.13) ** 2)
    body = body * (1 - 0.6 * hollow)[..., None]
    image = blend(image, body, smoothstep(1.015, 0.985, distance))
    tip = np.array([rng.uniform(-0.22, 0.22), -1.12])
    image = blend(image, _STEM, stroke(u, v, np.array([0, -0.76]), tip, 0.035))
    if rng.random() < 0.45:
        image = _leaf(image, rng, u, v, tip * [1, 0.85])
    return image


def _orange(image, rng, x, y, fruit, light) -> Array:
    u, v = _local(x, y, fruit)
    distance = np.hypot(u, v / rng.uniform(0.94, 1.0))
    # Pores get denser towards the rim, as they do on a ball.
    foreshortened = 1 + 0.35 * distance**2
    pores = fractal(rng, u * foreshortened, v * foreshortened, 11, 2)
    colour = _ORANGES[rng.integers(len(_ORANGES))]
    skin = colour * (1 + 0.07 * fractal(rng, u, v, 1.5, 3) + 0.06 * pores)[..., None]
    body = _lit(skin, u, v, distance, light, 0.3, 0.45 * pores)
    image = blend(image, body, smoothstep(1.015, 0.985, distance))
    # The scar of the stalk, seen from above or from the side.
    scar = np.array([rng.uniform(-0.35, 0.35), rng.uniform(-0.75, 0.1)])
    around = np.arctan2(u - scar[0], v - scar[1])
    star = np.hypot(u - scar[0], v - scar[1]) / (0.085 * (1 + 0.35 * np.cos(5 * around)))
    image = blend(image, rgb(0.36, 0.42, 0.16), smoothstep(1.2, 0.8, star) * (distance < 1))
    if rng.random() < 0.4:
        image = _leaf(image, rng, u, v, scar)
    return image


def _leaf(image, rng, u, v, base) -> Array:
    turn = rng.choice([-1, 1]) * rng.uniform(0.5, 1.2) - np.pi / 2
    along = (u - base[0]) * np.cos(turn) + (v - base[1]) * np.sin(turn)
    across = -(u - base[0]) * np.sin(turn) + (v - base[1]) * np.cos(turn)
    length = rng.uniform(0.6, 0.85)
    t = np.clip(along / length, 0, 1)
    half = 0.24 * np.sin(np.pi * t**0.8) ** 0.9
    inside = smoothstep(0.012, -0.012, np.abs(across) - half) * (along > 0) * (along < length)
    veins = smoothstep(0.75, 1.0, np.cos(38 * (t - 0.9 * np.abs(across))))
    shade = 0.85 + 0.5 * np.sign(across) * smoothstep(0, 0.1, np.abs(across)) * 0.5 + 0.25 * veins
    rib = smoothstep(0.022, 0.008, np.abs(across))
    leaf = blend(_LEAF * rng.uniform(0.8, 1.3) * shade[..., None], rgb(0.55, 0.66, 0.32), 0.7 * rib)
    return blend(image, leaf, inside)


def _half(image, kind, rng, x, y, fruit) -> Array:
    """A fruit cut through: segments of an orange, flesh and seeds of an apple."""
    u, v = _local(x, y, fruit)
    distance, angle = np.hypot(u, v), np.arctan2(v, u)
    if kind == "apple":
        notch = 1 - 0.13 * np.exp(-(((angle + np.pi / 2) / 0.35) ** 2))
        distance = distance / notch
        rind, rim = _APPLES[rng.integers(len(_APPLES))][1], 0.955
        flesh = rgb(0.95, 0.90, 0.70) * (1 + 0.04 * fractal(rng, u, v, 5, 3) - 0.05 * distance)[..., None]
        core = smoothstep(0.03, 0.0, np.abs(np.hypot(u, v * 0.75) - 0.33))
        flesh = blend(flesh, rgb(0.80, 0.72, 0.42), 0.6 * core)
        for side in (-1, 1):
            seed = np.hypot((u - 0.13 * side) / 0.055, (v - 0.02) / 0.12)
            flesh = blend(flesh, rgb(0.25, 0.13, 0.07), smoothstep(1.1, 0.9, seed))
    else:
        rind, rim = _ORANGES[rng.integers(len(_ORANGES))], 0.93
        count = rng.integers(9, 12)
        phase = (angle * count / (2 * np.pi) + rng.random()) % 1
        wall = np.minimum(phase, 1 - phase) * 2 * np.pi / count * distance  # distance to the nearest wall
        pulp = fractal(rng, 5 * np.cos(angle) + 0.3 * u, 5 * np.sin(angle) + 0.3 * v, 3, 3)
        juice = rgb(0.97, 0.58, 0.12) * (1 + 0.12 * pulp)[..., None]
        inside = (
            smoothstep(0.012, 0.035, wall)
            * smoothstep(0.87, 0.83, distance)
            * smoothstep(0.06, 0.10, distance)
        )
        flesh = blend(np.full((*x.shape, 3), _PITH), juice, inside)
    body = blend(np.full((*x.shape, 3), rind), flesh, smoothstep(rim + 0.015, rim - 0.015, distance))
    return blend(image, body, smoothstep(1.015, 0.985, distance))
