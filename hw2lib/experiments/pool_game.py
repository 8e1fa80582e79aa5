"""What the image pool does to a small game: one point, chased by a discriminator that may forget.

Many games with different seeds run side by side, as a batch of independent networks.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hw2lib.cyclegan.pool import ImagePool

NOISE, HIDDEN = 0.2, 32


@dataclass(frozen=True)
class Game:
    """What was recorded of the games, of their second half only.

    Attributes:
        path: the generator's point after each step, shape (steps, seeds, 2).
        loss: the discriminator's loss, shape (steps, seeds).
        on_new: squared score of what the generator makes at the moment; 0 is the right answer.
        on_old: squared score of what it made 50 to 150 steps before; both of shape (checks, seeds).
    """

    path: Tensor
    loss: Tensor
    on_new: Tensor
    on_old: Tensor

    def wander(self) -> Tensor:
        """Root of the mean squared distance of the point from its own mean, shape (seeds,)."""
        return (self.path - self.path.mean(0)).square().sum(2).mean(0).sqrt()

    def loss_swing(self, window: int = 25) -> Tensor:
        """Standard deviation of the loss averaged over ``window`` steps, shape (seeds,)."""
        whole = len(self.loss) // window * window
        return self.loss[:whole].reshape(-1, window, self.loss.shape[1]).mean(1).std(0)

    def forgetting(self) -> Tensor:
        """How much worse old images are told apart than new ones: mean of on_old − on_new, shape (seeds,)."""
        return (self.on_old - self.on_new).mean(0)


def play(
    pool: int, seeds: int = 16, steps: int = 1200, modes: int = 4, learning_rate: float = 1e-2, seed: int = 0
) -> Game:
    """A generator with two weights against a discriminator with one hidden layer pair.

    The generator makes θ + noise, so it can stand at one mode of the data only: the situation in which
    a discriminator can always be escaped. Both learn by Adam with β₁ = 0.5 on the least-squares loss,
    one image per step, and the discriminator sees what :class:`~hw2lib.cyclegan.ImagePool` gives back.

    Args:
        pool: size of the image pool; 0 shows only the newest image.
        seeds: games side by side.
        steps: per game, at least 120.
        modes: normal distributions on the unit circle, standard deviation 0.2; a single one at the origin.
        learning_rate: of both players.
        seed: of all random numbers.

    Raises:
        ValueError: too few steps for images that are 50 steps old.
    """
    if steps < 120:
        raise ValueError(f"steps={steps}: expected at least 120")
    generator = torch.Generator().manual_seed(seed)
    data = centres(modes)
    theta = (0.5 * _normal(generator, seeds, 1, 2)).requires_grad_()
    discriminator = _Discriminators(seeds, generator)
    maker = torch.optim.Adam([theta], learning_rate, betas=(0.5, 0.999))
    critic = torch.optim.Adam(discriminator.weights, learning_rate, betas=(0.5, 0.999))
    pools = [ImagePool(pool) for _ in range(seeds)]
    made, path, losses, on_new, on_old = [], [], [], [], []
    for step in range(steps):
        fake = theta + NOISE * _normal(generator, seeds, 1, 2)
        (theta.grad,) = torch.autograd.grad((discriminator(fake) - 1).square().sum(), [theta])
        maker.step()
        fake = fake.detach()
        shown = torch.stack([pools[k](fake[k], generator) for k in range(seeds)])
        real = data[torch.randint(len(data), (seeds, 1), generator=generator)]
        real = real + NOISE * _normal(generator, seeds, 1, 2)
        loss = 0.5 * ((discriminator(real) - 1).square() + discriminator(shown).square()).flatten(1).mean(1)
        critic.zero_grad(set_to_none=True)
        loss.sum().backward()
        critic.step()
        made.append(fake)
        path.append(theta.detach()[:, 0].clone())
        losses.append(loss.detach())
        if step >= steps // 2 and step % 25 == 0:
            with torch.no_grad():
                on_new.append(discriminator(torch.cat(made[-25:], 1)).square().mean((1, 2)))
                on_old.append(discriminator(torch.cat(made[-150:-50], 1)).square().mean((1, 2)))
    half = steps // 2
    return Game(
        torch.stack(path)[half:], torch.stack(losses)[half:], torch.stack(on_new), torch.stack(on_old)
    )


def older_share(pool: int, draws: int, generator: torch.Generator) -> tuple[float, float]:
    """How often a full pool gives an older image back, and how many steps old it then is on average.

    Images are numbered and go in one by one, as in training with batches of 1.

    Returns:
        The share of older images among ``draws``, and their mean age.
    """
    images, ages = ImagePool(pool), []
    settled = 20 * pool  # the ages of a pool that has just been filled are still too small
    for number in range(settled + draws):
        back = int(images(torch.tensor([[[[float(number)]]]]), generator))
        if number >= settled:
            ages.append(number - back)
    older = [age for age in ages if age > 0]
    return len(older) / draws, sum(older) / max(len(older), 1)


class _Discriminators:
    """Independent networks 2 → HIDDEN → HIDDEN → 1, one per seed, as batched matrix products."""

    def __init__(self, seeds: int, generator: torch.Generator) -> None:
        widths = (2, HIDDEN, HIDDEN, 1)
        self.weights: list[Tensor] = []
        for inner, outer in zip(widths, widths[1:], strict=False):
            self.weights.append((_normal(generator, seeds, inner, outer) / math.sqrt(inner)).requires_grad_())
            self.weights.append(torch.zeros(seeds, 1, outer, dtype=torch.float64).requires_grad_())

    def __call__(self, x: Tensor) -> Tensor:
        """(seeds, n, 2) → (seeds, n, 1)."""
        for k in range(0, len(self.weights), 2):
            x = torch.baddbmm(self.weights[k + 1], x, self.weights[k])
            if k < len(self.weights) - 2:
                x = F.leaky_relu(x, 0.2)
        return x


def centres(modes: int) -> Tensor:
    """Where the data have their modes, shape (modes, 2): on the unit circle; a single one at the origin."""
    angle = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / modes
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    return circle if modes > 1 else torch.zeros(1, 2, dtype=torch.float64)


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
