"""The inverse autoregressive flow."""

import torch
from torch import Tensor

from .autoregressive import AutoregressiveFlow, affine_plain
from .fast.implicit_gradient import solve_block
from .inverse import naive_passes
from .made import MADE


class IAF(AutoregressiveFlow):
    r"""Inverse autoregressive flow: MADE blocks that read the noise, with the order reversed in between.

    Each block maps x_i = u_i · exp(α_i(u_{<i})) + μ_i(u_{<i}): all of u is known when a sample is drawn,
    so one pass gives x and log|det ∂x/∂u| = Σ_i α_i. The density of a given x needs u first, and

        u_i = (x_i − μ_i(u_{<i})) · exp(−α_i(u_{<i}))

    is sequential: D passes, or one stage per distinct hidden degree. The staged way is differentiable
    too, so the flow can be trained by maximum likelihood. The base distribution is N(0, I):

        log p(x) = log N(u; 0, I) − Σ_k Σ_i α_i^{(k)}.

    Args:
        As for :class:`~hw2lib.flows.autoregressive.AutoregressiveFlow`.

    Source: Kingma et al. 2016, section 3; Papamakarios et al. 2017, section 3.4; book: eq-iaf-sample,
    eq-iaf-inverse.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> flow = IAF(4, (16, 16), transforms=3)
        >>> u = torch.randn(5, 4)
        >>> x, log_det = flow.inverse_and_log_det(u)
        >>> back, minus_log_det = flow(x)
        >>> torch.allclose(back, u, atol=1e-5), torch.allclose(minus_log_det, -log_det, atol=1e-5)
        (True, True)
    """

    def forward(
        self, x: Tensor, method: str = "staged", *, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map data to the base space, with gradients for x and for the weights.

        Args:
            x: (batch, D).
            method: ``"staged"``, one stage per distinct hidden degree and implicit gradients that can
                be taken once, or ``"naive"``, D passes through every block that autograd follows:
                the reference, which keeps all D passes in memory. Both are exact.
            context: (batch, C) for a conditional flow.

        Returns:
            u of shape (batch, D), in the order of x, and log|det ∂u/∂x| of shape (batch,).

        Raises:
            ValueError: wrong shape or method.
        """
        u, log_scales = self._transform(x, method, context=context)
        return u, -sum((alpha.sum(1) for alpha in log_scales), x.new_zeros(len(x)))

    def _transform(
        self, x: Tensor, method: str = "staged", *, context: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """u in the order of x, and each block's α in that block's own order."""
        solve = {"staged": solve_block, "naive": _solve_by_passes}.get(method)
        if solve is None:
            raise ValueError(f"method={method!r}: expected 'staged' or 'naive'")
        x, log_scales = self._features_first(x), []
        for k, block in enumerate(self.blocks):
            if k:
                x = x.flip(1)
            x, alpha = solve(block, x, context)
            log_scales.append(alpha)
        return self._restore_order(x), log_scales

    def inverse(self, u: Tensor, *, context: Tensor | None = None) -> Tensor:
        """Map the base space to data in one pass per block, with gradients; u, x of shape (batch, D)."""
        return self.inverse_and_log_det(u, context)[0]

    def inverse_and_log_det(self, u: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x and log|det ∂x/∂u| in one pass per block: the density of the flow's own samples is free.

        Args:
            u: (batch, D), in the order of x.
            context: (batch, C) for a conditional flow.

        Returns:
            x of shape (batch, D) and the log-determinant of shape (batch,), with gradients for u and
            for the weights.
        """
        self._check(u)
        x, log_det = self._restore_order(u), u.new_zeros(len(u))
        for k in reversed(range(len(self.blocks))):
            mean, alpha = self.blocks[k](x, context)
            x, log_det = x * torch.exp(alpha) + mean, log_det + alpha.sum(1)
            if k:
                x = x.flip(1)
        return x, log_det


def _solve_by_passes(made: MADE, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    u = naive_passes(made, x, normalizing=True, context=context)
    return affine_plain(x, *made.unbounded(u, context), made.bound)
