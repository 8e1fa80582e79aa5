"""What a CycleGAN run leaves behind: sheets of its outputs, snapshots of its weights, metrics."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from hw2lib.cyclegan import CycleGAN
from hw2lib.data.unpaired import UnpairedImages, to_signed, to_uint8

from .checkpoint import save_weights
from .memory import peak_gpu_memory_gb, peak_memory_gb
from .report import save_grid
from .runs import write_json

TRANSLATIONS = "translations.csv"
RECORDED_FILES = ("config.json", "environment.json", "losses.csv", "metrics.json", TRANSLATIONS)
COLUMNS = 6
_BATCH = 8


def evaluate_epoch(out: Path, data: UnpairedImages, state) -> None:
    """Write epoch-NN.png and epoch-NN.safetensors, and measure the networks on the test images."""
    net = state.training.net
    save_weights(snapshot(out, state.epoch), net)
    save_grid(snapshot(out, state.epoch).with_suffix(".png"), contact_sheet(net, data), COLUMNS)
    state.evaluations.append({"epoch": state.epoch} | test_metrics(net, data))


def snapshot(run: Path, epoch: int) -> Path:
    """The weights that a run kept after an epoch; the sheet of outputs lies beside them."""
    return run / f"epoch-{epoch:02d}.safetensors"


def kept_epochs(run: Path) -> list[int]:
    """The epochs after which a run kept its weights, in order."""
    return sorted(int(path.stem.removeprefix("epoch-")) for path in run.glob("epoch-*.safetensors"))


def recorded_files(epochs: list[int]) -> tuple[str, ...]:
    """The small files of a finished run whose test images were drawn after these epochs."""
    return (*RECORDED_FILES, *(f"epoch-{epoch:02d}.png" for epoch in epochs))


def contact_sheet(net: CycleGAN, data: UnpairedImages, columns: int = COLUMNS) -> Tensor:
    """What the networks make of the same test images at every epoch; never the images themselves.

    Rows: G(x), F(G(x)), F(y), G(F(y)) for ``columns`` evenly spaced test images x of A and y of B.

    Returns:
        uint8 of shape (4 · columns, 3, size, size).
    """
    rows = []
    for split, there, back in directions(net):
        images = data.images[split]
        chosen = torch.linspace(0, len(images) - 1, columns).round().long()
        translated = run_generator(there, to_signed(images[chosen]))
        rows += [translated, run_generator(back, translated)]
    return to_uint8(torch.cat(rows))


def test_metrics(net: CycleGAN, data: UnpairedImages) -> dict[str, float]:
    """How well the test images survive a cycle and their own domain's generator.

    Returns, with suffix A for test images of A and B for those of B:
        ``cycle_psnr``: mean over images of 10 log₁₀(4 / MSE) in dB, for values in [−1, 1];
        ``cycle_ssim``: mean of :func:`structural_similarity`;
        ``cycle_l1``: mean absolute error; ``identity_l1``: that of F(x) against x, or G(y) against y.
    """
    found = {}
    for (split, there, back), domain in zip(directions(net), "AB", strict=True):
        x = to_signed(data.images[split])
        cycled = run_generator(back, run_generator(there, x))
        mse = (cycled - x).square().mean((1, 2, 3))
        found |= {
            f"cycle_psnr_{domain}": float((10 * torch.log10(4 / mse)).mean()),
            f"cycle_ssim_{domain}": float(structural_similarity(cycled, x).mean()),
            f"cycle_l1_{domain}": float((cycled - x).abs().mean()),
            f"identity_l1_{domain}": float((run_generator(back, x) - x).abs().mean()),
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
    return structural_similarity_index_measure(*intensities, data_range=(0.0, 1.0), reduction="none")


def finish_cyclegan_run(out: Path, state, steps: int, evaluation: dict) -> None:
    """Write metrics.json of a run that took so many steps.

    Args:
        out: folder of the run.
        state: of the loop after its last step.
        steps: in all epochs together.
        evaluation: what :func:`~hw2lib.training.cyclegan_evaluation.evaluate_snapshots` found.
    """
    net = state.training.net
    counts = {
        name: sum(p.numel() for p in module.parameters())
        for name, module in (("generator", net.G_A), ("discriminator", net.D_A))
    }
    metrics = {
        "test": state.evaluations,
        "parameters": counts,
        "train_seconds": round(state.train_seconds, 1),
        "evaluation_seconds": round(state.evaluation_seconds, 1),
        "seconds_per_step": round(state.train_seconds / steps, 4),
        "peak_memory_gb": round(peak_memory_gb(), 2),
    }
    if next(net.parameters()).is_cuda:
        metrics["peak_gpu_memory_gb"] = round(peak_gpu_memory_gb(), 2)
    write_json(out / "metrics.json", metrics | evaluation)


def directions(net: CycleGAN) -> tuple[tuple[str, nn.Module, nn.Module], ...]:
    """Per test split: the generator out of its domain, and the one back."""
    return ("testA", net.G_A, net.G_B), ("testB", net.G_B, net.G_A)


@torch.no_grad()
def run_generator(generator: nn.Module, images: Tensor) -> Tensor:
    """A generator's outputs on the CPU without gradient, in batches that fit any memory."""
    device = next(generator.parameters()).device
    return torch.cat([generator(part.to(device)).cpu() for part in images.split(_BATCH)])
