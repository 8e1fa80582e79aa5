"""Tasks on toy images that move shapes or only recolour them, and what networks make of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR

from hw2lib.cyclegan.networks import PatchDiscriminator, ResnetGenerator, UnetGenerator
from hw2lib.cyclegan.pool import ImagePool
from hw2lib.cyclegan.step import CycleGAN, Objective, TrainingStep
from hw2lib.minimise import minimise
from hw2lib.seeding import seeded_init

Task = Literal["recolour", "shift", "mirror"]
SHIFT = 4
TASKS: dict[Task, Callable[[Tensor], Tensor]] = {
    "recolour": lambda images: -images,
    "shift": lambda images: images.roll(SHIFT, 3),
    "mirror": lambda images: images.flip(3),
}


def rectangles(count: int, generator: torch.Generator, size: int = 16, red: bool = False) -> Tensor:
    """One rectangle in the left part of a grey image, of random place and size.

    Its centre lies between a fourth and half of the width, so that both shifting and mirroring it keep it
    whole and move it to the right.

    Args:
        count: number of images.
        generator: of everything random.
        size: side of the images.
        red: shades of red instead of any colour; mirrored or turned into their negatives, these images
            make another domain, which any colours would not.

    Returns:
        Shape (count, 3, size, size), values in (−1, 1).
    """
    axis = torch.arange(size)
    sides = torch.randint(size // 4, size // 2, (2, count, 1), generator=generator)
    row = torch.randint(size // 4, 3 * size // 4, (count, 1), generator=generator)
    column = torch.randint(size // 4, size // 2 - 1, (count, 1), generator=generator)
    rows, columns = (axis - row).abs() * 2 < sides[0], (axis - column).abs() * 2 < sides[1]
    if red:
        shade = 0.6 + 0.3 * torch.rand(count, 1, 1, 1, generator=generator)
        colour = shade * torch.tensor([1.0, -0.7, -0.7])[:, None, None]
    else:
        colour = 1.6 * torch.rand(count, 3, 1, 1, generator=generator) - 0.8
    return (rows[:, None, :, None] & columns[:, None, None, :]) * colour


def fit_task(
    network: nn.Module, task: Task, steps: int, seed: int = 0, batch: int = 16, learning_rate: float = 5e-3
) -> None:
    """Teach a network a task from pairs, by Adam on the L1 distance: no adversary, no cycle.

    The learning rate falls linearly to a tenth, so that the end is no matter of the last step.
    """
    generator = torch.Generator().manual_seed(seed)
    linear = partial(LinearLR, start_factor=1.0, end_factor=0.1, total_iters=steps)

    def loss() -> Tensor:
        images = rectangles(batch, generator, red=True)
        return F.l1_loss(network(images), TASKS[task](images))

    minimise(loss, network.parameters(), steps, learning_rate, betas=(0.5, 0.999), schedule=linear)


def relative_error(output: Tensor, target: Tensor) -> float:
    """‖output − target‖₁ / ‖target‖₁ (book: eq-relative-error).

    A grey answer gets 1; an answer that leaves a shape where it was, while it should be elsewhere, gets 2,
    less where the two places overlap.
    """
    return float((output.detach() - target).abs().sum() / target.abs().sum())


@torch.no_grad()
def transplant(unet: UnetGenerator, through_bottleneck: Tensor, through_skips: Tensor) -> Tensor:
    """The U-Net's output when its innermost level sees one image and its skip connections another.

    The answer says which of the two ways carries what: with one image for both, it is ``unet(image)``.

    Args:
        unet: the network.
        through_bottleneck: what is encoded down to the innermost level, shape (n, 3, height, width).
        through_skips: what the outer levels hand across, same shape.
    """
    deep, seen, x = through_bottleneck, [], through_skips
    for down in unet.downs:
        deep, x = down(deep), down(x)
        seen.append(x)
    seen.pop()
    x = unet.ups[-1](deep)
    for up in reversed(unet.ups[:-1]):
        x = up(torch.cat([x, seen.pop()], dim=1))
    return x


def nearer_to_skips(unet: UnetGenerator, task: Task, images: Tensor) -> float:
    """How many times as near a transplanted output is to the answer of the skip connections' image.

    Each image is encoded down to the innermost level while the skip connections see the one before it;
    the errors (book: eq-relative-error) to the two right answers are divided by each other.
    """
    other = images.roll(1, 0)
    mixed = transplant(unet, through_bottleneck=images, through_skips=other)
    to_bottleneck, to_skips = (relative_error(mixed, TASKS[task](seen)) for seen in (images, other))
    return to_bottleneck / to_skips


def agreement(outputs: Tensor, answers: Tensor) -> float:
    """Correlation of outputs and right answers, the mean image of each taken off (book: eq-agreement).

    What all outputs have in common counts for nothing: a generator that paints one convincing image of the
    target domain, whatever it is given, gets 0; the right answer for each input gets 1.

    Shapes:
        outputs, answers: (n, 3, height, width), in the same order.
    """
    outputs, answers = outputs - outputs.mean(0), answers - answers.mean(0)
    return float((outputs * answers).sum() / (outputs.norm() * answers.norm()))


@dataclass(frozen=True)
class Translation:
    """What a small CycleGAN makes of unseen images, averaged over the last third of its training.

    Attributes:
        inputs: of domain A, shape (n, 3, size, size).
        outputs: mean of G(x) over training steps, same shape.
        cycled: mean of F(G(x)).
        answers: the task done to the inputs, which no network has seen.
    """

    inputs: Tensor
    outputs: Tensor
    cycled: Tensor
    answers: Tensor


def translate(
    task: Task, steps: int, objective: Objective, seed: int = 0, size: int = 24, batch: int = 2
) -> Translation:
    """CycleGAN in small, without pairs: red rectangles, and other ones to which a task has been done.

    Step, losses and pool are those of the full training. Generators with one residual block,
    discriminators with two layers of stride 2, 8 channels, Adam at 2·10⁻³. A single moment of an adversarial
    training says little, so the outputs of every fourth step of the last third are averaged.

    Args:
        task: B holds images of A's kind after this task.
        steps: of training, at least 12.
        objective: weights of the losses.
        seed: of weights and images.
        size: side of the images.
        batch: images per step.
    """
    generator = torch.Generator().manual_seed(seed)
    with seeded_init(seed):
        net = CycleGAN(
            ResnetGenerator(1, 8), ResnetGenerator(1, 8), PatchDiscriminator(8, 2), PatchDiscriminator(8, 2)
        )
    step = TrainingStep(
        net,
        torch.optim.Adam(net.generator_parameters(), 2e-3, (0.5, 0.999)),
        torch.optim.Adam(net.discriminator_parameters(), 2e-3, (0.5, 0.999)),
        {"D_A": ImagePool(50), "D_B": ImagePool(50)},
        objective,
    )
    unseen = rectangles(48, torch.Generator().manual_seed(99), size, red=True)
    outputs, cycled = [], []
    for number in range(1, steps + 1):
        x, y = (rectangles(batch, generator, size, red=True) for _ in range(2))
        step(x, TASKS[task](y), generator)
        if number > 2 * steps // 3 and number % 4 == 0:
            with torch.no_grad():
                outputs.append(net.G_A(unseen))
                cycled.append(net.G_B(outputs[-1]))
    mean, back = (torch.stack(images).mean(0) for images in (outputs, cycled))
    return Translation(unseen, mean, back, TASKS[task](unseen))
