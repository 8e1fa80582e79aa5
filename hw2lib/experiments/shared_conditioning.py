"""What sharing a conditioning set costs: the best likelihood of one block on data that are normal."""

import math

import torch
from torch import Tensor


def best_nll(covariance: Tensor, seen: Tensor) -> float:
    r"""The least expected −log p that conditionals can reach when each sees only part of its past.

    For x ~ N(0, C), and a model with independent conditionals p(x_i | x_1…x_{n_i}), n_i < i,

        min E[−log p(x)] = Σ_i ½ log(2πe · Var(x_i | x_1…x_{n_i})),

    which one MADE block reaches when its network is rich enough: these conditionals are normal. With
    n_i = i − 1 it is the entropy of x; what is above the entropy is the price of seeing less.

    Args:
        covariance: C, (D, D), positive definite.
        seen: n, shape (D,), as :func:`~hw2lib.flows.degrees.visible_inputs` gives it.

    Returns:
        Nats.

    Raises:
        ValueError: shapes do not fit, or an n_i is not in 0…i−1.

    Source: book: eq-shared-price.

    Example:
        >>> covariance = torch.tensor([[1.0, 0.6], [0.6, 1.0]], dtype=torch.float64)
        >>> blind, seeing = (best_nll(covariance, torch.tensor([0, n])) for n in (0, 1))
        >>> round(blind - seeing, 6) == round(-0.5 * math.log(1 - 0.6**2), 6)
        True
    """
    positions = torch.arange(len(covariance))
    if covariance.shape != (len(seen), len(seen)) or bool(((seen < 0) | (seen > positions)).any()):
        raise ValueError(
            f"covariance {tuple(covariance.shape)} and what {len(seen)} dimensions see do not fit"
        )
    # x = L e with independent e: given x_1…x_n, what remains of x_i is its share of e_{n+1}…e_i.
    root = torch.linalg.cholesky(covariance)
    variances = (root.square() * (positions[None] >= seen[:, None])).sum(1)
    return float(0.5 * torch.log(2 * math.pi * math.e * variances).sum())
