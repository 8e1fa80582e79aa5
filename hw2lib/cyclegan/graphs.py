"""A training step replayed from CUDA graphs.

At batch 1 the kernels of a step are so small that a GPU waits for the CPU that launches them, one by one. A
graph records the launches once, with the memory that they read and write, and starts them together.

Source: Nguyen et al. 2021 (PyTorch: "Accelerating PyTorch with CUDA Graphs").
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from .step import Losses, TrainingStep

# Kernels are chosen, and the optimizers' moments made, in steps before the recording.
WARMUP_STEPS = 3


@dataclass
class GraphedStep(TrainingStep):
    """A training step whose two updates, of the generators and of the discriminators, are graphs.

    Between the two, the pools exchange images as ever: their decisions are the CPU's. The first call records;
    images of another shape than its own are not replayed, and the result is the same. Networks and images
    are on a GPU, and the optimizers are such as :func:`~hw2lib.training.cyclegan.build_training` makes for
    graphs: ``capturable``, with the learning rate in a tensor. A number would be recorded, and later changes
    of it ignored.

    Raises:
        ValueError: an optimizer is not such.
    """

    def __post_init__(self) -> None:
        for optimizer in (self.generators, self.discriminators):
            for group in optimizer.param_groups:
                if not (group.get("capturable") and isinstance(group["lr"], Tensor)):
                    raise ValueError("expected capturable optimizers with their learning rates in tensors")
        self.shape: torch.Size | None = None

    def update_generators(self, x: Tensor, y: Tensor) -> tuple[Losses, Tensor, Tensor]:
        if self.shape is None:
            self._record(x, y)
        if x.shape != self.shape:
            return super().update_generators(x, y)
        losses, fake_b, fake_a = self._generators(x, y)
        return _copies(losses), fake_b, fake_a

    def update_discriminators(self, x: Tensor, y: Tensor, fake_b: Tensor, fake_a: Tensor) -> Losses:
        if x.shape != self.shape:
            return super().update_discriminators(x, y, fake_b, fake_a)
        return _copies(self._discriminators(x, y, fake_b, fake_a))

    def _record(self, x: Tensor, y: Tensor) -> None:
        generators, discriminators = super().update_generators, super().update_discriminators
        with unchanged(self), _beside(x.device):
            for _ in range(WARMUP_STEPS):
                _, fake_b, fake_a = generators(x, y)
                discriminators(x, y, fake_b, fake_a)
        self._generators = _Recorded(generators, x, y)
        self._discriminators = _Recorded(discriminators, x, y, fake_b, fake_a)
        self.shape = x.shape


class _Recorded:
    """A function of tensors as a graph. Recording it does not run it; its results are written over."""

    def __init__(self, function: Callable, *inputs: Tensor) -> None:
        self.inputs = [value.clone() for value in inputs]
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.outputs = function(*self.inputs)

    def __call__(self, *inputs: Tensor):
        for held, given in zip(self.inputs, inputs, strict=True):
            held.copy_(given)
        self.graph.replay()
        return self.outputs


@contextmanager
def unchanged(step: TrainingStep) -> Iterator[None]:
    """Undo what is done to the networks and optimizers of ``step``, in the tensors in which they lie.

    Moments that an optimizer makes meanwhile stay, at zero, where Adam begins.
    """
    weights = _copies(step.net.state_dict())
    optimizers = step.generators, step.discriminators
    moments = [{p: _copies(state) for p, state in o.state.items()} for o in optimizers]
    yield
    step.net.load_state_dict(weights)
    for optimizer, before in zip(optimizers, moments, strict=True):
        for parameter, state in optimizer.state.items():
            for name, value in state.items():
                value.copy_(before[parameter][name]) if parameter in before else value.zero_()
        optimizer.zero_grad(set_to_none=True)


def _copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tensors.items()}


@contextmanager
def _beside(device: torch.device) -> Iterator[None]:
    """Work on a stream of its own, as work before a recording has to be."""
    current, stream = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        yield
    current.wait_stream(stream)
