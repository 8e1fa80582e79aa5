"""What a patch score sees: receptive fields layer by layer, and the pixels that move a score."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hw2lib.cyclegan.losses import adversarial_loss
from hw2lib.cyclegan.networks import PatchDiscriminator
from hw2lib.minimise import minimise
from hw2lib.seeding import seeded_init

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@dataclass(frozen=True)
class LayerShape:
    """Layers with weights that follow each other and are alike.

    Attributes:
        name: their kind, ``Conv2d`` or ``ConvTranspose2d``.
        shape: (channels, height, width) of what each gives.
        parameters: of each.
        count: how many they are.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    count: int = 1


def shape_table(network: nn.Module, size: int) -> list[LayerShape]:
    """What each layer with weights makes of an image of ``size`` × ``size`` pixels, in order of execution.

    The network is run on one grey image, so this takes a forward pass.
    """
    seen: list[tuple[str, tuple[int, ...], int]] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weights = sum(parameter.numel() for parameter in layer.parameters())
        seen.append((type(layer).__name__, tuple(output.shape[1:]), weights))

    layers = (layer for layer in network.modules() if isinstance(layer, _CONVOLUTIONS))
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, size, size))
    finally:
        for hook in hooks:
            hook.remove()
    return [LayerShape(*stage, count=len(list(alike))) for stage, alike in groupby(seen)]


@dataclass(frozen=True)
class FieldRow:
    """One convolution of a chain: what one of its outputs sees of the input.

    Attributes:
        kernel: side of the kernel.
        stride: step of the kernel on its own input.
        jump: distance in input pixels between the fields of neighbouring outputs.
        field: side of the field in input pixels.
        start: first input pixel of output 0's field; negative where it begins in the padding.
    """

    kernel: int
    stride: int
    jump: int
    field: int
    start: int


def field_table(network: nn.Module) -> list[FieldRow]:
    """Receptive fields after each convolution of a chain, from the input on (book: eq-receptive-field-sum).

    rₗ = rₗ₋₁ + (kₗ − 1) jₗ₋₁ with jₗ = sₗ jₗ₋₁, r₀ = j₀ = 1: the recursion of
    :func:`~hw2lib.cyclegan.receptive_field` read the other way round.

    Source: Araujo, Norris and Sim 2019.

    Example:
        >>> from hw2lib.cyclegan import PatchDiscriminator
        >>> [row.field for row in field_table(PatchDiscriminator())]
        [4, 10, 22, 46, 70]
    """
    rows, jump, field, start = [], 1, 1, 0
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            kernel, stride, padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
            reach = layer.dilation[0] * (kernel - 1)
            field += reach * jump
            start -= padding * jump
            jump *= stride
            rows.append(FieldRow(kernel, stride, jump, field, start))
    return rows


def strided_chain(strides: Sequence[int], kernel: int = 4) -> nn.Sequential:
    """Convolutions with one channel and these strides: enough to ask what a chain of layers would see.

    Example:
        >>> field_table(strided_chain((2, 2, 2, 2, 1)))[-1].field
        94
    """
    return nn.Sequential(
        *(nn.Conv2d(3 if k == 0 else 1, 1, kernel, stride=s, padding=1) for k, s in enumerate(strides))
    )


def convolutions_alone(network: nn.Module) -> nn.Sequential:
    """The convolutions of a chain with their weights, without norms and activations between them."""
    return nn.Sequential(*(layer for layer in network.modules() if isinstance(layer, nn.Conv2d)))


def without_norms(network: nn.Module) -> nn.Sequential:
    """A discriminator's layers with their weights, without instance norm: strictly a score per patch."""
    layers = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.LeakyReLU))
    return nn.Sequential(*layers)


def pixel_influence(network: nn.Module, image: Tensor, row: int, column: int) -> Tensor:
    """Σ over channels of (∂ score / ∂ pixel)²: zero exactly where a pixel cannot move the score.

    Args:
        network: maps (1, channels, height, width) to (1, 1, rows, columns).
        image: shape (channels, height, width), of the network's type.
        row, column: which score.

    Returns:
        Shape (height, width).
    """
    x = image[None].detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(x)[0, 0, row, column], x)
    return gradient[0].square().sum(0)


def field_slice(network: nn.Module, index: int, size: int) -> slice:
    """The rows (or columns) of an image of ``size`` pixels that score ``index`` sees.

    Example:
        >>> from hw2lib.cyclegan import PatchDiscriminator
        >>> field_slice(PatchDiscriminator(), 7, 128)
        slice(33, 103, None)
    """
    last = field_table(network)[-1]
    start = last.start + last.jump * index
    return slice(max(start, 0), min(start + last.field, size))


