"""What a translation changes about an image: which hues become which, and how much of it is a mere filter."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .distances import require_uint8

# Lower ends of the classes of colourful pixels, in degrees of hue; what lies above the last is red again.
_HUES = (("red", 0), ("orange", 20), ("yellow", 50), ("green", 70), ("blue", 170), ("red", 330))
COLOURS = ("red", "orange", "yellow", "green", "blue", "pale", "grey", "dark")
_LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601, as JPEG has it
_DARK, _PALE, _COLOURLESS = 0.2, 0.6, 0.2  # of the largest possible value, and of full saturation


def colour_classes(images: Tensor) -> Tensor:
    """The class of every pixel's colour, an index into ``COLOURS``.

    With hue H in degrees, saturation S and value V in [0, 1]: ``dark`` for V < 0.2; else for S < 0.2 ``pale``
    if V ≥ 0.6 and ``grey`` if not; else by hue ``red`` (330 to 20), ``orange`` (to 50), ``yellow`` (to 70),
    ``green`` (to 170), ``blue`` (to 330). H, S and V are taken in 256 levels, as Pillow converts them.

    Args:
        images: uint8, shape (n, 3, height, width).

    Returns:
        int64, shape (n, height, width).

    Raises:
        ValueError: images of another type.

    Example:
        >>> image = torch.tensor([255, 128, 0], dtype=torch.uint8).view(1, 3, 1, 1)
        >>> COLOURS[colour_classes(image)]
        'orange'
    """
    hue, saturation, value = _hsv(images)
    ends = [end / 360 for _, end in _HUES]
    indices = np.array([COLOURS.index(name) for name, _ in _HUES])
    classes = indices[np.searchsorted(ends, hue, side="right") - 1]
    pale, grey, dark = (COLOURS.index(name) for name in ("pale", "grey", "dark"))
    classes = np.where(saturation < _COLOURLESS, np.where(value >= _PALE, pale, grey), classes)
    classes = np.where(value < _DARK, dark, classes)
    return torch.from_numpy(classes)


def colour_kept(images: Tensor, translations: Tensor, colour: str = "green") -> Tensor:
    """Share of an image's pixels that are of a class of :data:`COLOURS` both before and after.

    Args:
        images: uint8, shape (n, 3, height, width).
        translations: of the same pixels, same shape.

    Returns:
        float64, shape (n,).
    """
    before, after = (colour_classes(a) == COLOURS.index(colour) for a in (images, translations))
    return (before & after).double().mean((1, 2))


def saturation_and_value(images: Tensor) -> Tensor:
    """Mean saturation and value (of HSV) of each image, in [0, 1]; white has none of the one.

    Args:
        images: uint8, shape (n, 3, height, width).

    Returns:
        float64, shape (2, n).
    """
    return torch.from_numpy(_hsv(images)[1:].mean((2, 3)))


def luma(images: Tensor) -> Tensor:
    """The brightness 0.299 R + 0.587 G + 0.114 B of every pixel.

    Args:
        images: floating point, shape (n, 3, height, width).

    Returns:
        Of the same type, shape (n, 1, height, width).

    Source: ITU-R BT.601.
    """
    weights = torch.tensor(_LUMA, dtype=images.dtype, device=images.device).view(3, 1, 1)
    return (weights * images).sum(1, keepdim=True)


def _hsv(images: Tensor) -> np.ndarray:
    """Hue, saturation and value in [0, 1], shape (3, n, height, width)."""
    require_uint8(images)
    n, _, height, width = images.shape
    pixels = images.cpu().permute(0, 2, 3, 1).reshape(n * height, width, 3).numpy()
    converted = np.asarray(Image.fromarray(pixels).convert("HSV")) / 255
    return np.moveaxis(converted, -1, 0).reshape(3, n, height, width)


def colour_transitions(images: Tensor, translations: Tensor) -> Tensor:
    """Shares of all pixels by their class before (row) and after (column); they sum to 1.

    Args:
        images: uint8, shape (n, 3, height, width).
        translations: of the same pixels, same shape.

    Returns:
        float64, shape (8, 8), in the order of ``COLOURS``.
    """
    before, after = colour_classes(images).flatten(), colour_classes(translations).flatten()
    size = len(COLOURS)
    counts = torch.bincount(before * size + after, minlength=size**2).view(size, size)
    return counts.double() / counts.sum()


def filter_share(images: Tensor, translations: Tensor) -> Tensor:
    """How much of what changed one colour filter over the whole image explains, per image.

    The filter is the affine map of colours a ↦ M a + b that fits the change c = translation − image best
    (book: eq-filter-share):

        1 − Σ |c − (M a + b)|² / Σ |c|²,   M ∈ ℝ³ˣ³, b ∈ ℝ³, sums over the pixels.

    1 says that a filter does it all; a change that depends on more than a pixel's own colour, or on it in
    no affine way, gives less. An image that did not change counts as 1.

    Args:
        images: uint8, shape (n, 3, height, width).
        translations: of the same pixels, same shape.

    Returns:
        float64, shape (n,), in [0, 1].
    """
    require_uint8(images)
    require_uint8(translations)
    shares = []
    for image, translation in zip(images.cpu().double(), translations.cpu().double(), strict=True):
        colours = image.flatten(1).T
        change = translation.flatten(1).T - colours
        regressors = torch.cat([colours, torch.ones(len(colours), 1, dtype=torch.float64)], 1)
        # An image of few colours has no unique filter; any of the best ones explains the same share.
        best = torch.linalg.lstsq(regressors, change, driver="gelsd").solution
        rest, whole = (change - regressors @ best).square().sum(), change.square().sum()
        shares.append(1 - float(rest / whole) if whole else 1.0)
    return torch.tensor(shares, dtype=torch.float64)
