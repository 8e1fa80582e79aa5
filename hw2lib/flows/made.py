"""MADE: one masked network that gives the parameters of all D conditionals at once."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .degrees import made_masks, prefix_lengths, resolve_degrees
from .fast.staircase import StaircaseLinear
from .masked_linear import MaskedLinear

Linear = MaskedLinear | StaircaseLinear

LAYOUTS = ("staircase", "dense")
# The report's MAF multiplies by exp(−α): outside ±7 one dimension would be scaled a thousandfold.
LOG_SCALE_CLAMP = 7.0
# Clamped to nothing, every scale is 1: the second half of the outputs is idle, and no second path is needed.
CLAMPS = {"affine": LOG_SCALE_CLAMP, "additive": 0.0}
_UNITS_PER_RECTANGLE, _MOST_RECTANGLES = 32, 16


class MADE(nn.Module):
    r"""Masked autoencoder for distribution estimation with Gaussian conditionals.

    Gives (μ_i, α_i) for i = 1…D, where both depend on x_1…x_{i−1} only; α, the logarithm of the
    conditional's standard deviation, is clamped to ±7. The network is D → hidden → … → 2D with
    ReLU between the layers.

    Args:
        features: D.
        hidden_features: units of the hidden layers, one number per layer, at least one.
        layout: ``"staircase"`` stores only the blocks under the stairs, ``"dense"`` is the
            readable reference; the function is the same.
        degrees: ``"spread"``, ``"random"``, or one integer tensor per hidden layer with values in
            0…D−1. Degrees are sorted: the order of units in a layer carries no meaning.
        seed: for random degrees.
        rectangles: into how many rectangles the stairs are cut; by default one per 32 units, at most 16.
        conditioner: ``"affine"``, or ``"additive"``, where α is 0 and a block only shifts: its Jacobian's
            determinant is 1 everywhere (Dinh et al. 2015), and −log p is ½ ‖u‖² and a constant.
        context: C, the number of values y that all conditionals depend on: p(x | y) = Π p(x_i | x_{<i}, y).
            The first hidden layer sees all of them. With a context degrees begin at 0, so that the first
            conditional sees it through hidden units too.

    Shapes:
        x: (batch, D), context: (batch, C) or None without one → (μ, α), each (batch, D).

    Raises:
        ValueError: another layout or conditioner, degrees that do not fit, x or a context of another shape.
        RuntimeError: ``load_state_dict`` is given weights of other degrees.

    Source: Germain et al. 2015; Papamakarios et al. 2017, equation 4; book: eq-degrees-output.

    Example:
        >>> made = MADE(3, (8, 8))
        >>> mean, log_scale = made(torch.zeros(2, 3))
        >>> mean.shape, log_scale.shape
        (torch.Size([2, 3]), torch.Size([2, 3]))
    """

    def __init__(
        self,
        features: int,
        hidden_features: Sequence[int] = (512, 512),
        layout: str = "staircase",
        degrees: str | Sequence[Tensor] = "spread",
        seed: int = 0,
        rectangles: int | None = None,
        conditioner: str = "affine",
        context: int = 0,
    ) -> None:
        super().__init__()
        if layout not in LAYOUTS:
            raise ValueError(f"layout={layout!r}: expected one of {LAYOUTS}")
        self.features, self.hidden_features = features, tuple(hidden_features)
        if conditioner not in CLAMPS:
            raise ValueError(f"conditioner={conditioner!r}: expected one of {tuple(CLAMPS)}")
        self.layout, self.rectangles, self.bound = layout, rectangles, CLAMPS[conditioner]
        self.context = context
        self.degrees = resolve_degrees(features, self.hidden_features, degrees, seed, context > 0)
        if layout == "dense":
            *hidden, mean, log_scale = _masked_layers(features, self.degrees)
        else:
            *hidden, mean, log_scale = _staircase_layers(features, self.degrees, rectangles)
        self.hidden = cast(Sequence[Linear], nn.ModuleList(hidden))
        self.mean, self.log_scale = mean, log_scale
        self.context_layer = nn.Linear(context, self.hidden_features[0], bias=False) if context else None
        # A flow starts near the identity: small outputs, so that 50,000 of them do not blow up.
        self.mean.reset_parameters(0.1)
        self.log_scale.reset_parameters(0.1)

    def get_extra_state(self) -> Tensor:
        """The degrees: weights mean nothing without them."""
        return torch.cat(self.degrees)

    def set_extra_state(self, state: Tensor) -> None:
        """Refuse weights that were saved with other degrees."""
        if not torch.equal(state.cpu(), self.get_extra_state()):
            raise RuntimeError("the weights were saved with other degrees than those of this MADE")

    def layers(self) -> list[Linear]:
        """All linear layers: hidden ones from the input up, then the means, then the log scales."""
        return [*self.hidden, self.mean, self.log_scale]

    @property
    def heads(self) -> tuple[Linear, Linear]:
        """The two output layers: means and log scales."""
        return self.mean, self.log_scale

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.unbounded(x, context)
        return mean, log_scale.clamp(-self.bound, self.bound)

    def unbounded(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """μ, and α before it is clamped."""
        last = self.activations(x, context)[-1]
        return self.mean(last), self.log_scale(last)

    def activations(self, x: Tensor, context: Tensor | None = None) -> list[Tensor]:
        """The values of the hidden layers, from the input up, each (batch, units)."""
        shift, values = self.context_shift(context, len(x)), []
        for layer in self.hidden:
            x = layer(x)
            if shift is not None:  # the first layer only
                x, shift = x + shift, None
            x = torch.relu(x)
            values.append(x)
        return values

    def context_shift(self, context: Tensor | None, batch: int) -> Tensor | None:
        """What the context adds to the first hidden layer before its ReLU, (batch, units); None without one.

        Raises:
            ValueError: a context is missing, not expected, or of another shape.
        """
        if self.context_layer is None and context is None:
            return None
        if self.context_layer is None or context is None or context.shape != (batch, self.context):
            got = None if context is None else tuple(context.shape)
            raise ValueError(f"expected a context of shape ({batch}, {self.context}), got {got}")
        return self.context_layer(context)

    def open_weights(self) -> int:
        """How many connections the masks leave open."""
        inputs = torch.arange(1, self.features + 1)
        seen = [inputs, *self.degrees]
        hidden = sum(
            int(prefix_lengths(a, b, strict=False).sum()) for a, b in zip(seen, seen[1:], strict=False)
        )
        return hidden + 2 * int(prefix_lengths(seen[-1], inputs, strict=True).sum())

    def stored_weights(self) -> int:
        """How many weights (without biases) this layout keeps in memory."""
        return sum(layer.weight.numel() for layer in self.layers())

    def to_layout(self, layout: str) -> "MADE":
        """The same function in the given layout, as a new module with weights of its own."""
        with torch.random.fork_rng(devices=[]):
            shape = self.features, self.hidden_features
            other = MADE(*shape, layout, self.degrees, rectangles=self.rectangles, context=self.context)
        other = other.to(device=self.mean.bias.device, dtype=self.mean.bias.dtype)
        other.bound = self.bound
        for source, target in zip(self.layers(), other.layers(), strict=True):
            target.load_dense(source.dense_weight().detach(), source.bias.detach())
            target.weight.requires_grad_(source.weight.requires_grad)
            target.bias.requires_grad_(source.bias.requires_grad)
        if self.context_layer is not None and other.context_layer is not None:
            other.context_layer.load_state_dict(self.context_layer.state_dict())
            other.context_layer.requires_grad_(self.context_layer.weight.requires_grad)
        return other


def _masked_layers(features: int, degrees: list[Tensor]) -> list[Linear]:
    *hidden, output = made_masks(degrees, features)
    return [MaskedLinear(m) for m in (*hidden, output, output)]


def _staircase_layers(features: int, degrees: list[Tensor], rectangles: int | None) -> list[Linear]:
    inputs = torch.arange(1, features + 1)
    layers: list[Linear] = []
    seen = inputs
    for seeing in degrees:
        prefix = prefix_lengths(seen, seeing, strict=False)
        layers.append(StaircaseLinear(prefix, len(seen), unit_cuts(len(seeing), rectangles)))
        seen = seeing
    prefix = prefix_lengths(seen, inputs, strict=True)
    # Outputs are cut where they begin to see the next group of hidden units.
    edges = torch.tensor(unit_cuts(len(seen), rectangles))
    cuts = torch.searchsorted(prefix, edges, right=True).unique().tolist()
    cuts = [c for c in cuts if 0 < c < features]
    return [*layers, *(StaircaseLinear(prefix, len(seen), cuts) for _ in range(2))]


def unit_cuts(units: int, rectangles: int | None) -> list[int]:
    """Where a layer's units are cut into equal groups."""
    count = max(1, min(units, rectangles or min(_MOST_RECTANGLES, units // _UNITS_PER_RECTANGLE)))
    return [round(k * units / count) for k in range(1, count)]
