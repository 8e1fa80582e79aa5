"""The batched training step is the plain one: losses, all gradients, and the weights after it."""

import copy

import pytest
import torch
import torch.nn.functional as F

from hw2lib.cyclegan import (
    TERMS,
    CycleGAN,
    ImagePool,
    Objective,
    PatchDiscriminator,
    ResnetGenerator,
    TrainingStep,
    adversarial_loss,
    discriminator_loss,
    generator_losses,
)


def networks() -> CycleGAN:
    torch.manual_seed(0)
    generators = [ResnetGenerator(blocks=2, features=4) for _ in range(2)]
    return CycleGAN(*generators, *(PatchDiscriminator(features=4) for _ in range(2))).double()


def images(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.rand(2, n, 3, 32, 32, dtype=torch.float64) * 2 - 1)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("gan", ["least_squares", "log"])
@pytest.mark.parametrize("n", [1, 2])
def test_batched_losses_and_gradients_equal_the_plain_ones(n, gan, layout):
    net = networks()
    x, y = images(n)
    found = []
    for batched in (False, True):
        if batched:
            net = net.to(memory_format=layout)
            x, y = x.contiguous(memory_format=layout), y.contiguous(memory_format=layout)
        net.zero_grad()
        losses, fake_b, fake_a = generator_losses(net, x, y, gan, batched)
        losses["D_A"] = discriminator_loss(net.D_A, y, fake_b.detach(), gan, batched)
        losses["D_B"] = discriminator_loss(net.D_B, x, fake_a.detach(), gan, batched)
        objective = Objective(gan=gan)
        (objective.generators(losses) + objective.discriminators(losses)).backward()
        found.append(({k: v.detach() for k, v in losses.items()}, [p.grad.clone() for p in net.parameters()]))
    (plain, plain_gradients), (fast, fast_gradients) = found
    assert set(plain) == set(TERMS)
    for name in TERMS:
        assert abs(float(plain[name] - fast[name])) < 1e-10
    for a, b in zip(plain_gradients, fast_gradients, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-10)


def squares(scores: torch.Tensor, target: float) -> torch.Tensor:
    return F.mse_loss(scores, torch.full_like(scores, target))


@pytest.mark.parametrize("batched", [False, True])
def test_losses_and_descent_are_those_written_out_from_the_four_networks(batched):
    """Batched and plain share their wiring: that they are equal does not say that it is right."""
    net, (x, y) = networks(), images(2)
    fake_b, fake_a = net.G_A(x), net.G_B(y)
    losses = {
        "G_A": squares(net.D_A(fake_b), 1.0),
        "G_B": squares(net.D_B(fake_a), 1.0),
        "D_A": (squares(net.D_A(y), 1.0) + squares(net.D_A(fake_b.detach()), 0.0)) / 2,
        "D_B": (squares(net.D_B(x), 1.0) + squares(net.D_B(fake_a.detach()), 0.0)) / 2,
        "cycle_A": F.l1_loss(net.G_B(fake_b), x),
        "cycle_B": F.l1_loss(net.G_A(fake_a), y),
        "idt_A": F.l1_loss(net.G_A(y), y),
        "idt_B": F.l1_loss(net.G_B(x), x),
    }
    cycle, identity = losses["cycle_A"] + losses["cycle_B"], losses["idt_A"] + losses["idt_B"]
    whole = losses["G_A"] + losses["G_B"] + 3 * cycle + 7 * identity
    objective = Objective(cycle=3, identity=7)
    assert abs(objective.generators(losses) - whole) < 1e-12
    groups = [list(net.generator_parameters()), list(net.discriminator_parameters())]
    gradients = [
        *torch.autograd.grad(whole, groups[0]),
        *torch.autograd.grad(losses["D_A"] + losses["D_B"], groups[1]),
    ]
    before = [p.detach().clone() for p in net.parameters()]
    # Without a pool the discriminators see what the generators have just made, and a step of plain descent
    # at rate 1 moves each weight by its gradient.
    pools = {"D_A": ImagePool(0), "D_B": ImagePool(0)}
    descents = [torch.optim.SGD(group, 1.0) for group in groups]
    found = TrainingStep(net, *descents, pools, objective, batched=batched)(x, y)
    assert set(found) == set(losses)
    for name, loss in losses.items():
        assert abs(found[name] - loss) < 1e-12, name
    moved = [old - new.detach() for old, new in zip(before, net.parameters(), strict=True)]
    torch.testing.assert_close(moved, gradients, rtol=1e-9, atol=1e-9)


def test_two_steps_move_all_weights_alike_with_and_without_batching():
    after = []
    for batched in (False, True):
        net = networks()
        step = training_step(net, batched=batched)
        torch.manual_seed(1)
        for _ in range(2):
            # A pool of one picture is full after the first step, so the second draws from it.
            losses = step(*images(1), generator=torch.Generator().manual_seed(3))
        assert tuple(losses) == TERMS and not any(v.requires_grad for v in losses.values())
        after.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    assert float((after[0] - after[1]).abs().max()) < 1e-7


def test_a_step_freezes_discriminators_only_while_generators_learn():
    net = networks()
    training_step(net)(*images(1))
    assert all(p.requires_grad for p in net.parameters())


def test_bfloat16_losses_are_near_the_exact_ones():
    net = networks().float()
    x, y = (image.float() for image in images(1))
    exact = training_step(copy.deepcopy(net))(x, y)
    rounded = training_step(net, bfloat16=True)(x, y)
    for name in TERMS:
        assert rounded[name].dtype == torch.float32
        assert abs(float(rounded[name] / exact[name]) - 1) < 0.05


def test_adversarial_losses_by_their_formulas():
    scores = torch.tensor([0.0, 2.0], dtype=torch.float64)
    assert float(adversarial_loss(scores, True)) == 1.0
    assert float(adversarial_loss(scores, False)) == 2.0
    expected = -torch.log(torch.sigmoid(scores)).mean()
    assert abs(float(adversarial_loss(scores, True, "log") - expected)) < 1e-12
    with pytest.raises(ValueError, match="kind='hinge'"):
        adversarial_loss(scores, True, "hinge")


def training_step(net: CycleGAN, **options) -> TrainingStep:
    generators = torch.optim.Adam(net.generator_parameters(), 2e-4, betas=(0.5, 0.999))
    discriminators = torch.optim.Adam(net.discriminator_parameters(), 2e-4, betas=(0.5, 0.999))
    pools = {"D_A": ImagePool(1), "D_B": ImagePool(1)}
    return TrainingStep(net, generators, discriminators, pools, **options)
