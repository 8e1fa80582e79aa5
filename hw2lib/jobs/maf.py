"""A MAF run: train, then score, measure and sample, and write what a finished run leaves behind."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from hw2lib.anomaly import image_bits_per_dim, nll_scores
from hw2lib.data import MVTecCategory
from hw2lib.data.mvtec import split_validation
from hw2lib.flows import MAF, DequantizedPixels
from hw2lib.runs.checkpoint import AVERAGE, MODEL, TrainingState
from hw2lib.runs.folder import RunFolder, claimed, measured, write_csv, write_json
from hw2lib.runs.images import save_grid
from hw2lib.statistics import intervals_per_defect
from hw2lib.training.devices import fabric_on, is_first_process
from hw2lib.training.loop import Report
from hw2lib.training.maf import auroc_rows, measured_pixels, pixel_rows, train_maf
from hw2lib.training.memory import peak_memory_gb
from hw2lib.training.settings import MAFConfig

RECORDED_FILES = (
    "config.json",
    "environment.json",
    "losses.csv",
    "auroc.csv",
    "scores.csv",
    "metrics.json",
    "samples.png",
)
COLUMNS = 5


def run_maf(
    config: MAFConfig,
    data: MVTecCategory,
    out: Path | RunFolder,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
    report: Report = lambda event: None,
) -> bool:
    """Train a flow (:func:`~hw2lib.training.maf.train_maf`), evaluate it, write the run's folder.

    Args:
        config: settings.
        data: images of the configured size.
        out: folder of the run.
        resume: go on from the checkpoint in ``out``.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: number of devices, each of which takes a share of every batch.
        strategy: how they share the work, ``auto`` or ``ddp``.
        report: called with a dictionary after each step (keys epoch, epochs, step, steps_per_epoch,
            train_bpd, val_bpd).

    Returns:
        True if the run finished, False if Ctrl-C left a checkpoint.

    Raises:
        UserError: another process holds ``out``, it holds another run, nothing to resume, or a run begun
            with other images or settings; the images are too few to split; or the loss is no longer a number.
    """
    with claimed(out, resume, is_first_process(devices)) as run:
        fabric = fabric_on(device, devices, strategy)
        state = train_maf(config, data, run, fabric, report)
        finished = state.progress.epoch == config.epochs
        if finished and run.first:
            write_maf_run(run.path, config, data, state)
        fabric.barrier()
        return finished


def write_maf_run(out: Path, config: MAFConfig, data: MVTecCategory, state: TrainingState) -> None:
    """Score the test images with both sets of weights, sample, and write the run's results."""
    training_peak, at = peak_memory_gb(), state.progress
    flows = {"plain": cast(MAF, state.network(MODEL)), "ema": cast(MAF, state.network(AVERAGE))}
    held_out = data.train[split_validation(len(data.train), config.validation_fraction, config.seed)[1]]
    rows: list[dict] = []
    areas: list[dict] = list(at.evaluations)
    metrics: dict[str, Any] = {}
    for weights, flow in flows.items():
        started = time.perf_counter()
        table = flow_score_table(flow, data)
        nll = [row["nll"] for row in table]
        areas += auroc_rows(at.epoch, weights, data, nll)
        at.evaluation_seconds += time.perf_counter() - started
        rows += [{"weights": weights} | row for row in table]
        metrics[weights] = auroc_metrics(data, nll) | measured_pixels(flow, data, held_out)
    areas += pixel_rows(at.epoch, metrics["ema"])
    write_csv(out / "losses.csv", at.losses)
    write_csv(out / "auroc.csv", areas)
    write_csv(out / "scores.csv", rows)
    last = at.losses[-1]
    metrics |= {
        "train_bpd": last["train_bpd"],
        "val_bpd": {"plain": last["val_bpd"], "ema": last["val_bpd_ema"]},
        "sampling": sampling_metrics(flows["ema"], config.seed),
        "parameters": sum(p.numel() for p in flows["plain"].parameters()),
        "train_seconds": round(at.train_seconds, 1),
        "evaluation_seconds": round(at.evaluation_seconds, 1),
        "training_peak_memory_gb": round(training_peak, 2),
    }
    rows_of_sheet = [(flows["ema"], 1.0), (flows["ema"], 0.7), (flows["plain"], 1.0)]
    sheet = torch.cat([sample_images(f, COLUMNS, config.seed, t) for f, t in rows_of_sheet])
    save_grid(out / "samples.png", sheet)
    write_json(out / "metrics.json", metrics)


def auroc_metrics(data: MVTecCategory, scores: Sequence[float]) -> dict[str, object]:
    """``auroc``: with its interval per kind of defect; null with the reason where a score has no rank."""

    def areas() -> dict[str, dict]:
        found = intervals_per_defect(data.test_defects, scores)
        return {defect: asdict(area) for defect, area in found.items()}

    return measured("auroc", areas)


def flow_score_table(flow: MAF, data: MVTecCategory) -> list[dict]:
    """A row per test image: defect, file, nll, bpd."""
    nll = nll_scores(flow, data.test)
    bpd = image_bits_per_dim(nll, data.features)
    columns = zip(data.test_defects, data.test_files, nll, bpd, strict=True)
    return [{"defect": d, "file": f, "nll": float(a), "bpd": float(b)} for d, f, a, b in columns]


@torch.no_grad()
def sample_images(flow: MAF, n: int, seed: int, temperature: float = 1.0) -> Tensor:
    """Draw n images, uint8 of shape (n, 3, size, size)."""
    generator = torch.Generator(next(flow.parameters()).device).manual_seed(seed)
    x = flow.sample(n, generator=generator, temperature=temperature)
    size = round((flow.features / 3) ** 0.5)
    return DequantizedPixels().decode(x).reshape(n, 3, size, size).cpu()


@torch.no_grad()
def sampling_metrics(flow: MAF, seed: int, repeats: int = 5) -> dict:
    """Time of the staged inverse beside the density pass, and the error of the round trip.

    Times are medians in seconds; the error is max|f(f⁻¹(u)) − u| over five samples.
    """
    parameter = next(flow.parameters())
    generator = torch.Generator(parameter.device).manual_seed(seed)
    u = torch.randn(5, flow.features, generator=generator, device=parameter.device, dtype=parameter.dtype)
    x = flow.inverse(u)
    return {
        "sample_seconds": _median_seconds(lambda: flow.inverse(u[:1]), repeats),
        "five_samples_seconds": _median_seconds(lambda: flow.inverse(u), repeats),
        "density_seconds": _median_seconds(lambda: flow(x[:1]), repeats),
        "round_trip_error": float((flow(x)[0] - u).abs().max()),
    }


def _median_seconds(call, repeats: int) -> float:
    def timed() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        started = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - started

    timed()
    return round(float(np.median([timed() for _ in range(repeats)])), 5)