def patch_shares(network: nn.Module, mask: Tensor) -> Tensor:
    """Which share of each score's field lies in a region; fields are cut off at the image's edge.

    Args:
        network: a chain of convolutions such as ``PatchDiscriminator``.
        mask: the region, bool or 0/1, shape (height, width).

    Returns:
        Shape (rows, columns), one share per score.
    """
    last = field_table(network)[-1]
    rows, columns = ((side - last.field - 2 * last.start) // last.jump + 1 for side in mask.shape)
    shares = mask.new_zeros((rows, columns), dtype=torch.float64)
    for i in range(rows):
        for j in range(columns):
            inside = mask[field_slice(network, i, mask.shape[0]), field_slice(network, j, mask.shape[1])]
            shares[i, j] = inside.double().mean()
    return shares


def score_moments(scores: Tensor, target: float) -> tuple[Tensor, Tensor, Tensor]:
    """Mean score, its squared error, and the variance over the map (book: eq-patch-decomposition).

    The least-squares loss of a map is the mean of the squared errors, and that is the squared error of
    the mean plus the variance: E[(s − t)²] = (E[s] − t)² + Var[s].

    Args:
        scores: a map of scores, any shape.
        target: t.
    """
    mean = scores.mean()
    return mean, (mean - target).square(), scores.var(correction=0)


def noise_texture(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Images of fine random grain on a smooth ground of random colour, values in [−1, 1].

    Returns:
        Shape (count, 3, size, size).
    """
    ground = 0.8 * torch.rand(count, 3, 4, 4, generator=generator) - 0.4
    ground = F.interpolate(ground, size=(size, size), mode="bilinear", align_corners=True)
    grain = torch.randn(count, 1, size, size, generator=generator)
    return (ground + 0.2 * grain).clamp(-1, 1)


def without_grain(images: Tensor, side: int = 5) -> Tensor:
    """The images averaged over windows of ``side``: colours and smooth ground stay, fine texture goes."""
    padded = F.pad(images, (side // 2,) * 4, mode="reflect")
    return F.avg_pool2d(padded, side, stride=1)


def grain_discriminator(
    normed: bool, steps: int, seed: int = 0, size: int = 128, features: int = 4, layers: int = 3
) -> nn.Module:
    """A discriminator that has learned to tell grainy images from blurred ones, by the least-squares loss.

    In training it sees images that are wholly real or wholly generated, as in a GAN; whether it can then say
    *where* an image is generated is the question. Adam at 2·10⁻³, batches of 2 and 2.

    Args:
        normed: with instance norm as published, or without (:func:`without_norms`).
        steps: of training.
        seed: of weights and images.
        size: side of the images.
        features, layers: see :class:`~hw2lib.cyclegan.PatchDiscriminator`.
    """
    generator = torch.Generator().manual_seed(seed)
    with seeded_init(seed):
        discriminator: nn.Module = PatchDiscriminator(features, layers)
        if not normed:
            discriminator = without_norms(discriminator)
            # Nothing rescales between these layers, so the weights must keep the signal's size.
            for layer in convolutions_alone(discriminator):
                nn.init.kaiming_normal_(layer.get_parameter("weight"), 0.2)

    def loss() -> Tensor:
        real = noise_texture(2, size, generator)
        fake = without_grain(noise_texture(2, size, generator))
        on_real, on_fake = discriminator(real), discriminator(fake)
        return 0.5 * (adversarial_loss(on_real, True) + adversarial_loss(on_fake, False))

    minimise(loss, discriminator.parameters(), steps, 2e-3, betas=(0.5, 0.999))
    return discriminator


@torch.no_grad()
def half_generated(seed: int, size: int = 128) -> tuple[Tensor, Tensor]:
    """A grainy image whose right half is blurred, shape (3, size, size), and the mask of that half."""
    image = noise_texture(1, size, torch.Generator().manual_seed(seed))
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[:, size // 2 :] = True
    return torch.where(mask, without_grain(image), image)[0], mask


def contrast(scores: Tensor, shares: Tensor) -> float:
    """Mean score of the patches with at most a tenth generated, less that of those with nine tenths.

    1 is what the least-squares loss asks for, 0 says nothing of where an image is generated.

    Args:
        scores, shares: of one shape; shares from :func:`patch_shares`.
    """
    return float(scores[shares <= 0.1].mean() - scores[shares >= 0.9].mean())


@dataclass(frozen=True)
class ScoredMixture:
    """An image whose right half is generated, and what a discriminator says of it.

    Attributes:
        image: shape (3, size, size).
        shares: which share of each score's field is generated, shape (rows, columns).
        scores: same shape.
    """

    image: Tensor
    shares: Tensor
    scores: Tensor

    @property
    def contrast(self) -> float:
        """See :func:`contrast`."""
        return contrast(self.scores, self.shares)


def score_half_generated(normed: bool, seed: int, steps: int = 60) -> ScoredMixture:
    """Train a :func:`grain_discriminator` and show it an image of :func:`half_generated`."""
    discriminator = grain_discriminator(normed, steps, seed)
    image, mask = half_generated(seed=100 + seed)
    with torch.no_grad():
        scores = discriminator(image[None])[0, 0]
    return ScoredMixture(image, patch_shares(discriminator, mask), scores)
