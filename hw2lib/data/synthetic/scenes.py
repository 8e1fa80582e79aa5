"""Mountain scenes in summer and in winter, drawn: sky, ranges, forest, meadow or lake.

The season decides the colours, the snow, the leaves and the light, never the composition: summer and
winter scenes have the same distribution of shapes.
"""

from typing import Literal

import numpy as np

from .drawing import Array, blend, fractal, plane, rgb, ridge, smoothstep, stroke, to_pixels

Season = Literal["summer", "winter"]

_SKIES = {
    "summer": (
        (rgb(0.18, 0.42, 0.80), rgb(0.66, 0.82, 0.95)),
        (rgb(0.35, 0.55, 0.85), rgb(0.90, 0.90, 0.85)),
    ),
    "winter": (
        (rgb(0.42, 0.55, 0.74), rgb(0.82, 0.86, 0.91)),
        (rgb(0.45, 0.42, 0.60), rgb(0.93, 0.76, 0.70)),
    ),
}
_GRASS = (rgb(0.28, 0.46, 0.12), rgb(0.42, 0.55, 0.18), rgb(0.58, 0.56, 0.22))
_SNOW, _SHADED_SNOW = rgb(0.95, 0.96, 0.99), rgb(0.66, 0.74, 0.88)
_BARK = rgb(0.28, 0.21, 0.15)
_CONIFER = {"summer": rgb(0.09, 0.24, 0.10), "winter": rgb(0.10, 0.16, 0.14)}


def draw_scene(season: Season, rng: np.random.Generator, size: int) -> Array:
    """One picture of a season, uint8 of shape (size, size, 3)."""
    x, y = plane(size)
    sunny = rng.random() < (0.8 if season == "summer" else 0.55)
    side = rng.choice([-1, 1])  # where the light comes from
    horizon = rng.uniform(-0.05, 0.3)
    image, haze = _sky(season, rng, x, y, horizon, sunny)
    for layer in range(rng.integers(1, 4), 0, -1):
        image = _range(image, season, rng, x, y, horizon, layer, haze, side, sunny)
    image = _forest(image, season, rng, x, y, horizon)
    if rng.random() < 0.35:
        image = _lake(image, season, rng, x, y, horizon)
    else:
        image = _meadow(image, season, rng, x, y, horizon)
    for _ in range(rng.integers(0, 4)):
        image = _near_tree(image, season, rng, x, y, horizon)
    return to_pixels(image * (rng.uniform(0.92, 1.08) if sunny else rng.uniform(0.75, 0.95)), rng)


def _sky(season, rng, x, y, horizon, sunny) -> tuple[Array, Array]:
    """The sky, and the colour in which distance disappears."""
    high, low = _SKIES[season][int(rng.random() < 0.25)]
    if not sunny:
        grey = rgb(0.60, 0.63, 0.68) * rng.uniform(0.9, 1.1)
        high, low = 0.35 * high + 0.65 * grey, 0.35 * low + 0.65 * (grey + 0.15)
    image = blend(np.full((*x.shape, 3), high), low, smoothstep(-1.1, horizon, y))
    clouds = fractal(rng, x * 0.7, y * 1.9, 1.3, 5)
    cover = rng.uniform(0.0, 0.5) if sunny else rng.uniform(-0.5, 0.0)
    white = 0.97 if sunny else 0.82
    shade = (0.92 + 0.10 * fractal(rng, x, y * 2, 2.5, 3))[..., None]
    return blend(image, white * shade * rgb(1, 0.99, 0.98), 0.9 * smoothstep(cover, cover + 0.7, clouds)), low


