"""The loop of Adam: what it returns, where it steps, and that schedule, groups and clipping reach it."""

from functools import partial

import pytest
import torch
from torch.optim.lr_scheduler import LinearLR

from hw2lib.minimise import minimise


def weights(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_the_first_step_is_the_learning_rate_against_the_sign_of_the_gradient():
    x = weights(1.0, -3.0)
    losses = minimise(lambda: (x * torch.tensor([2.0, -50.0])).sum(), [x], steps=1, learning_rate=0.25)
    assert losses == [152.0], "the loss before the step"
    torch.testing.assert_close(
        x.detach(), torch.tensor([0.75, -2.75], dtype=torch.float64), rtol=0, atol=1e-8
    )


def test_without_steps_nothing_moves():
    x = weights(1.0)
    assert minimise(lambda: x.sum(), [x], steps=0) == [] and x.item() == 1


def test_groups_have_learning_rates_of_their_own():
    x, y = weights(0.0), weights(0.0)
    minimise(lambda: x.sum() + y.sum(), [{"params": [x], "lr": 0.5}, {"params": [y]}], 1, learning_rate=0.1)
    assert x.item() == pytest.approx(-0.5) and y.item() == pytest.approx(-0.1)


def test_a_schedule_sets_the_rate_of_every_step():
    # Under a constant gradient each step of Adam is as long as the learning rate: 1 + 2/3 + 1/3.
    x = weights(0.0)
    minimise(
        lambda: x.sum(),
        [x],
        steps=3,
        learning_rate=1.0,
        schedule=partial(LinearLR, start_factor=1.0, end_factor=0.0, total_iters=3),
    )
    assert x.item() == pytest.approx(-2.0)


@pytest.mark.parametrize(("bound", "norm"), [(1.0, 1.0), (10.0, 5.0)])
def test_only_gradients_beyond_the_bound_are_scaled_down(bound, norm):
    x, y = weights(0.0), weights(0.0)
    minimise(lambda: 3 * x.sum() + 4 * y.sum(), [x, y], steps=1, clip_norm=bound)
    assert torch.cat([x.grad, y.grad]).norm().item() == pytest.approx(norm, rel=1e-5)
    assert (y.grad / x.grad).item() == pytest.approx(4 / 3)
