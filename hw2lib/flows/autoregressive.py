"""What the two autoregressive flows share: a stack of MADE blocks with the order reversed in between."""

import math
from collections.abc import Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn

from .made import MADE


class AutoregressiveFlow(nn.Module):
    """A stack of MADE blocks between data x and noise u ~ N(0, I); block 0 is next to the data.

    A subclass says how a block maps x to u, in :meth:`forward` and :meth:`_transform`, and how it maps
    back, in :meth:`inverse`.

    Args:
        features: D.
        hidden_features: units of the hidden layers of each block.
        transforms: number of blocks.
        layout: ``"staircase"`` or ``"dense"``, see :class:`~hw2lib.flows.made.MADE`.
        degrees: see :class:`~hw2lib.flows.made.MADE`; random degrees differ from block to block.
        seed: for random degrees.
        rectangles: see :class:`~hw2lib.flows.made.MADE`.
        conditioner: ``"affine"`` or ``"additive"``, see :class:`~hw2lib.flows.made.MADE`.
        context: C, the number of values that all conditionals of all blocks depend on; the density is
            then p(x | context), and every method takes a ``context`` of shape (batch, C).

    Raises:
        ValueError: there is no block, or MADE refuses an argument.
    """

    def __init__(
        self,
        features: int,
        hidden_features: Sequence[int] = (512, 512),
        transforms: int = 7,
        layout: str = "staircase",
        degrees: str | Sequence[Tensor] = "spread",
        seed: int = 0,
        rectangles: int | None = None,
        conditioner: str = "affine",
        context: int = 0,
    ) -> None:
        super().__init__()
        if transforms < 1:
            raise ValueError(f"transforms={transforms}: a flow needs at least one block")
        self.features = features
        blocks = (
            MADE(
                features,
                hidden_features,
                layout,
                degrees,
                seed + 1000 * k,
                rectangles,
                conditioner,
                context,
            )
            for k in range(transforms)
        )
        self.blocks = cast(Sequence[MADE], nn.ModuleList(blocks))

    def forward(self, x: Tensor, *, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """u of shape (batch, D), in the order of x, and log|det ∂u/∂x| of shape (batch,)."""
        raise NotImplementedError

    def inverse(self, u: Tensor, *, context: Tensor | None = None) -> Tensor:
        """The x with forward(x) = u, both of shape (batch, D)."""
        raise NotImplementedError

    def _transform(self, x: Tensor, *, context: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """u in the order of x, and each block's α in that block's own order."""
        raise NotImplementedError

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(x) in nats, shape (batch,), for x of shape (batch, D). Book: eq-maf-objective."""
        u, log_det = self(x, context=context)
        return log_det - 0.5 * (u.square().sum(1) + self.features * math.log(2 * math.pi))

    def log_prob_contributions(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """What each dimension adds to log p(x), shape (batch, D), in the order of x.

        Dimension i adds log N(u_i; 0, 1) − Σ_k α_i of block k; the sum over i is ``log_prob``.
        """
        u, log_scales = self._transform(x, context=context)
        total = -0.5 * (u.square() + math.log(2 * math.pi))
        for k, log_scale in enumerate(log_scales):
            total = total - (log_scale.flip(1) if k % 2 else log_scale)
        return total

    @torch.no_grad()
    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        context: Tensor | None = None,
    ) -> Tensor:
        """Draw n samples: u ~ N(0, temperature²·I), x = f⁻¹(u).

        Returns:
            (n, D), on the parameters' device and of their type.
        """
        like = self.blocks[0].mean.bias
        u = torch.randn(n, self.features, generator=generator, dtype=like.dtype, device=like.device)
        return self.inverse(u * temperature, context=context)

    def to_layout(self, layout: str) -> Self:
        """The same flow in the other layout, as a new module with weights of its own."""
        other = type(self).__new__(type(self))
        nn.Module.__init__(other)
        other.features = self.features
        other.blocks = cast(Sequence[MADE], nn.ModuleList(block.to_layout(layout) for block in self.blocks))
        return other

    def _features_first(self, x: Tensor) -> Tensor:
        """x laid out in memory as the staircase layers work."""
        self._check(x)
        return x.t().contiguous().t()

    def _restore_order(self, x: Tensor) -> Tensor:
        """Undo the reversals: after K blocks there have been K − 1 of them."""
        return x if len(self.blocks) % 2 else x.flip(1)

    def _check(self, x: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] != self.features:
            raise ValueError(f"expected shape (batch, {self.features}), got {tuple(x.shape)}")


def affine_plain(x: Tensor, mean: Tensor, log_scale: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """u = (x − μ)·exp(−α) and α, the given ``log_scale`` clamped to ±bound; all (batch, D)."""
    alpha = log_scale.clamp(-bound, bound)
    return (x - mean) * torch.exp(-alpha), alpha