def _range(image, season, rng, x, y, horizon, layer, haze, side, sunny) -> Array:
    """A range of mountains; ``layer`` 1 is the nearest."""
    rise = horizon - rng.uniform(0.12, 0.30) - 0.17 * layer
    skyline = rise + 0.30 * ridge(rng, x + 0.2 * layer, 0.6, roughness=0.45)
    if rng.random() < 0.3:  # a dome or a cliff stands out
        place, width = rng.uniform(-0.6, 0.6), rng.uniform(0.18, 0.35)
        skyline = skyline - rng.uniform(0.2, 0.4) * smoothstep(width, 0.4 * width, np.abs(x - place))
    relief = fractal(rng, x * 1.3 + 0.6 * y, y * 0.7, 2.2, 6)
    slope = np.gradient(relief, axis=1)
    light = np.tanh(side * slope / (np.std(slope) + 1e-9) * 0.7)
    depth = y - skyline
    rock = rgb(0.46, 0.44, 0.43) + 0.06 * rng.uniform(-1, 1, 3)
    body = rock * (0.85 + 0.35 * light + 0.12 * relief)[..., None]
    if season == "summer":
        woods = rgb(0.20, 0.33, 0.16) * (0.9 + 0.3 * light)[..., None]
        body = blend(body, woods, smoothstep(0.12, 0.42, depth + 0.22 * relief))
        if layer > 1:
            body = blend(
                body, _SNOW, 0.8 * smoothstep(0.08, 0.0, depth + 0.10 * relief) * (rng.random() < 0.4)
            )
    else:
        snow = blend(np.full_like(body, _SNOW), _SHADED_SNOW, 0.5 - 0.5 * light)
        body = blend(body, snow, 0.95 * smoothstep(-0.45, 0.25, relief - 0.25 * np.abs(light) + 0.2))
        woods = rgb(0.20, 0.25, 0.25) * (0.9 + 0.2 * light)[..., None]
        body = blend(body, woods, 0.7 * smoothstep(0.25, 0.5, depth + 0.25 * relief))
    body = blend(body, haze, np.full_like(x, 0.16 * layer + (0.0 if sunny else 0.12)))
    return blend(image, body, smoothstep(-0.008, 0.008, depth))


def _forest(image, season, rng, x, y, horizon) -> Array:
    """A belt of trees along the horizon, from the far ones to the near ones."""
    for row in range(3):
        spacing = 0.08 + 0.035 * row
        tall = rng.uniform(0.13, 0.2) * (1 + 0.35 * row)
        base = horizon + 0.035 * row + 0.03 * ridge(rng, x[0], 0.8, 3)
        leaves = fractal(rng, x, y, 24, 2)
        for place in np.arange(-1.1, 1.1, spacing):
            place += rng.uniform(-0.5, 0.5) * spacing
            height = tall * rng.uniform(0.6, 1.25)
            ground = float(np.interp(place, x[0], base))
            _plant(image, season, rng, x, y, leaves, place, ground, height)
    return image


def _near_tree(image, season, rng, x, y, horizon) -> Array:
    place = rng.choice([-1, 1]) * rng.uniform(0.45, 1.0)
    ground, height = horizon + rng.uniform(0.2, 0.6), rng.uniform(0.7, 1.3)
    leaves = fractal(rng, x, y, 7, 3)
    _plant(image, season, rng, x, y, leaves, place, ground, height)
    return image


def _plant(image, season, rng, x, y, leaves, place, ground, height) -> None:
    """Draw a tree in place, in the part of the picture that it can cover."""
    tree = _broadleaf if rng.random() < 0.3 else _conifer
    rng = np.random.default_rng(rng.integers(2**32))  # the rest does not depend on what is in view
    columns = np.flatnonzero(np.abs(x[0] - place) < 0.6 * height)
    rows = np.flatnonzero((y[:, 0] > ground - 1.2 * height) & (y[:, 0] < ground + 0.1 * height))
    if len(columns) and len(rows):
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        across, up = (x[part] - place) / height, (ground - y[part]) / height
        image[part] = tree(image[part], season, rng, across, up, leaves[part])


def _conifer(image, season, rng, across, up, needles) -> Array:
    """Tiers of branches; lengths in heights of the tree, as in :func:`_broadleaf`."""
    t = 1 - up  # 0 at the tip, 1 at the foot
    phase = (t * rng.integers(7, 11) + rng.random()) % 1
    half = 0.20 * np.clip(t, 0, 1) ** 0.9 * (0.70 + 0.35 * phase + 0.22 * needles)
    image = blend(image, _BARK, smoothstep(0.025, 0.015, np.abs(across)) * (up > 0) * (up < 0.1))
    green = _CONIFER[season] * rng.uniform(0.8, 1.5) * (0.75 + 0.5 * phase + 0.3 * needles)[..., None]
    if season == "winter":
        load = rng.uniform(0.0, 0.4)
        green = blend(green, _SNOW, 0.9 * smoothstep(load + 0.5, load - 0.1, phase + 0.7 * needles))
    return blend(image, green, smoothstep(0.01, -0.01, np.abs(across) - half) * (t > 0) * (t < 0.95))


