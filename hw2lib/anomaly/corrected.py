r"""What to put in place of −log p, which on pixels measures more than whether an image is normal.

Each remedy comes with an explanation of why plain likelihood fails, so that trying it tests the
explanation: anomalous images may be too likely (typicality), likelihood may measure how simple an image is
(complexity), or its background may drown the defect (ratio to a background model).
"""

from io import BytesIO
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from PIL import Image
from torch import Tensor

from hw2lib.errors import UserError

from .scores import image_bits_per_dim

_FORMATS: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 9},
    "jpeg2000": {"format": "JPEG2000", "irreversible": False},
}


def typicality_scores(nll: ArrayLike, training_nll: ArrayLike) -> np.ndarray:
    """S(x) = |−log p(x) − H|, H being the mean of −log p over training images.

    An image that is far more likely than all normal ones is as untypical as one that is far less likely.

    Args:
        nll: −log p of the images, shape (n,), in nats.
        training_nll: the same of the images that the model was trained on, shape (m,).

    Returns:
        Nats, shape (n,).

    Source: Nalisnick et al. 2019, for batches of one image.

    Example:
        >>> typicality_scores([1.0, 5.0], [2.0, 4.0]).tolist()
        [2.0, 2.0]
    """
    return np.abs(np.asarray(nll, dtype=float) - np.asarray(training_nll).mean())


def compressed_bits(images: Tensor, file: Literal["png", "jpeg2000"] = "png") -> np.ndarray:
    """L(x), the length of each image as a losslessly compressed file, in bits; int64 of shape (n,).

    Args:
        images: uint8, shape (n, 3, size, size).
        file: ``png``, at the highest compression level, or ``jpeg2000``, with the reversible transform.

    Raises:
        UserError: another format.
    """
    if file not in _FORMATS:
        raise UserError(f"file={file!r}: expected one of {', '.join(_FORMATS)}")
    lengths = []
    for pixels in images.permute(0, 2, 3, 1).numpy():
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, **_FORMATS[file])
        lengths.append(8 * buffer.tell())
    return np.array(lengths)


def complexity_scores(nll: ArrayLike, images: Tensor, file: Literal["png", "jpeg2000"] = "png") -> np.ndarray:
    """S(x) = −log₂ P(x) − L(x): what the model needs beyond a compressor that knows nothing of capsules.

    −log₂ P is that of the 8-bit image, D times the bits per dimension. Up to its sign, the score is the
    logarithm of the ratio of two models, of which the compressor is one.

    Args:
        nll: −log p of the images scaled to [−1, 1], shape (n,), in nats.
        images: uint8, shape (n, 3, size, size).
        file: as for :func:`compressed_bits`.

    Returns:
        Bits, shape (n,).

    Source: Serrà et al. 2020; book: eq-dequantization.
    """
    features = images[0].numel()
    total = image_bits_per_dim(np.asarray(nll, dtype=float), features) * features
    return total - compressed_bits(images, file)


def ratio_scores(nll: ArrayLike, background_nll: ArrayLike) -> np.ndarray:
    """S(x) = log p_background(x) − log p(x), in nats, shape (n,).

    Where both models know the background alike, it cancels.

    Args:
        nll: −log p under the model of normal images, shape (n,).
        background_nll: the same under a model trained on images whose content is spoiled (:func:`corrupt`).

    Source: Ren et al. 2019.

    Example:
        >>> ratio_scores([5.0, 4.0], [3.0, 4.0]).tolist()
        [2.0, 0.0]
    """
    return np.asarray(nll, dtype=float) - np.asarray(background_nll, dtype=float)


def corrupt(images: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """Images in which each value is replaced, with a probability, by one drawn uniformly from 0 to 255.

    Args:
        images: uint8, any shape; returned themselves where nothing is replaced.
        share: the probability, in [0, 1).
        generator: draws as much for every share above 0.

    Source: Ren et al. 2019: perturbations for training the background model.
    """
    if share == 0:
        return images
    replaced = torch.rand(images.shape, generator=generator) < share
    values = torch.randint(256, images.shape, generator=generator, dtype=torch.uint8)
    return torch.where(replaced.to(images.device), values.to(images.device), images)
