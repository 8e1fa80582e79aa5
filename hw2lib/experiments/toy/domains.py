"""Domains whose right answers are known: rings of modes, normal blobs, tiny scenes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

SCENE = (3, 4, 4)  # channels, height, width; the upper half is sky
_SUMMER, _WINTER = (-0.5, 0.3, -0.5), (0.7, 0.7, 0.7)  # colours of the ground
_TINT = (1.0, 0.0, -1.0)  # a warm sky is redder and less blue


class Domain(Protocol):
    """What a toy training draws from."""

    @property
    def dim(self) -> int:
        """Values per point."""

    def sample(self, n: int, members: int, generator: torch.Generator) -> Tensor:
        """n points for each of the members that are trained together, shape (n, members, dim)."""


@dataclass(frozen=True)
class Ring:
    """A mixture of equally likely normal modes on a circle around the origin.

    Attributes:
        modes: how many.
        radius: of the circle.
        turn: angle of the first mode in radians.
        sigma: standard deviation of a mode in each coordinate.
    """

    modes: int = 8
    radius: float = 1.0
    turn: float = 0.0
    sigma: float = 0.05
    dim: int = 2

    def centres(self) -> Tensor:
        """The centres of the modes, shape (modes, 2), anticlockwise."""
        angles = self.turn + 2 * math.pi * torch.arange(self.modes) / self.modes
        return self.radius * torch.stack([angles.cos(), angles.sin()], -1)

    def sample(self, n: int, members: int, generator: torch.Generator) -> Tensor:
        mode = torch.randint(self.modes, (n, members), generator=generator)
        return self.centres()[mode] + self.sigma * torch.randn(n, members, 2, generator=generator)


@dataclass(frozen=True)
class Blob:
    """For each member a normal distribution of its own, N(centre, sigma² I) in the plane.

    Attributes:
        centres: one (x, y) per member.
        sigma: standard deviation in each coordinate.
    """

    centres: Sequence[tuple[float, float]]
    sigma: float
    dim: int = 2

    def sample(self, n: int, members: int, generator: torch.Generator) -> Tensor:
        noise = torch.randn(n, members, 2, generator=generator)
        return torch.tensor(self.centres, dtype=noise.dtype) + self.sigma * noise


@dataclass(frozen=True)
class Scenes:
    """Images of 4×4 pixels: a warm or a cold sky above ground that is green or, in winter, white.

    The sky's tint has one distribution in both seasons, symmetric around zero: turning every sky into
    its opposite changes neither domain.

    Attributes:
        winter: whether the ground is white.
        noise: standard deviation of the noise of each value.
    """

    winter: bool
    noise: float = 0.05
    dim: int = math.prod(SCENE)

    def sample(self, n: int, members: int, generator: torch.Generator) -> Tensor:
        """Images with values around [−1, 1], flattened; shape (n, members, 48)."""

        def each(draw: Tensor) -> Tensor:
            return draw[..., None, None, None]

        sign = 2.0 * torch.randint(2, (n, members), generator=generator) - 1
        tint = sign * (0.4 + 0.4 * torch.rand(n, members, generator=generator))
        shade = 1 + 0.3 * torch.randn(n, members, generator=generator)
        ground = _WINTER if self.winter else _SUMMER
        halves = [each(tint) * _colour(_TINT), each(shade) * _colour(ground)]
        channels, height, width = SCENE
        halves = [half.expand(n, members, channels, height // 2, width) for half in halves]
        images = torch.cat(halves, dim=-2)
        return (images + self.noise * torch.randn(images.shape, generator=generator)).flatten(2)


def rotation(angle: float) -> Tensor:
    """The matrix R, shape (2, 2), for which x R turns the points x of shape (n, 2) anticlockwise."""
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor([[cos, sin], [-sin, cos]])


def sky_tint(images: Tensor) -> Tensor:
    """Mean of (red − blue)/2 over the sky: positive is warm.

    Shapes:
        images: (n, members, 48) → (n, members).
    """
    channels, height, _ = SCENE
    sky = images.unflatten(-1, SCENE)[..., : height // 2, :]
    return (sky * _colour(_TINT)).sum(-3).mean((-2, -1)) / (channels - 1)


def _colour(rgb: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rgb)[:, None, None]
