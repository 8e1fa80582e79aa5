"""One training step of CycleGAN: eight losses, two optimizers, two image pools."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from .losses import GANLoss, adversarial_loss, cycle_loss, identity_loss
from .pool import ImagePool

TERMS = ("G_A", "G_B", "D_A", "D_B", "cycle_A", "cycle_B", "idt_A", "idt_B")
Losses = dict[str, Tensor]


class CycleGAN(nn.Module):
    """The four networks, named as in the authors' code: the suffix A belongs to the direction A → B.

    Attributes:
        G_A: G of the paper, A → B.
        G_B: F of the paper, B → A.
        D_A: D_Y of the paper, tells images of B from what G_A makes.
        D_B: D_X of the paper, tells images of A from what G_B makes.

    Source: Zhu et al. 2017, section 3.
    """

    def __init__(self, G_A: nn.Module, G_B: nn.Module, D_A: nn.Module, D_B: nn.Module) -> None:
        super().__init__()
        self.G_A, self.G_B, self.D_A, self.D_B = G_A, G_B, D_A, D_B

    def generator_parameters(self) -> Iterator[nn.Parameter]:
        return itertools.chain(self.G_A.parameters(), self.G_B.parameters())

    def discriminator_parameters(self) -> Iterator[nn.Parameter]:
        return itertools.chain(self.D_A.parameters(), self.D_B.parameters())


@dataclass(frozen=True)
class Objective:
    """What is minimised.

    Attributes:
        cycle: λ, weight of the cycle losses.
        identity: λ_id, weight of the identity losses, absolute: 5 is the authors' 0.5 times λ = 10.
        gan: the adversarial loss.
    """

    cycle: float = 10.0
    identity: float = 5.0
    gan: GANLoss = "least_squares"

    def generators(self, losses: Losses) -> Tensor:
        """G_A + G_B + λ (cycle_A + cycle_B) + λ_id (idt_A + idt_B) (book: eq-cyclegan-loss,
        eq-identity-loss).

        Source: Zhu et al. 2017, equation 3 and section 5.2.
        """
        cycle, identity = losses["cycle_A"] + losses["cycle_B"], losses["idt_A"] + losses["idt_B"]
        return losses["G_A"] + losses["G_B"] + self.cycle * cycle + self.identity * identity

    def discriminators(self, losses: Losses) -> Tensor:
        """D_A + D_B."""
        return losses["D_A"] + losses["D_B"]


def generator_losses(
    net: CycleGAN, x: Tensor, y: Tensor, gan: GANLoss = "least_squares", batched: bool = True
) -> tuple[Losses, Tensor, Tensor]:
    """The six losses of the generators, without their weights.

    With ``batched``, F(y) and F(x) are one batch, and G(x), G(y) and G(F(y)) another. Instance norm is per
    image, so the losses and their gradients stay the same; without it each is a call of its own.

    Args:
        net: the networks.
        x: images of A in [−1, 1], shape (n, 3, height, width).
        y: images of B, same shape.
        gan: the adversarial loss.
        batched: whether to run a network once on what it can see at once.

    Returns:
        The losses, G(x) of domain B, F(y) of domain A.
    """
    fake_a, idt_b = _outputs(net.G_B, (y, x), batched)
    fake_b, idt_a, cycled_b = _outputs(net.G_A, (x, y, fake_a), batched)
    (cycled_a,) = _outputs(net.G_B, (fake_b,), batched)
    losses = {
        "G_A": adversarial_loss(_at_least_single(net.D_A(fake_b)), True, gan),
        "G_B": adversarial_loss(_at_least_single(net.D_B(fake_a)), True, gan),
        "cycle_A": cycle_loss(cycled_a, x),
        "cycle_B": cycle_loss(cycled_b, y),
        "idt_A": identity_loss(idt_a, y),
        "idt_B": identity_loss(idt_b, x),
    }
    return losses, fake_b, fake_a


def discriminator_loss(
    discriminator: nn.Module, real: Tensor, fake: Tensor, gan: GANLoss = "least_squares", batched: bool = True
) -> Tensor:
    """½ (loss on real images + loss on generated ones), both in one batch if ``batched``.

    The half slows the discriminator down against the generators (Zhu et al. 2017, section 7.1).

    Args:
        discriminator: D.
        real: images of its domain, shape (n, 3, height, width).
        fake: generated images without gradient, shape (m, 3, height, width).
        gan: the adversarial loss.
        batched: whether to run the discriminator once.
    """
    on_real, on_fake = _outputs(discriminator, (real, fake), batched)
    return 0.5 * (adversarial_loss(on_real, True, gan) + adversarial_loss(on_fake, False, gan))


@dataclass
class TrainingStep:
    """Everything that a step of training changes or uses.

    Attributes:
        net: the four networks.
        generators: optimizer of G_A and G_B.
        discriminators: optimizer of D_A and D_B.
        pools: the history of generated images that D_A and D_B see, under these names.
        objective: weights and kind of the losses.
        bfloat16: whether convolutions run in bfloat16; weights and losses stay in float32.
        batched: see :func:`generator_losses`.
        compile: whether ``torch.compile`` fuses the losses and their gradients; the first step then takes
            minutes, and the sums are ordered otherwise.
        processes: those that take equal shares of each batch; their gradients are averaged, and each has
            the same pools.
    """

    net: CycleGAN
    generators: torch.optim.Optimizer
    discriminators: torch.optim.Optimizer
    pools: Mapping[str, ImagePool]
    objective: Objective = Objective()
    bfloat16: bool = False
    batched: bool = True
    compile: bool = False
    processes: Fabric | None = None

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator | None = None) -> Losses:
        """Update the generators, then the discriminators on what the generators made before that.

        Args:
            x: images of A in [−1, 1], shape (n, 3, height, width).
            y: images of B, same shape.
            generator: of the pools' decisions.

        Returns:
            The eight losses by name (``TERMS``), without weights and without gradient.
        """
        losses, fake_b, fake_a = self.update_generators(x, y)
        fake_b, fake_a = self.exchange("D_A", fake_b, generator), self.exchange("D_B", fake_a, generator)
        losses |= self.update_discriminators(x, y, fake_b, fake_a)
        return {name: losses[name] for name in TERMS}

    def update_generators(self, x: Tensor, y: Tensor) -> tuple[Losses, Tensor, Tensor]:
        """One step of the generators' optimizer: their six losses, G(x) and F(y), all without gradient."""
        with _frozen(self.net.discriminator_parameters()):
            with self._precision(x.device):
                losses, fake_b, fake_a = self._fused(generator_losses)(
                    self.net, x, y, self.objective.gan, self.batched
                )
            self._descend(self.generators, self.objective.generators(losses))
        return _detached(losses), fake_b.detach(), fake_a.detach()

    def update_discriminators(self, x: Tensor, y: Tensor, fake_b: Tensor, fake_a: Tensor) -> Losses:
        """One step of the discriminators' optimizer on real images and what the pools gave: both losses."""
        loss, gan = self._fused(discriminator_loss), self.objective.gan
        with self._precision(x.device):
            losses = {
                "D_A": loss(self.net.D_A, y, fake_b, gan, self.batched),
                "D_B": loss(self.net.D_B, x, fake_a, gan, self.batched),
            }
        self._descend(self.discriminators, self.objective.discriminators(losses))
        return _detached(losses)

    def exchange(self, pool: str, fake: Tensor, generator: torch.Generator | None) -> Tensor:
        """What a pool gives for generated images; with several processes, for those of all in order."""
        if self.processes is None:
            return self.pools[pool](fake, generator)
        rank, world = self.processes.global_rank, self.processes.world_size
        gathered = self.processes.all_gather(fake)
        assert isinstance(gathered, Tensor)
        whole = gathered.reshape(world, *fake.shape).transpose(0, 1).flatten(0, 1)
        return self.pools[pool](whole, generator)[rank::world]

    def _descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.processes is not None:
            for parameter in (p for group in optimizer.param_groups for p in group["params"]):
                parameter.grad = self.processes.all_reduce(parameter.grad)
        optimizer.step()

    def _fused(self, function: Callable) -> Callable:
        # The batches of one function differ in size, but each is the same in every step.
        return torch.compile(function, dynamic=False) if self.compile else function

    def _precision(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16)


def _outputs(network: nn.Module, batches: tuple[Tensor, ...], batched: bool) -> list[Tensor]:
    """What a network makes of each batch, in float32 or wider."""
    if not batched:
        return [_at_least_single(network(batch)) for batch in batches]
    return list(_at_least_single(network(torch.cat(batches))).split([len(batch) for batch in batches]))


def _detached(losses: Losses) -> Losses:
    return {name: loss.detach() for name, loss in losses.items()}


def _at_least_single(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


@contextmanager
def _frozen(parameters: Iterator[nn.Parameter]) -> Iterator[None]:
    """Spare the gradients of weights that only pass a gradient on."""
    frozen = list(parameters)
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
