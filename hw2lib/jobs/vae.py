"""A VAE run: train, then score, reconstruct and sample, and write what a finished run leaves behind."""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from hw2lib.anomaly import image_bits_per_dim, pixel_auroc_report, vae_error_maps, vae_scores
from hw2lib.data import MVTecCategory
from hw2lib.data.mvtec import split_validation
from hw2lib.flows import DequantizedPixels
from hw2lib.runs.checkpoint import MODEL, TrainingState
from hw2lib.runs.folder import RunFolder, claimed, measured, write_csv, write_json
from hw2lib.runs.images import save_grid
from hw2lib.training.devices import fabric_on, is_first_process
from hw2lib.training.loop import Report
from hw2lib.training.memory import peak_memory_gb
from hw2lib.training.settings import VAEConfig
from hw2lib.training.vae import train_vae
from hw2lib.vae import VAE

from .maf import COLUMNS, auroc_metrics

RECORDED_FILES = (
    "config.json",
    "environment.json",
    "losses.csv",
    "scores.csv",
    "metrics.json",
    "samples.png",
)
# What an image is scored by, columns of scores.csv.
SCORES = ("error", "nelbo", "kl")
NOISE_IMAGES = 16


def run_vae(
    config: VAEConfig,
    data: MVTecCategory,
    out: Path | RunFolder,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
    report: Report = lambda event: None,
) -> bool:
    """Train a VAE (:func:`~hw2lib.training.vae.train_vae`), evaluate it, write the run's folder.

    Arguments, result and errors are those of :func:`~hw2lib.jobs.maf.run_maf`; an image size that the
    convolutions cannot halve is an error as well.
    """
    with claimed(out, resume, is_first_process(devices)) as run:
        fabric = fabric_on(device, devices, strategy)
        state = train_vae(config, data, run, fabric, report)
        finished = state.progress.epoch == config.epochs
        if finished and run.first:
            write_vae_run(run.path, config, data, state)
        fabric.barrier()
        return finished


def write_vae_run(out: Path, config: VAEConfig, data: MVTecCategory, state: TrainingState) -> None:
    """Score the test images, reconstruct, sample, and write the run's results.

    ``metrics.json`` has per score ``auroc`` with intervals, the pixel AUROC of the error maps, and the
    mean reconstruction error of training, validation, test and pure-noise images. The sheet's rows are
    reconstructions of normal test images, of one image per kind of defect, and draws from the prior.
    """
    training_peak, at = peak_memory_gb(), state.progress
    vae = cast(VAE, state.network(MODEL))
    held_out = data.train[split_validation(len(data.train), config.validation_fraction, config.seed)[1]]
    table = score_table(vae, data)
    write_csv(out / "losses.csv", at.losses)
    write_csv(out / "scores.csv", table)
    metrics: dict[str, Any] = {name: auroc_metrics(data, [row[name] for row in table]) for name in SCORES}
    maps = vae_error_maps(vae, data.test), vae_error_maps(vae, held_out)
    metrics |= measured("pixel_auroc", lambda: pixel_auroc_report(*maps, data.masks))
    last = at.losses[-1]
    metrics |= {
        "train_bpd": last["train_bpd"],
        "val_bpd": last["val_bpd"],
        "sigma": last["sigma"],
        "errors": {
            "train": float(vae_scores(vae, data.train).error.mean()),
            "validation": last["val_error"],
            "noise": float(vae_scores(vae, noise_images(NOISE_IMAGES, config.size)).error.mean()),
        },
        "parameters": sum(p.numel() for p in vae.parameters()),
        "train_seconds": round(at.train_seconds, 1),
        "training_peak_memory_gb": round(training_peak, 2),
    }
    save_grid(out / "samples.png", _sheet(vae, config, data))
    write_json(out / "metrics.json", metrics)


def score_table(vae: VAE, data: MVTecCategory) -> list[dict]:
    """A row per test image: defect, file, error, nelbo, bpd, kl."""
    scores = vae_scores(vae, data.test)
    bpd = image_bits_per_dim(scores.nelbo, data.features)
    columns = zip(data.test_defects, data.test_files, scores.error, scores.nelbo, bpd, scores.kl, strict=True)
    names = ("error", "nelbo", "bpd", "kl")
    return [
        {"defect": defect, "file": file} | dict(zip(names, map(float, values), strict=True))
        for defect, file, *values in columns
    ]


def noise_images(n: int, size: int, seed: int = 0) -> Tensor:
    """Images of independent uniform pixels, uint8 of shape (n, 3, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)


@torch.no_grad()
def reconstruct_images(vae: VAE, images: Tensor) -> Tensor:
    """g(m(x)) as images, uint8 of the shape of ``images``."""
    pixels, like = DequantizedPixels(), vae.log_sigma
    x = pixels.encode(images.flatten(1), noise=False, dtype=like.dtype).to(like.device)
    return pixels.decode(vae.reconstruct(x)).reshape(images.shape).cpu()


def sample_vae_images(vae: VAE, n: int, size: int, seed: int, temperature: float = 1.0) -> Tensor:
    """Means of n draws from the prior, uint8 of shape (n, 3, size, size)."""
    generator = torch.Generator(vae.log_sigma.device).manual_seed(seed)
    return DequantizedPixels().decode(vae.sample(n, generator, temperature)).reshape(n, 3, size, size).cpu()


def _sheet(vae: VAE, config: VAEConfig, data: MVTecCategory) -> Tensor:
    normal = [k for k, defect in enumerate(data.test_defects) if defect == "good"]
    kinds = dict.fromkeys(defect for defect in data.test_defects if defect != "good")
    first = [data.test_defects.index(kind) for kind in kinds]
    # Rows are filled up by repetition where a category has fewer images or kinds.
    rows = [(part * COLUMNS)[:COLUMNS] for part in (normal, first)]
    drawn = [reconstruct_images(vae, data.test[row]) for row in rows]
    return torch.cat([*drawn, sample_vae_images(vae, COLUMNS, config.size, config.seed)])
