"""Small networks of which many copies are trained at once, each from a start of its own."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackedMLP(nn.Module):
    """Independent multilayer perceptrons of one shape, ReLU between layers, all in one module.

    Member k computes W₂ᵏ relu(W₁ᵏ relu(W₀ᵏ x + b₀ᵏ) + b₁ᵏ) + b₂ᵏ + sᵏ x. A loss that is a mean over the
    members gives each member the gradient of its own loss, divided by their number, which Adam does not
    feel: one training is as many trainings from different starts.

    Args:
        sizes: inputs, hidden units of each layer, outputs.
        generators: one per member, of its starting weights; they are drawn as ``torch.nn.Linear`` draws
            them, U(−1/√inputs, 1/√inputs).
        start: factor of the starting weights, one for all or one per member. Small ones make a network
            that gives nearly the same output for all inputs, as N(0, 0.02²) does.
        skip: 1 for members that add their input to the output, 0 for the others; one for all or one per
            member. The last layer of a member that adds it starts ten times smaller, so that the member
            starts as nearly a copy.

    Shapes:
        x: (n, members, inputs) → (n, members, outputs).

    Raises:
        ValueError: ``start`` or ``skip`` has another length than ``generators``, or a member is to add
            its input to an output of another size.

    Example:
        >>> generators = [torch.Generator().manual_seed(k) for k in range(3)]
        >>> StackedMLP([2, 16, 2], generators)(torch.zeros(5, 3, 2)).shape
        torch.Size([5, 3, 2])
    """

    skip: Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        generators: Sequence[torch.Generator],
        start: float | Sequence[float] = 1.0,
        skip: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__()
        factor = _per_member("start", start, len(generators))
        self.register_buffer("skip", _per_member("skip", skip, len(generators)))
        self.adds_input = bool(self.skip.any())
        if self.adds_input and sizes[0] != sizes[-1]:
            raise ValueError(f"sizes={list(sizes)}: a skip needs as many outputs as inputs")
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in zip(sizes, sizes[1:], strict=False):
            self.weights.append(nn.Parameter(_uniform(inputs, (inputs, outputs), generators) * factor))
            self.biases.append(nn.Parameter(_uniform(inputs, (1, outputs), generators)))
        with torch.no_grad():
            for parameter in (self.weights[-1], self.biases[-1]):
                parameter.mul_(1 - 0.9 * self.skip)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(0, 1)
        h = x
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, torch.relu(h) if k else h, weight)
        if self.adds_input:
            h = h + self.skip * x
        return h.transpose(0, 1)


def _per_member(name: str, value: float | Sequence[float], members: int) -> Tensor:
    values = torch.as_tensor(value, dtype=torch.get_default_dtype())
    if values.ndim and len(values) != members:
        raise ValueError(f"{name}: {len(values)} values for {members} members")
    return values.expand(members).clone()[:, None, None]


def _uniform(inputs: int, shape: tuple[int, int], generators: Sequence[torch.Generator]) -> Tensor:
    bound = 1 / math.sqrt(inputs)
    return torch.stack([(2 * torch.rand(shape, generator=g) - 1) * bound for g in generators])
