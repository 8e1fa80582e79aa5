"""Compiling a step and recording it in CUDA graphs leave it what it is: losses, and the weights after it."""

import functools

import pytest
import torch

from hw2lib.cyclegan import TERMS, ImagePool, TrainingStep
from hw2lib.cyclegan.graphs import GraphedStep, unchanged
from hw2lib.errors import UserError
from hw2lib.jobs.cyclegan import run_cyclegan
from hw2lib.training.cyclegan import build_training, set_learning_rate
from hw2lib.training.settings import CycleGANConfig

# Learning rates are powers of two, so that a tensor of one, which is in float32, is the same number.
TINY = CycleGANConfig(size=32, blocks=1, features=4, pool=1, learning_rate=2**-12)
GRAPHS = TINY.model_copy(update={"cuda_graphs": True})
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def training(config: CycleGANConfig = TINY, device: str = "cpu") -> TrainingStep:
    step = build_training(config, torch.device(device))
    step.net.double()
    return step


def images(device: str = "cpu", n: int = 1) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    both = torch.rand(2, n, 3, 32, 32, dtype=torch.float64, generator=generator) * 2 - 1
    return both.to(device).unbind()


def run(step: TrainingStep, device: str = "cpu") -> list[torch.Tensor]:
    """The losses of three steps, at two learning rates, and then all weights."""
    # A pool of one picture is full after the first step, so the others draw from it.
    generator, found = torch.Generator().manual_seed(3), []
    for rate in (2**-12, 2**-12, 2**-17):
        for optimizer in (step.generators, step.discriminators):
            set_learning_rate(optimizer, rate)
        losses = step(*images(device), generator)
        assert tuple(losses) == TERMS and not any(loss.requires_grad for loss in losses.values())
        found += losses.values()
    return found + [p.detach().flatten() for p in step.net.parameters()]


def assert_alike(found: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        # Adam divides by the size of the gradient, which makes much of the last digits of a small one.
        torch.testing.assert_close(a.cpu(), b.cpu(), rtol=0, atol=1e-10 if a.ndim == 0 else 1e-7)


@pytest.mark.slow
def test_a_compiled_step_is_the_plain_one(monkeypatch):
    # The traces of the losses and their gradients, run as they are: no C++ is made of them. A break raises.
    monkeypatch.setattr(
        torch, "compile", functools.partial(torch.compile, backend="aot_eager", fullgraph=True)
    )
    torch._dynamo.reset()
    plain, compiled = training(), training(TINY.model_copy(update={"compile": True}))
    assert_alike(run(compiled), run(plain))


@on_gpu
def test_a_step_compiled_for_a_gpu_is_the_plain_one():
    plain, compiled = training(device="cuda"), training(TINY.model_copy(update={"compile": True}), "cuda")
    assert_alike(run(compiled, "cuda"), run(plain, "cuda"))


@on_gpu
@pytest.mark.parametrize("compiled", [False, True])
def test_a_recorded_step_is_the_plain_one(compiled):
    plain = training(device="cuda")
    recorded = training(GRAPHS.model_copy(update={"compile": compiled}), "cuda")
    assert_alike(run(recorded, "cuda"), run(plain, "cuda"))


@on_gpu
def test_images_of_another_shape_go_through_the_plain_step():
    plain, recorded = training(device="cuda"), training(GRAPHS, "cuda")
    for n in (1, 2, 1):
        for step in (plain, recorded):
            step.pools = {name: ImagePool(0) for name in step.pools}
        expected, found = plain(*images("cuda", n)), recorded(*images("cuda", n))
        for name in TERMS:
            assert abs(float(found[name] - expected[name])) < 1e-8


@pytest.mark.parametrize("steps_before", [0, 2])
def test_what_is_done_before_a_recording_is_undone(steps_before):
    step, other = training(), training()
    for k in range(steps_before):
        for each in (step, other):
            each(*images(), torch.Generator().manual_seed(k))
    places = [p.data_ptr() for p in step.net.parameters()]
    with unchanged(step):
        _, fake_b, fake_a = step.update_generators(*images())
        step.update_discriminators(*images(), fake_b, fake_a)
    assert [p.data_ptr() for p in step.net.parameters()] == places
    assert all(p.grad is None for p in step.net.parameters())
    # From the same weights and moments the same steps follow, to the bit.
    for a, b in zip(run(step), run(other), strict=True):
        assert torch.equal(a, b)


def test_a_learning_rate_that_a_recording_would_freeze_is_refused():
    with pytest.raises(ValueError, match="learning rates in tensors"):
        GraphedStep(**vars(training()))
    step = training(GRAPHS)
    rate = step.generators.param_groups[0]["lr"]
    set_learning_rate(step.generators, 1e-3)
    assert step.generators.param_groups[0]["lr"] is rate and float(rate) == pytest.approx(1e-3)
    assert isinstance(step, GraphedStep)


def test_cuda_graphs_are_not_for_a_cpu(tmp_path):
    with pytest.raises(UserError, match="cuda_graphs=true: needs a CUDA device"):
        run_cyclegan(GRAPHS, None, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
