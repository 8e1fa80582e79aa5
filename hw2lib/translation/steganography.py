"""Does the reconstruction rest on a signal too small to see? Disturb the translated image, and look."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from hw2lib.data.unpaired import to_signed, to_uint8

Kind = Literal["noise", "rounding", "jpeg", "blur"]
Generator = Callable[[Tensor], Tensor]
LEVEL = 2 / 255  # one of 256 levels, in the units of images in [−1, 1]


@dataclass(frozen=True)
class Perturbation:
    """A disturbance of images in [−1, 1].

    Attributes:
        kind: ``noise``: Gaussian, of standard deviation ``level`` in 8-bit levels; ``rounding``: to the
            nearest 8-bit level; ``jpeg``: compression of quality ``level``, 1 to 100; ``blur``: Gaussian,
            of standard deviation ``level`` in pixels. What leaves [−1, 1] is clipped.
        level: see above; rounding has none.

    Raises:
        ValueError: an unknown kind, or a level that the kind does not have.
    """

    kind: Kind
    level: float = 0.0

    def __post_init__(self) -> None:
        ranges = {"noise": (0, 255), "rounding": (0, 0), "jpeg": (1, 100), "blur": (0, 100)}
        if self.kind not in ranges:
            raise ValueError(f"kind={self.kind!r}: expected one of {', '.join(ranges)}")
        low, high = ranges[self.kind]
        if not low <= self.level <= high:
            raise ValueError(f"level={self.level}: expected {low} to {high} for {self.kind}")

    def __call__(self, images: Tensor, seed: int = 0) -> Tensor:
        """Disturb images of shape (n, 3, height, width); one seed draws the same noise at every level."""
        if self.kind == "noise":
            generator = torch.Generator().manual_seed(seed)
            noise = torch.randn(images.shape, generator=generator).to(images)
            return (images + self.level * LEVEL * noise).clamp(-1, 1)
        if self.kind == "rounding":
            return to_signed(to_uint8(images)).to(images)
        if self.kind == "jpeg":
            pixels = to_uint8(images).cpu().permute(0, 2, 3, 1).numpy()
            compressed = np.stack([_jpeg(image, int(self.level)) for image in pixels])
            return to_signed(torch.from_numpy(compressed).permute(0, 3, 1, 2)).to(images)
        if self.level == 0:
            return images
        width = 2 * max(1, round(3 * self.level)) + 1
        return F.gaussian_blur(images, [width, width], [self.level, self.level])


PERTURBATIONS = (
    *(Perturbation("noise", sigma) for sigma in (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)),
    Perturbation("rounding"),
    *(Perturbation("jpeg", quality) for quality in (95.0, 75.0, 50.0)),
    *(Perturbation("blur", sigma) for sigma in (0.5, 1.0)),
)


@torch.no_grad()
def reconstruction_curve(
    forward: Generator,
    backward: Generator,
    x: Tensor,
    perturbations: Iterable[Perturbation] = PERTURBATIONS,
    seed: int = 0,
) -> list[dict[str, float | str]]:
    """How the cycle x → z = G(x) → F(z) fares when z is disturbed to p(z).

    A generator that carries its input in the visible content of z loses about as much as z does. One that
    hides it in differences of less than a level loses all of it to a disturbance that no eye notices.

    Args:
        forward: G, maps images in [−1, 1] to such images.
        backward: F, maps them back.
        x: images in [−1, 1], shape (n, 3, height, width).
        perturbations: what is done to z.
        seed: of the noise.

    Returns:
        A row per perturbation, ``kind`` and ``level``, and three means of absolute differences in 8-bit
        levels: ``size`` of p(z) − z; ``error`` of F(p(z)) − x; ``moved`` of F(p(z)) − F(z).
        ``moved / size`` is the gain (book: eq-steganography): 1 where F passes a disturbance on as it is.

    Source: Chu et al. 2017, "CycleGAN, a Master of Steganography", section 4.

    Example:
        >>> rows = reconstruction_curve(lambda x: x, lambda z: z, torch.zeros(1, 3, 8, 8))
        >>> all(row["moved"] == row["size"] == row["error"] for row in rows)
        True
    """
    z = forward(x)
    undisturbed = backward(z)
    rows: list[dict[str, float | str]] = []
    for perturbation in perturbations:
        disturbed = perturbation(z, seed)
        reconstruction = backward(disturbed)
        rows.append(
            {
                "kind": perturbation.kind,
                "level": perturbation.level,
                "size": _levels(disturbed, z),
                "error": _levels(reconstruction, x),
                "moved": _levels(reconstruction, undisturbed),
            }
        )
    return rows


def _jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _levels(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().mean()) / LEVEL
