"""The loop that trains a masked autoregressive flow on one category of MVTec AD."""

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from hw2lib.anomaly import corrupt, nll_maps, nll_scores, pixel_auroc_report
from hw2lib.data import MVTecCategory
from hw2lib.data.mvtec import split_validation
from hw2lib.flows import MAF, DequantizedPixels, bits_per_dim
from hw2lib.runs.checkpoint import AVERAGE, MODEL, OPTIMIZER, TrainingState, begin_or_resume
from hw2lib.runs.folder import RunFolder, data_facts, measured, write_csv
from hw2lib.seeding import seeded_init
from hw2lib.statistics import auroc_per_defect

from .interrupt import interruptible
from .loop import Report, Session, epoch_generator, overall, pixel_event, share, shared_mean, step_generator
from .memory import keep_freed_memory
from .settings import MAFConfig

PIXELS = "pixels"
LOSSES = ("epoch", "train_nll", "val_nll", "val_nll_ema", "train_bpd", "val_bpd", "val_bpd_ema", "seconds")


def build_maf(config: MAFConfig) -> MAF:
    """The flow of a configuration, with weights drawn from its seed."""
    with seeded_init(config.seed):
        return MAF(
            3 * config.size**2,
            config.hidden_features,
            config.transforms,
            config.layout,
            conditioner=config.conditioner,
        )


def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    """As ``torch.nn.utils.clip_grad_norm_``, which also writes gradients anew that are small enough."""
    norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
    if not norm + 1e-6 <= max_norm:  # NaN is for the scaling to hand on
        clip_grads_with_norm_(parameters, max_norm, norm)


def train_maf(
    config: MAFConfig, data: MVTecCategory, run: RunFolder, fabric: Fabric, report: Report
) -> TrainingState:
    """Maximum-likelihood training, from the beginning or from the checkpoint of a resumed run.

    The objective is the mean of −log p(x) over a batch, x being dequantised pixels in [−1, 1]^D (book:
    eq-maf-objective). Batches and noise are functions of (seed, epoch, step), so that a run which is
    interrupted and resumed equals one that was not, to the bit on one CPU.

    Args:
        config: settings.
        data: images of the configured size.
        run: its folder, held.
        fabric: launched; each of its processes takes a share of every batch.
        report: called after each step with what :func:`~hw2lib.training.loop.pixel_event` makes.

    Returns:
        The state after the last epoch, or after the step in which Ctrl-C came; a checkpoint holds it. Its
        networks are ``model``, and ``average``, the moving average θ̄ of the weights.

    Raises:
        UserError: the images are too few to split, the run was begun otherwise, or the loss is no number.
    """
    train, held_out = split_validation(len(data.train), config.validation_fraction, config.seed)
    images, validation = data.train[train].flatten(1), data.train[held_out]
    steps_per_epoch = math.ceil(len(images) / config.batch_size)
    keep_freed_memory()
    flow = build_maf(config)
    average = build_maf(config).requires_grad_(False).to(fabric.device)
    optimizer = torch.optim.Adam(flow.parameters(), lr=config.learning_rate, fused=True)
    flow, optimizer = fabric.setup(flow, optimizer)
    flow.mark_forward_method("log_prob")
    state = TrainingState({MODEL: flow, AVERAGE: average}, {OPTIMIZER: optimizer})
    facts, place = data_facts(data), fabric.device
    begin_or_resume(run, state, config, place, facts, config.epochs, steps_per_epoch, LOSSES)
    at, session, pixels = state.progress, Session(run, state, fabric), DequantizedPixels()
    weights: list[nn.Parameter] = list(flow.parameters())
    averages: list[Tensor] = list(average.parameters())

    with interruptible() as interrupt:
        while at.epoch < config.epochs:
            session.restart()
            order = torch.randperm(len(images), generator=epoch_generator(config.seed, at))
            for batch in order.split(config.batch_size)[at.step :]:
                noise = step_generator(config.seed, at)
                spoiled = corrupt(images[batch], config.corrupted, noise)
                x = pixels.encode(spoiled, config.dequantize, generator=noise, dtype=weights[0].dtype)
                x = share(x, fabric)
                optimizer.zero_grad(set_to_none=True)
                loss = shared_mean(-flow.log_prob(x), len(batch), fabric)
                fabric.backward(loss)
                clip_gradients(weights, config.clip_norm)
                optimizer.step()
                with torch.no_grad():
                    torch._foreach_lerp_(averages, [*weights], 1 - config.average_decay)
                mean_loss = float(overall(loss, fabric))
                session.finite(mean_loss)
                at.loss_sum += mean_loss * len(batch)
                at.step += 1
                report(pixel_event(at, config.epochs, steps_per_epoch, mean_loss, data.features))
                if session.stops(interrupt):
                    session.lap()
                    session.save()
                    return state
                session.save_if_due()

            row: dict[str, float] = {"epoch": at.epoch + 1, "train_nll": at.loss_sum / len(images)}
            row["val_nll"] = float(nll_scores(flow, validation).mean())
            row["val_nll_ema"] = float(nll_scores(average, validation).mean())
            for name in ("train", "val"):
                row[f"{name}_bpd"] = float(bits_per_dim(row[f"{name}_nll"], data.features))
            row["val_bpd_ema"] = float(bits_per_dim(row["val_nll_ema"], data.features))
            session.end_epoch(row)

            # After the last epoch the test images are scored with all that follows training.
            if at.epoch in config.evaluate_epochs and at.epoch < config.epochs:
                started = time.perf_counter()
                for weighting, network in (("plain", flow), ("ema", average)):
                    at.evaluations += auroc_rows(at.epoch, weighting, data, nll_scores(network, data.test))
                at.evaluations += pixel_rows(at.epoch, measured_pixels(average, data, validation))
                at.evaluation_seconds += time.perf_counter() - started
                if run.first and at.evaluations:
                    write_csv(run.path / "auroc.csv", at.evaluations)
            session.save_after(at.epoch, config.epochs, config.checkpoint_every)
    return state


def auroc_rows(epoch: int, weights: str, data: MVTecCategory, scores: ArrayLike) -> list[dict]:
    """Rows of auroc.csv, one per kind of defect; none where a blown-up image has no rank."""
    if not np.isfinite(scores).all():
        return []
    areas = auroc_per_defect(data.test_defects, scores)
    return [
        {"epoch": epoch, "weights": weights, "defect": defect, "auroc": area}
        for defect, area in areas.items()
    ]


def measured_pixels(flow: MAF, data: MVTecCategory, held_out: Tensor) -> dict[str, Any]:
    """``pixel_auroc``: :func:`~hw2lib.anomaly.pixel_auroc_report` of a flow's maps; null with the reason."""
    if data.masks is None:
        return {"pixel_auroc": None}
    maps = nll_maps(flow, data.test), nll_maps(flow, held_out)
    return measured("pixel_auroc", lambda: pixel_auroc_report(*maps, data.masks))


def pixel_rows(epoch: int, metrics: Mapping[str, Any]) -> list[dict]:
    """The row of auroc.csv for pixels: of the averaged weights' map less the mean normal map, if measured."""
    report = metrics["pixel_auroc"]
    if report is None:
        return []
    return [{"epoch": epoch, "weights": "ema", "defect": PIXELS, "auroc": report["minus_mean"]}]
