"""Which fruit a skin is like, by its texture alone (book/protocol.yml: orange-skin).

A skin is looked at in windows: without its colour, without the slope of light on a ball, and without its
contrast, what is left is how its energy is spread over the frequencies.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from hw2lib.data.unpaired import UnpairedImages

from .colour_statistics import COLOURS, colour_classes, luma
from .spectra import largest_frequency, spectrum

SIDE = 16
FRUIT = ("red", "orange", "yellow")
LEAST_FRUIT = 0.9
RINGS = 6
LEAST_WINDOWS = 20


def fruit_windows(photographs: Tensor) -> Tensor:
    """Where nine pixels in ten of a window have a fruit's colour: boolean, shape (n, rows, columns).

    Args:
        photographs: uint8, shape (n, 3, side, side), the side divisible by 16.
    """
    classes = colour_classes(photographs)
    fruit = torch.isin(classes, torch.tensor([COLOURS.index(name) for name in FRUIT]))
    return fruit.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE).double().mean((3, 4)) >= LEAST_FRUIT


def textures(images: Tensor, windows: Tensor) -> np.ndarray:
    """The logarithm of a window's energy in each ring of frequency, shape (windows, 6).

    The luma of the window, less its best plane and scaled to variance 1, has the energy E(f) of
    :func:`~hw2lib.translation.spectra.spectrum`. Ring k holds k/12 < |f| ≤ (k + 1)/12 cycles per pixel, |f|
    being the larger of the row and the column frequency.

    Args:
        images: uint8, shape (n, 3, side, side).
        windows: which of theirs, as :func:`fruit_windows` says of the photographs.
    """
    brightness = luma(images.cpu().double())[:, 0]
    cut = brightness.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE)[windows]
    place = torch.linspace(-1, 1, SIDE, dtype=torch.float64)
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    flat = torch.stack([torch.ones_like(rows), rows, columns]).flatten(1)  # at right angles to each other
    values = cut.flatten(1)
    values = values - (values @ flat.T / flat.square().sum(1)) @ flat
    values = values / values.std(1, keepdim=True).clamp_min(1e-9)  # of a window without any texture
    energy = torch.stack([spectrum(window.view(1, 1, SIDE, SIDE)) for window in values])
    ring = (largest_frequency(SIDE, SIDE) * 2 * RINGS).ceil().long() - 1
    sums = [energy[:, ring == k].sum(1) for k in range(RINGS)]
    return torch.stack(sums, 1).clamp_min(1e-12).log().numpy()


@dataclass(frozen=True)
class SkinTest:
    """Fisher's linear discriminant of textures, orange where it is positive.

    Attributes:
        weights: w = S⁻¹ (m_B − m_A), S being the mean covariance within both fruits and m their means.
        offset: −w·(m_A + m_B) / 2.
    """

    weights: np.ndarray
    offset: float

    @classmethod
    def fit(cls, apples: np.ndarray, oranges: np.ndarray) -> "SkinTest":
        """From textures of photographs, shapes (m, 6) and (n, 6), more than six of each.

        Source: Fisher 1936.
        """
        means = apples.mean(0), oranges.mean(0)
        within = (np.cov(apples.T) + np.cov(oranges.T)) / 2
        weights = np.linalg.solve(within, means[1] - means[0])
        return cls(weights, float(-weights @ (means[0] + means[1]) / 2))

    def share_orange(self, found: np.ndarray) -> float:
        """The share of textures that are taken for orange."""
        return float((found @ self.weights + self.offset > 0).mean())


@dataclass(frozen=True)
class Skins:
    """What the skins of a set are like.

    Attributes:
        test: fitted to the training photographs.
        windows: of the test photographs, by domain.
        shares: of these windows, the share that is taken for orange, by domain.
    """

    test: SkinTest
    windows: dict[str, Tensor]
    shares: dict[str, float]

    @classmethod
    def of(cls, data: UnpairedImages) -> "Skins | None":
        """Learn from the training photographs at the size of the test photographs, and look at the latter.

        Returns:
            None where fewer than 20 windows of a split are fruit.
        """
        images = {
            split: resize(pictures, [data.size, data.size], antialias=True)
            for split, pictures in data.images.items()
        }
        windows = {split: fruit_windows(pictures) for split, pictures in images.items()}
        if min(int(chosen.sum()) for chosen in windows.values()) < LEAST_WINDOWS:
            return None
        found = {split: textures(pictures, windows[split]) for split, pictures in images.items()}
        test = SkinTest.fit(found["trainA"], found["trainB"])
        of_test = {domain: windows[f"test{domain}"] for domain in "AB"}
        return cls(test, of_test, {d: test.share_orange(found[f"test{d}"]) for d in "AB"})

    @property
    def told(self) -> float:
        """The mean of the shares of both fruits' windows that are told rightly."""
        return (1 - self.shares["A"] + self.shares["B"]) / 2

    def share_orange(self, translations: Tensor, domain: str) -> float:
        """Of the windows of the translated test photographs of a domain, the share taken for orange."""
        return self.test.share_orange(textures(translations, self.windows[domain]))
