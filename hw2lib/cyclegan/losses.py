"""The losses of CycleGAN: adversarial, cycle consistency, identity."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

GANLoss = Literal["least_squares", "log"]


def adversarial_loss(scores: Tensor, real: bool, kind: GANLoss = "least_squares") -> Tensor:
    """How far a discriminator's patch scores are from saying ``real``, as a mean over all patches.

    ``least_squares``: E[(D(x) − t)²] with t = 1 for real and 0 for generated images (book: eq-lsgan).
    ``log``: −E[t log σ(D(x)) + (1 − t) log(1 − σ(D(x)))]; a generator that minimises it with t = 1 uses
    the non-saturating form −E[log σ(D(G(x)))].

    Args:
        scores: any shape, without a sigmoid.
        real: the answer that is asked for.
        kind: the loss.

    Source: Mao et al. 2017, equation 9; Goodfellow et al. 2014, equation 1.

    Example:
        >>> float(adversarial_loss(torch.full((1, 1, 2, 2), 0.5), real=True))
        0.25
    """
    target = torch.full_like(scores, float(real))
    if kind == "least_squares":
        return F.mse_loss(scores, target)
    if kind == "log":
        return F.binary_cross_entropy_with_logits(scores, target)
    raise ValueError(f"kind={kind!r}: expected 'least_squares' or 'log'")


def cycle_loss(reconstruction: Tensor, image: Tensor) -> Tensor:
    """E‖F(G(x)) − x‖₁, as a mean over pixels and channels (book: eq-cycle-loss).

    Source: Zhu et al. 2017, equation 2.
    """
    return F.l1_loss(reconstruction, image)


def identity_loss(output: Tensor, image: Tensor) -> Tensor:
    """E‖G(y) − y‖₁ for y of G's target domain: what needs no translation stays (book: eq-identity-loss).

    Source: Zhu et al. 2017, section 5.2; Taigman et al. 2017.
    """
    return F.l1_loss(output, image)
