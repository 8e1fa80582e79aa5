"""The masked autoregressive flow."""

import torch
from torch import Tensor

from .autoregressive import AutoregressiveFlow, affine_plain
from .fast.fused_affine import affine_fused
from .inverse import inverse_method


class MAF(AutoregressiveFlow):
    r"""Masked autoregressive flow: a stack of MADE blocks with the order reversed in between.

    Each block maps u_i = (x_i − μ_i(x_{<i})) · exp(−α_i(x_{<i})), so its Jacobian is triangular and
    log|det ∂u/∂x| = −Σ_i α_i. The base distribution is the standard normal N(0, I):

        log p(x) = log N(f(x); 0, I) + Σ_k log|det J_k|.

    Args:
        As for :class:`~hw2lib.flows.autoregressive.AutoregressiveFlow`.

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

    def forward(self, x: Tensor, *, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map data to the base space.

        Args:
            x: (batch, D).
            context: (batch, C) for a conditional flow.

        Returns:
            u of shape (batch, D), in the order of x, and log|det ∂u/∂x| of shape (batch,).
        """
        if self.blocks[0].layout == "dense" or x.device.type != "cpu":
            u, log_scales = self._transform(x, context=context)
            return u, -sum((alpha.sum(1) for alpha in log_scales), x.new_zeros(len(x)))
        x, log_det = self._features_first(x), x.new_zeros(len(x))
        for k, block in enumerate(self.blocks):
            reverse = k + 1 < len(self.blocks)
            x, total = affine_fused(x, *block.unbounded(x, context), block.bound, reverse)
            log_det = log_det - total
        return self._restore_order(x), log_det

    def _transform(self, x: Tensor, *, context: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """The readable form: u in the order of x, and each block's α in that block's own order."""
        x, log_scales = self._features_first(x), []
        for k, block in enumerate(self.blocks):
            if k:
                x = x.flip(1)
            x, alpha = affine_plain(x, *block.unbounded(x, context), block.bound)
            log_scales.append(alpha)
        return self._restore_order(x), log_scales

    @torch.no_grad()
    def inverse(self, u: Tensor, method: str = "staged", *, context: Tensor | None = None) -> Tensor:
        """Map the base space to data: the x with forward(x) = u.

        Args:
            u: (batch, D), in the order of x.
            method: ``"staged"``, one stage per distinct hidden degree, ``"naive"``, D passes through
                every block, or ``"jacobi"``, passes until nothing changes. All are exact.
            context: (batch, C) for a conditional flow.

        Returns:
            x of shape (batch, D), without a gradient.
        """
        solve = inverse_method(method)
        self._check(u)
        x = self._restore_order(u)
        for k in reversed(range(len(self.blocks))):
            x = solve(self.blocks[k], x, context=context)
            if k:
                x = x.flip(1)
        return x
