"""What the generated pictures are drawn with: coordinates, noise, blending. Colours are RGB in [0, 1].

Everything is a function of coordinates, so that one scene can be drawn at any size.
"""

import numpy as np

OVERSAMPLING = 2
Array = np.ndarray
Point = Array | tuple[float, float]


def plane(size: int) -> tuple[Array, Array]:
    """x to the right and y downwards in [−1, 1], each of shape (n, n) with n = 2 · ``size``."""
    n = size * OVERSAMPLING
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    x, y = np.meshgrid(axis, axis)
    return x, y


def to_pixels(image: Array, rng: np.random.Generator, grain: float = 0.012) -> Array:
    """Average the oversampled picture, add sensor noise, and round to uint8 of shape (size, size, 3)."""
    size = len(image) // OVERSAMPLING
    blocks = np.clip(image, 0, 1).reshape(size, OVERSAMPLING, size, OVERSAMPLING, 3).mean((1, 3))
    noisy = blocks + rng.normal(0, grain, blocks.shape)
    return np.clip(np.rint(noisy * 255), 0, 255).astype(np.uint8)


def rgb(red: float, green: float, blue: float) -> Array:
    return np.array([red, green, blue])


def blend(below: Array, above: Array, opacity: Array) -> Array:
    """Lay a colour or picture over a picture; opacity of shape (n, n) in [0, 1]."""
    alpha = np.clip(opacity, 0, 1)[..., None]
    return below * (1 - alpha) + above * alpha


def smoothstep(low: float, high: float, x: Array) -> Array:
    """0 below ``low``, 1 above ``high``, a smooth rise between (in reverse where high < low)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def fractal(rng: np.random.Generator, x: Array, y: Array, scale: float, octaves: int = 4) -> Array:
    """Value noise summed over octaves, each twice as fine and half as strong; mean 0, roughly in [−1, 1].

    Args:
        rng: draws the lattices; how many does not depend on the number of points.
        x, y: coordinates; they wrap around outside [−2, 2).
        scale: lattice cells per unit of length in the coarsest octave, at least ¼.
        octaves: number of lattices.
    """
    total, strength = np.zeros_like(x), 0.0
    for octave in range(octaves):
        cells = max(2, round(4 * scale * 2**octave))
        lattice = rng.uniform(-1, 1, (cells, cells))
        total += 0.5**octave * _interpolated(lattice, x, y)
        strength += 0.25**octave
    return total / (0.75 * np.sqrt(strength))


def ridge(
    rng: np.random.Generator, x: Array, scale: float, octaves: int = 6, roughness: float = 0.5
) -> Array:
    """A skyline over x: noise of one variable, whose octaves shrink by ``roughness``."""
    total = np.zeros_like(x)
    for octave in range(octaves):
        cells = max(2, round(4 * scale * 2**octave))
        heights = rng.uniform(-1, 1, cells)
        place = (x + 2) / 4 * cells
        left = np.floor(place).astype(int)
        t = place - left
        total += roughness**octave * (heights[left % cells] * (1 - t) + heights[(left + 1) % cells] * t)
    return total


def stroke(x: Array, y: Array, start: Point, end: Point, width: float, soft: float = 0.01) -> Array:
    """1 on the line from start to end of the given half-width, 0 away from it."""
    (a, b), (c, d) = start, end
    length = max((c - a) ** 2 + (d - b) ** 2, 1e-12)
    along = np.clip(((x - a) * (c - a) + (y - b) * (d - b)) / length, 0, 1)
    distance = np.hypot(x - a - along * (c - a), y - b - along * (d - b))
    return smoothstep(width + soft, width - soft, distance)


def _interpolated(lattice: Array, x: Array, y: Array) -> Array:
    cells = len(lattice)
    u, v = (x + 2) / 4 * cells, (y + 2) / 4 * cells
    i, j = np.floor(u).astype(int), np.floor(v).astype(int)
    s, t = u - i, v - j
    s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
    i, j, right, below = i % cells, j % cells, (i + 1) % cells, (j + 1) % cells
    upper = lattice[j, i] * (1 - s) + lattice[j, right] * s
    lower = lattice[below, i] * (1 - s) + lattice[below, right] * s
    return upper * (1 - t) + lower * t
