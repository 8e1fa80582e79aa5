"""A MAF run: train, then score, measure and sample, and write what a finished run leaves behind."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hw2lib.anomaly import image_bits_per_dim, nll_maps, nll_scores, pixel_auroc_report
from hw2lib.data import MVTecCategory
from hw2lib.data.mvtec import split_validation
from hw2lib.flows import MAF, DequantizedPixels
from hw2lib.runs.checkpoint import load_training_state
from hw2lib.runs.folder import begin, note_resumption, prepare, write_csv, write_json
from hw2lib.runs.images import save_grid
from hw2lib.statistics import intervals_per_defect
from hw2lib.training.devices import fabric_on
from hw2lib.training.loop import Report
from hw2lib.training.maf import MAFLoop, MAFState, build_maf
from hw2lib.training.memory import keep_freed_memory, peak_memory_gb
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


def train_maf(
    config: MAFConfig,
    data: MVTecCategory,
    out: Path,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    report: Report = lambda event: None,
) -> bool:
    """Maximum-likelihood training; writes the run's folder.

    The objective is the mean of −log p(x) over a batch, x being dequantised pixels in [−1, 1]^D (book:
    eq-maf-objective). Batches and noise are functions of (seed, epoch, step), so that a run which is
    interrupted and resumed equals one that was not, to the bit on one CPU.

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
            settings; the images are too few to split; or the loss is no longer a number.
    """
    split = split_validation(len(data.train), config.validation_fraction, config.seed)
    prepare(out, resume, data.checksum, config)
    keep_freed_memory()
    fabric = fabric_on(device, devices)
    flow = build_maf(config)
    average = build_maf(config).requires_grad_(False).to(fabric.device)
    optimizer = torch.optim.Adam(flow.parameters(), lr=config.learning_rate, fused=True)
    flow, optimizer = fabric.setup(flow, optimizer)
    flow.mark_forward_method("log_prob")
    state = MAFState(flow, average, optimizer)
    if resume:
        load_training_state(out, state)
        if fabric.is_global_zero:
            note_resumption(out, state.epoch, state.step, fabric.device)
    elif fabric.is_global_zero:
        begin(out, config, fabric.device, data)
    loop = MAFLoop(config, data, split, state, fabric, out, report)
    finished = loop.run()
    if finished and fabric.is_global_zero:
        finish_maf_run(out, config, data, state, loop.validation)
    fabric.barrier()
    return finished


def finish_maf_run(
    out: Path, config: MAFConfig, data: MVTecCategory, state: MAFState, validation: Tensor
) -> None:
    """Score the test images with both sets of weights, sample, and write the run's results."""
    training_peak = peak_memory_gb()
    flows = {"plain": getattr(state.flow, "module", state.flow), "ema": state.average}
    rows: list[dict] = []
    metrics: dict[str, Any] = {}
    for weights, flow in flows.items():
        table = flow_score_table(flow, data)
        rows += [{"weights": weights} | row for row in table]
        areas = intervals_per_defect(data.test_defects, [row["nll"] for row in table])
        pixel = pixel_auroc_report(nll_maps(flow, data.test), nll_maps(flow, validation), data.masks)
        metrics[weights] = {
            "auroc": {defect: asdict(area) for defect, area in areas.items()},
            "pixel_auroc": pixel,
        }
    write_csv(out / "scores.csv", rows)
    last = state.losses[-1]
    metrics |= {
        "train_bpd": last["train_bpd"],
        "val_bpd": {"plain": last["val_bpd"], "ema": last["val_bpd_ema"]},
        "sampling": sampling_metrics(flows["ema"], config.seed),
        "parameters": sum(p.numel() for p in flows["plain"].parameters()),
        "train_seconds": round(state.train_seconds, 1),
        "evaluation_seconds": round(state.evaluation_seconds, 1),
        "training_peak_memory_gb": round(training_peak, 2),
    }
    rows_of_sheet = [(flows["ema"], 1.0), (flows["ema"], 0.7), (flows["plain"], 1.0)]
    sheet = torch.cat([sample_images(f, COLUMNS, config.seed, t) for f, t in rows_of_sheet])
    save_grid(out / "samples.png", sheet)
    write_json(out / "metrics.json", metrics)


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
