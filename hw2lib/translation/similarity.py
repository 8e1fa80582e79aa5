"""How well images survive a cycle and their own domain's generator: PSNR, SSIM and mean absolute errors."""

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from hw2lib.cyclegan import CycleGAN
from hw2lib.data.unpaired import UnpairedImages, to_signed

_BATCH = 8


def test_metrics(net: CycleGAN, data: UnpairedImages) -> dict[str, float]:
    """How well the test images survive a cycle and their own domain's generator.

    Returns, with suffix A for test images of A and B for those of B:
        ``cycle_psnr``: mean over images of 10 log₁₀(4 / MSE) in dB, for values in [−1, 1];
        ``cycle_ssim``: mean of :func:`structural_similarity`;
        ``cycle_l1``: mean absolute error; ``identity_l1``: that of F(x) against x, or G(y) against y.
    """
    found: dict[str, float] = {}
    for (split, forward, backward), domain in zip(directions(net), "AB", strict=True):
        x = to_signed(data.images[split])
        cycled = run_generator(backward, run_generator(forward, x))
        mse = (cycled - x).square().mean((1, 2, 3))
        found |= {
            f"cycle_psnr_{domain}": float((10 * torch.log10(4 / mse)).mean()),
            f"cycle_ssim_{domain}": float(structural_similarity(cycled, x).mean()),
            f"cycle_l1_{domain}": float((cycled - x).abs().mean()),
            f"identity_l1_{domain}": float((run_generator(backward, x) - x).abs().mean()),
        }
    return found


def structural_similarity(images: Tensor, others: Tensor) -> Tensor:
    """SSIM of each pair of images, 1 for equal ones, as intensities in [0, 1].

    Its luminance term (2 μ ν + c) / (μ² + ν² + c) is meant for means μ, ν ≥ 0: around the middle grey of
    [−1, 1] it would take nearly equal images for opposites.

    Args:
        images: values in [−1, 1], shape (n, channels, height, width).
        others: the same.

    Returns:
        Shape (n,).

    Source: Wang et al. 2004, equation 13, with Gaussian windows of σ = 1.5.
    """
    intensities = (images + 1) / 2, (others + 1) / 2
    found = structural_similarity_index_measure(*intensities, data_range=(0.0, 1.0), reduction="none")
    assert isinstance(found, Tensor)  # and not what else it can be asked for
    return found


def directions(net: CycleGAN) -> tuple[tuple[str, nn.Module, nn.Module], ...]:
    """Per test split: the generator out of its domain, and the one back."""
    return ("testA", net.G_A, net.G_B), ("testB", net.G_B, net.G_A)


@torch.no_grad()
def run_generator(generator: nn.Module, images: Tensor) -> Tensor:
    """A generator's outputs on the CPU without gradient, in batches that fit any memory."""
    device = next(generator.parameters()).device
    return torch.cat([generator(part.to(device)).cpu() for part in images.split(_BATCH)])
