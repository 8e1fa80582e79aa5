"""Checkerboard artefacts: where they come from, and their energy in a spectrum."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hw2lib.cyclegan.networks import ResnetGenerator, Upsampling
from hw2lib.minimise import minimise
from hw2lib.seeding import seeded_init
from hw2lib.translation.spectra import fine_share, nyquist_energy

Layer = Literal["transposed-3", "transposed-4", "resize"]


def upsampling_layer(kind: Layer, channels: int = 1, outputs: int = 1) -> nn.Sequential:
    """One layer that doubles both sides of its input, without bias.

    Args:
        kind: ``"transposed-3"`` as in the generator of CycleGAN, ``"transposed-4"`` as in the U-Net, or
            ``"resize"``: nearest-neighbour upsampling and a 3×3 convolution.

    Raises:
        ValueError: another kind.
    """
    if kind == "resize":
        convolution = nn.Conv2d(channels, outputs, 3, bias=False)
        return nn.Sequential(nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), convolution)
    if kind not in ("transposed-3", "transposed-4"):
        raise ValueError(f"kind={kind!r}: expected 'transposed-3', 'transposed-4' or 'resize'")
    kernel = int(kind[-1])
    return nn.Sequential(
        nn.ConvTranspose2d(
            channels, outputs, kernel, stride=2, padding=1, output_padding=kernel % 2, bias=False
        )
    )


@torch.no_grad()
def overlap_counts(kind: Layer, side: int = 8) -> Tensor:
    """How many products each output pixel sums: the layer with all weights 1 on an image of ones.

    For a transposed convolution with kernel k and stride s, output row i gets ⌈(k − (i mod s)) / s⌉ rows
    of the kernel (up to an offset by the padding), and the count of a pixel is the product of its row's
    and its column's (book: eq-overlap).

    Returns:
        Whole numbers of shape (2 side, 2 side).

    Source: Odena, Dumoulin and Olah 2016.

    Example:
        >>> overlap_counts("transposed-3", 3)[2:4, 2:4].tolist()
        [[1, 2], [2, 4]]
    """
    layer = upsampling_layer(kind)
    nn.init.ones_(layer[-1].get_parameter("weight"))
    return layer(torch.ones(1, 1, side, side))[0, 0].round().long()


def overlaps_by_formula(kernel: int, stride: int) -> list[int]:
    """Products per output row inside an image, over one period: Σ over taps t ≡ i (mod s) of 1.

    Example:
        >>> sorted(overlaps_by_formula(3, 2)), overlaps_by_formula(4, 2)
        ([1, 2], [2, 2])
    """
    return [math.ceil((kernel - phase) / stride) for phase in range(stride)]


def flat_response(kind: Layer, draws: int, generator: torch.Generator, side: int = 8) -> float:
    """Checkerboard of one untrained layer on a flat image, relative to the output's mean square.

    Weights are drawn from N(0, 0.02²) as for a generator. Only the inside of the output counts, because
    at its edge the padding shows.

    Returns:
        The share of the inner output's energy that lies at the Nyquist frequencies, over all draws.
    """
    layer = upsampling_layer(kind, outputs=draws).double()
    with torch.no_grad():
        weight = layer[-1].get_parameter("weight")
        weight.copy_(0.02 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
        inside = layer(torch.ones(1, 1, side, side, dtype=torch.float64))[0, :, 4:-4, 4:-4]
    return float(nyquist_energy(inside).sum() / inside.square().mean((1, 2)).sum())


def skies(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Smooth images, a plane and one slow wave per channel: nothing in them is finer than half a period.

    Returns:
        Shape (count, 3, side, side), values in (−1, 1).
    """
    axis = torch.linspace(-1, 1, side)
    rows, columns = axis[:, None], axis
    level, down, across = (0.6 * torch.rand(3, count, 3, 1, 1, generator=generator) - 0.3).unbind()
    phase = 2 * math.pi * torch.rand(count, 3, 1, 1, generator=generator)
    return level + down * rows + across * columns + 0.1 * torch.sin(2 * (rows + columns) + phase)


def sky_generator(
    upsampling: Upsampling, steps: int, seed: int = 0, side: int = 32, features: int = 8
) -> ResnetGenerator:
    """A small generator that has learned, for ``steps`` steps, to give smooth images back.

    What is asked of it has no fine detail at all, so whatever it puts there is its own.

    Args:
        upsampling: see :class:`~hw2lib.cyclegan.ResnetGenerator`.
        steps: of Adam on the L1 distance, batches of 4; 0 leaves the generator untrained.
        seed: of weights and images.
    """
    generator = torch.Generator().manual_seed(seed)
    with seeded_init(seed):
        network = ResnetGenerator(1, features, upsampling)

    def loss() -> Tensor:
        sky = skies(4, side, generator)
        return F.l1_loss(network(sky), sky)

    minimise(loss, network.parameters(), steps, 5e-3, betas=(0.5, 0.999))
    return network


@torch.no_grad()
def fine_detail(
    upsampling: Upsampling, steps: int, images: Tensor, seeds: Sequence[int] = (0, 1, 2)
) -> tuple[Tensor, float]:
    """What :func:`sky_generator` makes of smooth images from the first seed, shape as ``images``, and
    the share of fine detail in its output as a mean over all seeds."""
    with torch.enable_grad():
        networks = [sky_generator(upsampling, steps, seed) for seed in seeds]
    outputs = [network(images) for network in networks]
    return outputs[0], sum(map(fine_share, outputs)) / len(outputs)