def _broadleaf(image, season, rng, across, up, leaves) -> Array:
    """A round crown in summer; trunk and bare branches, a little snow on them, in winter."""
    wood = stroke(across, up, (0, 0), (0, 0.68), 0.022)
    if season == "winter":
        for low in np.linspace(0.35, 0.75, 7):
            turn, length = rng.uniform(-1.3, 1.3), rng.uniform(0.2, 0.34)
            tip = length * np.sin(turn), low + length * np.cos(turn)
            wood = np.maximum(wood, 0.9 * stroke(across, up, (0, low), tip, 0.009))
    image = blend(image, _BARK * rng.uniform(0.7, 1.2), wood)
    if season == "winter":
        return blend(image, _SNOW, 0.6 * wood * smoothstep(0.1, 0.8, leaves))
    distance = np.hypot(across / 0.30, (up - 0.68) / 0.34) - 0.22 * leaves
    green = rgb(0.26, 0.44, 0.13) * rng.uniform(0.75, 1.25)
    lit = (1 + 0.45 * leaves + 0.9 * (up - 0.68))[..., None]
    return blend(image, green * lit, smoothstep(1.03, 0.92, distance))


def _meadow(image, season, rng, x, y, horizon) -> Array:
    top = horizon + 0.10 + 0.05 * ridge(rng, x, 0.5, 3)
    depth = np.clip((y - top) / (1 - horizon), 0, 1)
    far = 1 / (0.15 + depth)  # texture gets finer with the distance
    tufts = fractal(rng, x * far * 0.5, np.log(0.15 + depth) * 2, 6, 4)
    waves = fractal(rng, x, y * 2.5, 1.2, 4)
    if season == "summer":
        tone = _GRASS[rng.integers(len(_GRASS))] * rng.uniform(0.85, 1.15)
        body = tone * (1 + 0.35 * tufts + 0.18 * waves)[..., None]
        if rng.random() < 0.4:
            flowers = smoothstep(0.7, 0.85, fractal(rng, x * far * 0.5, np.log(0.15 + depth) * 2, 12, 1))
            body = blend(body, rng.uniform(0.5, 1.0, 3), 0.8 * flowers)
    else:
        body = blend(np.full((*x.shape, 3), _SNOW), _SHADED_SNOW, 0.45 + 0.45 * waves)
        dry = smoothstep(0.55, 0.9, tufts) * (rng.random() < 0.5)
        body = blend(body, rgb(0.50, 0.42, 0.30), 0.7 * dry)
    if rng.random() < 0.4:  # a path or a brook winds to the front
        middle = rng.uniform(-0.4, 0.4) + (0.3 * np.sin(3 * depth + rng.uniform(0, 6))) * depth
        water = rng.random() < 0.5
        colour = (
            rgb(0.25, 0.35, 0.42)
            if water
            else rgb(0.60, 0.50, 0.36)
            if season == "summer"
            else rgb(0.78, 0.80, 0.85)
        )
        band = smoothstep(1.15, 0.85, np.abs(x - middle) / (0.03 + 0.22 * depth) + 0.15 * tufts)
        body = blend(body, colour * (1 + 0.1 * waves)[..., None], band)
    return blend(image, body, smoothstep(-0.012, 0.012, y - top))


def _lake(image, season, rng, x, y, horizon) -> Array:
    """Water that mirrors what stands above it; ice and a snowy shore in winter."""
    shore = horizon + rng.uniform(0.12, 0.2)
    n = len(x)
    ripples = fractal(rng, x * 0.6, y * 5, 3, 3)
    row = (2 * shore - y + 0.03 * ripples + 1) / 2 * n
    above = np.clip(row.astype(int), 0, n - 1)
    mirrored = image[above, np.arange(n)[None]]
    water = rgb(0.10, 0.22, 0.28) if season == "summer" else rgb(0.12, 0.18, 0.27)
    body = blend(mirrored * 0.85, water, 0.35 + 0.25 * smoothstep(shore, 1, y) + 0.1 * ripples)
    if season == "winter":
        floes = fractal(rng, x, y * 2.5, 1.6, 4)
        cover = rng.uniform(-0.2, 0.7)
        body = blend(body, _SNOW * 0.95, 0.9 * smoothstep(cover, cover + 0.15, floes))
    image = blend(image, body, smoothstep(-0.01, 0.01, y - shore - 0.02 * ridge(rng, x, 1, 3)))
    bank = _GRASS[0] * 0.8 if season == "summer" else _SNOW
    front = rng.uniform(0.7, 1.05) + 0.1 * ridge(rng, x, 0.8, 4)
    stones = fractal(rng, x, y * 1.5, 5, 4)
    return blend(image, bank * (1 + 0.25 * stones)[..., None], smoothstep(-0.02, 0.02, y - front))
