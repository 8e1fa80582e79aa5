"""The masked autoregressive flow."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .affine import affine_fused, affine_plain
from .made import MADE
from .staged_inverse import naive_inverse, staged_inverse


class MAF(nn.Module):
    r"""Masked autoregressive flow: a stack of MADE blocks with the order reversed in between.

    Each block maps u_i = (x_i − μ_i(x_{<i})) · exp(−α_i(x_{<i})), so its Jacobian is triangular and
    log|det ∂u/∂x| = −Σ_i α_i. The base distribution is the standard normal N(0, I):

        log p(x) = log N(f(x); 0, I) + Σ_k log|det J_k|.

    Args:
        features: D.
        hidden_features: units of the hidden layers of each block.
        transforms: number of blocks.
        layout: ``"staircase"`` or ``"dense"``, see :class:`~hw2lib.flows.made.MADE`.
        degrees: see :class:`~hw2lib.flows.made.MADE`; random degrees differ from block to block.
        seed: for random degrees.
        steps: see :class:`~hw2lib.flows.made.MADE`.

    Source: Papamakarios et al. 2017, equations 2-5; book: eq-maf-forward, eq-maf-logdet,
    eq-maf-objective.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> flow = MAF(4, (16, 16), transforms=3)
        >>> x = torch.randn(5, 4)
        >>> u, log_det = flow(x)
        >>> torch.allclose(flow.inverse(u), x, atol=1e-5)
        True
    """

    def __init__(
        self,
        features: int,
        hidden_features: Sequence[int] = (512, 512),
        transforms: int = 7,
        layout: str = "staircase",
        degrees: str | Sequence[Tensor] = "spread",
        seed: int = 0,
        steps: int | None = None,
    ) -> None:
        super().__init__()
        if transforms < 1:
            raise ValueError(f"transforms={transforms}: a flow needs at least one block")
        self.features = features
        self.blocks = nn.ModuleList(
            MADE(features, hidden_features, layout, degrees, seed + 1000 * k, steps)
            for k in range(transforms)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map data to the base space.

        Args:
            x: (batch, D).

        Returns:
            u of shape (batch, D), in the order of x, and log|det ∂u/∂x| of shape (batch,).
        """
        if self.blocks[0].layout == "dense" or x.device.type != "cpu":
            u, log_scales = self._transform(x)
            return u, -sum(alpha.sum(1) for alpha in log_scales)
        x, log_det = self._features_first(x), 0
        for k, block in enumerate(self.blocks):
            reverse = k + 1 < len(self.blocks)
            x, total = affine_fused(x, *block.unbounded(x), block.bound, reverse)
            log_det = log_det - total
        return self._restore_order(x), log_det

    def _transform(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The readable form: u in the order of x, and each block's α in that block's own order."""
        x, log_scales = self._features_first(x), []
        for k, block in enumerate(self.blocks):
            if k:
                x = x.flip(1)
            x, alpha = affine_plain(x, *block.unbounded(x), block.bound)
            log_scales.append(alpha)
        return self._restore_order(x), log_scales

    def _features_first(self, x: Tensor) -> Tensor:
        """x laid out in memory as the staircase layers work."""
        self._check(x)
        return x.t().contiguous().t()

    def _restore_order(self, x: Tensor) -> Tensor:
        """Undo the reversals: after K blocks there have been K − 1 of them."""
        return x if len(self.blocks) % 2 else x.flip(1)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, shape (batch,), for x of shape (batch, D). Book: eq-maf-objective."""
        u, log_det = self(x)
        return log_det - 0.5 * (u.square().sum(1) + self.features * math.log(2 * math.pi))

    def log_prob_contributions(self, x: Tensor) -> Tensor:
        """What each dimension adds to log p(x), shape (batch, D), in the order of x.

        Dimension i adds log N(u_i; 0, 1) − Σ_k α_i of block k; the sum over i is ``log_prob``.
        """
        u, log_scales = self._transform(x)
        total = -0.5 * (u.square() + math.log(2 * math.pi))
        for k, log_scale in enumerate(log_scales):
            total = total - (log_scale.flip(1) if k % 2 else log_scale)
        return total

    @torch.no_grad()
    def inverse(self, u: Tensor, method: str = "staged") -> Tensor:
        """Map the base space to data: the x with forward(x) = u.

        Args:
            u: (batch, D), in the order of x.
            method: ``"staged"``, one stage per distinct hidden degree, or ``"naive"``, D passes
                through every block. Both are exact.

        Returns:
            x of shape (batch, D), without a gradient.
        """
        solve = {"staged": staged_inverse, "naive": naive_inverse}.get(method)
        if solve is None:
            raise ValueError(f"method={method!r}: expected 'staged' or 'naive'")
        self._check(u)
        x = self._restore_order(u)
        for k in reversed(range(len(self.blocks))):
            x = solve(self.blocks[k], x)
            if k:
                x = x.flip(1)
        return x

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """Draw n samples: u ~ N(0, temperature²·I), x = f⁻¹(u).

        Returns:
            (n, D), on the parameters' device and of their type.
        """
        like = self.blocks[0].mean.bias
        u = torch.randn(n, self.features, generator=generator, dtype=like.dtype, device=like.device)
        return self.inverse(u * temperature)

    def to_layout(self, layout: str) -> "MAF":
        """The same flow in the other layout, as a new module with weights of its own."""
        other = MAF.__new__(MAF)
        nn.Module.__init__(other)
        other.features = self.features
        other.blocks = nn.ModuleList(block.to_layout(layout) for block in self.blocks)
        return other

    def _check(self, x: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] != self.features:
            raise ValueError(f"expected shape (batch, {self.features}), got {tuple(x.shape)}")
