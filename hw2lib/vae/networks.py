"""Convolutional encoder and decoder."""

from collections.abc import Sequence

from torch import Tensor, nn

from hw2lib.errors import UserError

from .vae import VAE


class ConvEncoder(nn.Module):
    """Image to the two halves (m, log s²) of a posterior: a stride-2 convolution per entry of ``channels``.

    Each halves height and width; one linear layer then reads all that is left.

    Args:
        size: height and width of the images in pixels.
        channels: of the convolutions, from the image inwards.
        latent: k.
    """

    def __init__(self, size: int, channels: Sequence[int], latent: int) -> None:
        super().__init__()
        self.size = size
        side = _inner_side(size, channels)
        layers: list[nn.Module] = []
        for inside, outside in zip((3, *channels[:-1]), channels, strict=True):
            layers += [nn.Conv2d(inside, outside, 4, stride=2, padding=1), nn.SiLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels[-1] * side**2, 2 * latent)

    def forward(self, x: Tensor) -> Tensor:
        """x of shape (batch, 3 · size²) → (batch, 2k); ValueError for another shape."""
        if x.dim() != 2 or x.shape[1] != 3 * self.size**2:
            raise ValueError(f"expected shape (batch, {3 * self.size**2}), got {tuple(x.shape)}")
        images = x.reshape(-1, 3, self.size, self.size)
        return self.head(self.features(images).flatten(1))


class ConvDecoder(nn.Module):
    """The encoder backwards: a linear layer, then a transposed convolution per doubling.

    A kernel of 4 at stride 2 covers every pixel equally often, so that no checkerboard is built in.

    Args:
        As for :class:`ConvEncoder`.
    """

    def __init__(self, size: int, channels: Sequence[int], latent: int) -> None:
        super().__init__()
        self.side = _inner_side(size, channels)
        self.channels = channels[-1]
        self.head = nn.Linear(latent, self.channels * self.side**2)
        outwards = (*reversed(channels), 3)
        layers: list[nn.Module] = []
        for inside, outside in zip(outwards[:-1], outwards[1:], strict=True):
            layers += [nn.SiLU(), nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1)]
        self.features = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """z of shape (batch, k) → (batch, 3 · size²)."""
        grid = self.head(z).reshape(-1, self.channels, self.side, self.side)
        return self.features(grid).flatten(1)


def conv_vae(size: int, channels: Sequence[int], latent: int) -> VAE:
    """A VAE of images with these two networks.

    Raises:
        UserError: the size cannot be halved once per entry of ``channels``.

    Example:
        >>> vae = conv_vae(16, (8, 16), latent=4)
        >>> vae.sample(2).shape
        torch.Size([2, 768])
    """
    return VAE(ConvEncoder(size, channels, latent), ConvDecoder(size, channels, latent), latent)


def _inner_side(size: int, channels: Sequence[int]) -> int:
    if not channels or size < 1 or size % 2 ** len(channels):
        raise UserError(
            f"size={size}: expected a multiple of {2 ** len(channels)}, halved by each of {len(channels)} "
            "convolutions"
        )
    return size // 2 ** len(channels)
