"""A VAE run: train, then score, reconstruct and sample, and write what a finished run leaves behind."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hw2lib.anomaly import image_bits_per_dim, pixel_auroc_report, vae_error_maps, vae_scores
from hw2lib.data import MVTecCategory
from hw2lib.data.mvtec import split_validation
from hw2lib.flows import DequantizedPixels
from hw2lib.runs.checkpoint import load_training_state
from hw2lib.runs.folder import begin, note_resumption, prepare, write_csv, write_json
from hw2lib.runs.images import save_grid
from hw2lib.statistics import intervals_per_defect
from hw2lib.training.devices import fabric_on
from hw2lib.training.fit import vae_parameter_groups
from hw2lib.training.loop import Report
from hw2lib.training.memory import keep_freed_memory, peak_memory_gb
from hw2lib.training.settings import VAEConfig
from hw2lib.training.vae import VAELoop, VAEState, build_vae
from hw2lib.vae import VAE

from .maf import COLUMNS

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


def train_vae(
    config: VAEConfig,
    data: MVTecCategory,
    out: Path,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    report: Report = lambda event: None,
) -> bool:
    """Maximise the evidence lower bound; writes the run's folder.

    The objective is the mean of −ELBO(x) over a batch with one draw of ε per image (book: eq-elbo), x
    being dequantised pixels in [−1, 1]^D as for the flow, so that bits per dimension of the two can be
    compared: those of the VAE are an upper bound. Batches and noise are functions of (seed, epoch,
    step) and so is the learning rate, so that a run which is interrupted and resumed equals one that
    was not, to the bit on one CPU.

    Args:
        config: settings.
        data: images of the configured size.
        out: folder of the run.
        resume: go on from the checkpoint in ``out``.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: number of devices, each of which takes a share of every batch.
        report: called with a dictionary after each step (keys epoch, epochs, step, steps_per_epoch,
            train_bpd, val_bpd).

    Returns:
        True if the run finished, False if Ctrl-C left a checkpoint.

    Raises:
        UserError: ``out`` holds another run, nothing to resume, or a run begun with other images or
            settings; the images are too few to split, or of a size that the convolutions cannot halve; or
            the loss is no longer a number.
    """
    split = split_validation(len(data.train), config.validation_fraction, config.seed)
    vae = build_vae(config)
    prepare(out, resume, data.checksum, config)
    keep_freed_memory()
    fabric = fabric_on(device, devices)
    optimizer = torch.optim.Adam(
        vae_parameter_groups(vae, config.learning_rate, config.sigma_learning_rate), fused=True
    )
    vae, optimizer = fabric.setup(vae, optimizer)
    state = VAEState(vae, optimizer)
    if resume:
        load_training_state(out, state)
        if fabric.is_global_zero:
            note_resumption(out, state.epoch, state.step, fabric.device)
    elif fabric.is_global_zero:
        begin(out, config, fabric.device, data)
    loop = VAELoop(config, data, split, state, fabric, out, report)
    finished = loop.run()
    if finished and fabric.is_global_zero:
        finish_vae_run(out, config, data, state, loop.validation)
    fabric.barrier()
    return finished


def finish_vae_run(
    out: Path, config: VAEConfig, data: MVTecCategory, state: VAEState, validation: Tensor
) -> None:
    """Score the test images, reconstruct, sample, and write the run's results.

    ``metrics.json`` has per score ``auroc`` with intervals, the pixel AUROC of the error maps, and the
    mean reconstruction error of training, validation, test and pure-noise images. The sheet's rows are
    reconstructions of normal test images, of one image per kind of defect, and draws from the prior.
    """
    training_peak = peak_memory_gb()
    vae = getattr(state.vae, "module", state.vae)
    table = score_table(vae, data)
    write_csv(out / "scores.csv", table)
    metrics: dict[str, Any] = {name: _areas(data, [row[name] for row in table]) for name in SCORES}
    metrics["pixel_auroc"] = pixel_auroc_report(
        vae_error_maps(vae, data.test), vae_error_maps(vae, validation), data.masks
    )
    last = state.losses[-1]
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
        "train_seconds": round(state.train_seconds, 1),
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


def _areas(data: MVTecCategory, scores: list[float]) -> dict:
    areas = intervals_per_defect(data.test_defects, scores)
    return {"auroc": {defect: asdict(area) for defect, area in areas.items()}}


def _sheet(vae: VAE, config: VAEConfig, data: MVTecCategory) -> Tensor:
    normal = [k for k, defect in enumerate(data.test_defects) if defect == "good"]
    kinds = dict.fromkeys(defect for defect in data.test_defects if defect != "good")
    first = [data.test_defects.index(kind) for kind in kinds]
    # Rows are filled up by repetition where a category has fewer images or kinds.
    rows = [(part * COLUMNS)[:COLUMNS] for part in (normal, first)]
    drawn = [reconstruct_images(vae, data.test[row]) for row in rows]
    return torch.cat([*drawn, sample_vae_images(vae, COLUMNS, config.size, config.seed)])
