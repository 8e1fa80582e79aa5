"""The networks of CycleGAN: ResNet generator, U-Net generator, PatchGAN discriminator."""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Upsampling = Literal["transposed", "resize"]
INIT_STD, NORM_EPS = 0.02, 1e-5


class InstanceNorm(nn.Module):
    """(x − μ) / √(σ² + ε) with μ, σ² over the pixels of each image and channel, ε = 10⁻⁵, no parameters.

    Shapes:
        x: (batch, channels, height, width), more than one pixel → the same.

    Source: Ulyanov et al. 2016; as a group norm with a group per channel: Wu and He 2018, section 3.1.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda:
            return F.instance_norm(x, eps=NORM_EPS)
        # The same function. On a CPU torch.nn.InstanceNorm2d takes up to four times as long, and its
        # gradients are wrong for one image in channels_last (torch 2.15).
        return F.group_norm(x, x.shape[1], eps=NORM_EPS)


class ResidualBlock(nn.Module):
    """x + h(x), where h is twice reflection padding, 3×3 convolution and instance norm, with a ReLU between.

    Shapes:
        x: (batch, channels, height, width) → the same.

    Source: He et al. 2016; Johnson et al. 2016.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            InstanceNorm(),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            InstanceNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual(x)


class ResnetGenerator(nn.Module):
    """The published generator: c7s1-64, d128, d256, ``blocks`` × R256, u128, u64, c7s1-3, tanh.

    Args:
        blocks: residual blocks; 6 at 128×128, 9 at 256×256.
        features: channels after the first convolution.
        upsampling: ``"transposed"`` as published, or ``"resize"``: nearest-neighbour upsampling and a
            convolution, which covers every output pixel equally often (Odena et al. 2016).

    Shapes:
        x: (batch, 3, height, width), both sides divisible by 4 → the same, values in (−1, 1).

    Source: Zhu et al. 2017, section 7.2 (appendix); Johnson et al. 2016.

    Example:
        >>> ResnetGenerator(blocks=6)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 3, 32, 32])
    """

    def __init__(self, blocks: int = 6, features: int = 64, upsampling: Upsampling = "transposed") -> None:
        super().__init__()
        if upsampling not in ("transposed", "resize"):
            raise ValueError(f"upsampling={upsampling!r}: expected 'transposed' or 'resize'")
        f = features
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_normed(nn.Conv2d(3, f, 7)),
            *_normed(nn.Conv2d(f, 2 * f, 3, stride=2, padding=1)),
            *_normed(nn.Conv2d(2 * f, 4 * f, 3, stride=2, padding=1)),
            *(ResidualBlock(4 * f) for _ in range(blocks)),
            *_doubled(4 * f, 2 * f, upsampling),
            *_doubled(2 * f, f, upsampling),
            nn.ReflectionPad2d(3),
            nn.Conv2d(f, 3, 7),
            nn.Tanh(),
        )
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class UnetGenerator(nn.Module):
    """Encoder and decoder of equal depth; each decoder level also sees the encoder's output of its size.

    Level k halves the image with a 4×4 convolution and doubles it with a 4×4 transposed convolution. The
    skip connections carry the input's edges past the bottleneck, which keeps them where they are.

    Args:
        downs: how often the image is halved; its sides must be divisible by 2^downs (7 at 128×128).
        features: channels after the first convolution; doubled per level up to eight times as many.

    Shapes:
        x: (batch, 3, height, width) → the same, values in (−1, 1).

    Source: Ronneberger et al. 2015; Isola et al. 2017, section 6.1.1.

    Example:
        >>> UnetGenerator(downs=4, features=8)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 3, 32, 32])
    """

    def __init__(self, downs: int = 7, features: int = 64) -> None:
        super().__init__()
        if downs < 2:
            raise ValueError(f"downs={downs}: expected at least 2")
        widths = [3, *(features * min(2**k, 8) for k in range(downs))]
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, (outer, inner) in enumerate(zip(widths, widths[1:], strict=False)):
            innermost = level == downs - 1
            convolution = nn.Conv2d(outer, inner, 4, stride=2, padding=1)
            # Neither the image itself nor the bottleneck, which may be one pixel, is normalised.
            norm = nn.Identity() if level == 0 or innermost else InstanceNorm()
            activation = nn.Identity() if level == 0 else nn.LeakyReLU(0.2)
            self.downs.append(nn.Sequential(activation, convolution, norm))
            up = nn.ConvTranspose2d(inner if innermost else 2 * inner, outer, 4, stride=2, padding=1)
            last = nn.Tanh() if level == 0 else InstanceNorm()
            self.ups.append(nn.Sequential(nn.ReLU(), up, last))
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        seen = []
        for down in self.downs:
            x = down(x)
            seen.append(x)
        x = self.ups[-1](seen.pop())
        for up in reversed(self.ups[:-1]):
            x = up(torch.cat([x, seen.pop()], dim=1))
        return x


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches, 70×70 with three layers: C64, C128, C256, C512, one channel out.

    The strides are 2, 2, 2, 1, 1: a fourth stride of 2 would make the patch 94 pixels wide.

    Args:
        features: channels after the first convolution.
        layers: n, convolutions of stride 2, at least one.

    Shapes:
        x: (batch, 3, height, width) → (batch, 1, ⌊height / 2ⁿ⌋ − 2, ⌊width / 2ⁿ⌋ − 2), scores without a
        sigmoid.

    Raises:
        ValueError: no layers.

    Source: Isola et al. 2017, section 3.2.2; Zhu et al. 2017, section 7.2.

    Example:
        >>> PatchDiscriminator()(torch.zeros(1, 3, 128, 128)).shape
        torch.Size([1, 1, 14, 14])
    """

    def __init__(self, features: int = 64, layers: int = 3) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"layers={layers}: expected at least one")
        widths = [features * min(2**k, 8) for k in range(layers + 1)]
        stack: list[nn.Module] = [nn.Conv2d(3, features, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for level in range(1, layers + 1):
            stride = 2 if level < layers else 1
            convolution = nn.Conv2d(widths[level - 1], widths[level], 4, stride=stride, padding=1)
            stack += [convolution, InstanceNorm(), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*stack, nn.Conv2d(widths[-1], 1, 4, padding=1))
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def receptive_field(network: nn.Module) -> int:
    """Side, in input pixels, of the square that one output of a chain of convolutions sees.

    From the output back to the input: r ← (r − 1) · stride + dilation · (kernel − 1) + 1, starting at 1
    (book: eq-receptive-field). Square kernels are assumed.

    Example:
        >>> receptive_field(PatchDiscriminator())
        70
    """
    field = 1
    for layer in reversed(list(_convolutions(network))):
        reach = layer.dilation[0] * (layer.kernel_size[0] - 1) + 1
        field = (field - 1) * layer.stride[0] + reach
    return field


def init_weights(network: nn.Module) -> None:
    """Draw all convolution weights from N(0, 0.02²), zero biases. Source: Zhu et al. 2017, section 7.1."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, INIT_STD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _convolutions(network: nn.Module) -> Iterator[nn.Conv2d]:
    return (layer for layer in network.modules() if isinstance(layer, nn.Conv2d))


def _normed(convolution: nn.Module) -> tuple[nn.Module, ...]:
    return convolution, InstanceNorm(), nn.ReLU()


def _doubled(channels: int, out: int, upsampling: Upsampling) -> tuple[nn.Module, ...]:
    if upsampling == "transposed":
        return _normed(nn.ConvTranspose2d(channels, out, 3, stride=2, padding=1, output_padding=1))
    return nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), *_normed(nn.Conv2d(channels, out, 3))
