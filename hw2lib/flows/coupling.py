"""Coupling layers: additive (NICE), affine (RealNVP), and stacks of them."""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

# A scale stays between exp(−4) and exp(4); tanh keeps the bound smooth.
LOG_SCALE_BOUND = 4.0
SCALES = ("vector", "scalar")


class AdditiveCoupling(nn.Module):
    r"""One additive coupling layer.

    The first k coordinates pass through and the others are shifted by a network m of the first:

        u_A = x_A,  u_B = x_B − m(x_A),  log|det ∂u/∂x| = 0.

    Args:
        features: D, at least 2.
        hidden_features: units of the hidden layers of the network; tanh lies between the layers.
        passive: k, by default D // 2.
        flip: the last k coordinates pass through instead of the first, in mirrored order.

    Shapes:
        x: (batch, D) → u (batch, D), log_det (batch,).

    Source: Dinh et al. 2015 (NICE), section 3.2; book: eq-coupling-additive.

    Example:
        >>> layer = AdditiveCoupling(4, (8,))
        >>> u, log_det = layer(torch.ones(2, 4))
        >>> log_det.tolist(), torch.allclose(layer.inverse(u), torch.ones(2, 4))
        ([0.0, 0.0], True)
    """

    def __init__(
        self,
        features: int,
        hidden_features: Sequence[int] = (64, 64),
        passive: int | None = None,
        flip: bool = False,
    ) -> None:
        super().__init__()
        if features < 2:
            raise ValueError(f"features={features}: a coupling layer needs two parts, so at least 2")
        self.features, self.flip = features, flip
        self.passive = features // 2 if passive is None else passive
        if not 0 < self.passive < features:
            raise ValueError(f"passive={passive}: expected 1…{features - 1}")
        self.moved = features - self.passive
        self.network = _network(self.passive, hidden_features, self._outputs())

    def _outputs(self) -> int:
        """How many numbers the network gives."""
        return self.moved

    def _parameters_of(self, x_a: Tensor) -> tuple[Tensor, Tensor | None]:
        """The shift and the log scale, (batch, D − k) each; None: nothing is scaled."""
        return self.network(x_a), None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map data to the base space.

        Args:
            x: (batch, D).

        Returns:
            u of shape (batch, D) and log|det ∂u/∂x| of shape (batch,).
        """
        x_a, x_b = self._split(x)
        shift, log_scale = self._parameters_of(x_a)
        if log_scale is None:
            return self._join(x_a, x_b - shift), x.new_zeros(len(x))
        return self._join(x_a, (x_b - shift) * torch.exp(-log_scale)), -log_scale.sum(1)

    def inverse(self, u: Tensor) -> Tensor:
        """The x with forward(x) = u: one pass of the same network, with a gradient.

        Args:
            u: (batch, D).

        Returns:
            x of shape (batch, D).
        """
        u_a, u_b = self._split(u)
        shift, log_scale = self._parameters_of(u_a)
        return self._join(u_a, (u_b if log_scale is None else u_b * torch.exp(log_scale)) + shift)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.ndim != 2 or x.shape[1] != self.features:
            raise ValueError(f"expected shape (batch, {self.features}), got {tuple(x.shape)}")
        x = x.flip(1) if self.flip else x
        return x[:, : self.passive], x[:, self.passive :]

    def _join(self, a: Tensor, b: Tensor) -> Tensor:
        joined = torch.cat([a, b], 1)
        return joined.flip(1) if self.flip else joined


class AffineCoupling(AdditiveCoupling):
    r"""One affine coupling layer.

    The first k coordinates pass through; a network of them gives the shift t and log s of the others:

        u_A = x_A,  u_B = (x_B − t(x_A)) / s(x_A),  log|det ∂u/∂x| = −Σ_i log s_i(x_A).

    With ``scale="scalar"`` all d = D − k moved coordinates share one s, and the sum is −d log s. In
    both cases log s = 4 tanh(a / 4) for an output a of the network, so that s stays positive and finite.

    Args:
        features, hidden_features, passive, flip: see :class:`AdditiveCoupling`.
        scale: ``"vector"`` or ``"scalar"``.

    Shapes:
        x: (batch, D) → u (batch, D), log_det (batch,).

    Source: Dinh et al. 2017 (RealNVP), equations 7 and 8, with the report's sign: here s divides on
    the way to the base space; book: eq-coupling-affine, eq-coupling-determinant.

    Example:
        >>> layer = AffineCoupling(5, (8,), passive=2)
        >>> u, log_det = layer(torch.ones(3, 5))
        >>> u.shape, log_det.shape
        (torch.Size([3, 5]), torch.Size([3]))
    """

    def __init__(
        self,
        features: int,
        hidden_features: Sequence[int] = (64, 64),
        passive: int | None = None,
        flip: bool = False,
        scale: str = "vector",
    ) -> None:
        if scale not in SCALES:
            raise ValueError(f"scale={scale!r}: expected one of {SCALES}")
        self.scale = scale
        super().__init__(features, hidden_features, passive, flip)

    def _outputs(self) -> int:
        return self.moved + (self.moved if self.scale == "vector" else 1)

    def _parameters_of(self, x_a: Tensor) -> tuple[Tensor, Tensor | None]:
        shift, raw = self.network(x_a).tensor_split([self.moved], dim=1)
        log_scale = LOG_SCALE_BOUND * torch.tanh(raw / LOG_SCALE_BOUND)
        return shift, log_scale.expand(-1, self.moved)


class CouplingFlow(nn.Module):
    r"""A stack of coupling layers that take turns: what one layer passes through, the next one moves.

        log p(x) = log N(f(x); 0, I) + Σ_k log|det J_k|

    Args:
        features: D, at least 2.
        hidden_features: see :class:`AdditiveCoupling`.
        layers: how many; from two on every coordinate is moved.
        kind: ``"additive"`` or ``"affine"``.

    Source: Dinh et al. 2015 and 2017; book: eq-maf-objective.

    Example:
        >>> flow = CouplingFlow(6, (8,), layers=3)
        >>> flow.log_prob(torch.zeros(2, 6)).shape
        torch.Size([2])
    """

    def __init__(
        self, features: int, hidden_features: Sequence[int] = (64, 64), layers: int = 4, kind: str = "affine"
    ) -> None:
        super().__init__()
        make = {"additive": AdditiveCoupling, "affine": AffineCoupling}.get(kind)
        if make is None:
            raise ValueError(f"kind={kind!r}: expected 'additive' or 'affine'")
        if layers < 1:
            raise ValueError(f"layers={layers}: a flow needs at least one")
        self.features = features
        stack = (make(features, hidden_features, flip=bool(k % 2)) for k in range(layers))
        self.layers = cast(Sequence[AdditiveCoupling], nn.ModuleList(stack))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map data to the base space: (batch, D) → u (batch, D), log|det ∂u/∂x| (batch,)."""
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    def inverse(self, u: Tensor) -> Tensor:
        """The x with forward(x) = u, (batch, D), at the cost of one forward pass."""
        for layer in reversed(self.layers):
            u = layer.inverse(u)
        return u

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, shape (batch,), for x of shape (batch, D)."""
        u, log_det = self(x)
        return log_det - 0.5 * (u.square().sum(1) + self.features * math.log(2 * math.pi))


def _network(inputs: int, hidden_features: Sequence[int], outputs: int) -> nn.Sequential:
    """A multilayer perceptron with tanh, whose outputs start near zero."""
    sizes = [inputs, *hidden_features]
    if min(sizes) < 1:
        raise ValueError(f"hidden_features={tuple(hidden_features)}: expected numbers of units, at least 1")
    modules: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:], strict=False):
        modules += [nn.Linear(before, after), nn.Tanh()]
    last = nn.Linear(sizes[-1], outputs)
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.zero_()
    return nn.Sequential(*modules, last)
