"""Clipping gradients is torch's, but for the work that it spares."""

import copy

import pytest
import torch

from hw2lib.training.maf import clip_gradients


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0, float("nan"), float("inf")])
def test_gradients_are_those_of_torch_to_the_bit(scale):
    generator = torch.Generator().manual_seed(0)
    ours = [torch.nn.Parameter(torch.zeros(5, 3)), torch.nn.Parameter(torch.zeros(7))]
    for parameter in ours:
        parameter.grad = scale * torch.randn(parameter.shape, generator=generator)
    theirs = copy.deepcopy(ours)
    for parameter, other in zip(ours, theirs, strict=True):
        other.grad = parameter.grad.clone()
    clip_gradients(ours, 10.0)
    torch.nn.utils.clip_grad_norm_(theirs, 10.0)
    for parameter, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=0, atol=0, equal_nan=True)
