"""A CycleGAN run: train, draw and measure on the way, and write what a finished run leaves behind."""

import time
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from hw2lib.cyclegan import CycleGAN
from hw2lib.data.unpaired import UnpairedImages, to_signed, to_uint8
from hw2lib.runs.checkpoint import Progress, save_weights, snapshot
from hw2lib.runs.folder import RunFolder, claimed, write_csv, write_json
from hw2lib.runs.images import save_grid
from hw2lib.training.cyclegan import epoch_steps, train_cyclegan
from hw2lib.training.devices import fabric_on, is_first_process
from hw2lib.training.loop import Report
from hw2lib.training.memory import peak_gpu_memory_gb, peak_memory_gb
from hw2lib.training.settings import CycleGANConfig
from hw2lib.translation.similarity import directions, run_generator, test_metrics

from .cyclegan_evaluation import TRANSLATIONS, evaluate_snapshots

RECORDED_FILES = ("config.json", "environment.json", "losses.csv", "metrics.json", TRANSLATIONS)
COLUMNS = 6


def run_cyclegan(
    config: CycleGANConfig,
    data: UnpairedImages,
    out: Path | RunFolder,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
    report: Report = lambda event: None,
) -> bool:
    """Train the four networks (:func:`~hw2lib.training.cyclegan.train_cyclegan`), judge them, write the run.

    After each epoch of ``evaluate_epochs`` the run keeps epoch-NN.safetensors and epoch-NN.png, and when it
    ends it judges them all.

    Args:
        config: settings.
        data: images of the configured size and recipe.
        out: folder of the run.
        resume: go on from the checkpoint in ``out``.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: number of devices, each of which takes a share of every batch.
        strategy: ``auto`` or ``ddp``.
        report: called with a dictionary after each step (keys epoch, epochs, step, steps_per_epoch,
            losses).

    Returns:
        True if the run finished, False if Ctrl-C left a checkpoint.

    Raises:
        UserError: another process holds ``out``, it holds another run, nothing to resume, a run begun with
            other images or settings, a loss is no longer a number, or the settings do not fit the devices.
    """
    with claimed(out, resume, is_first_process(devices)) as run:
        fabric = fabric_on(device, devices, strategy)

        def evaluate(net: CycleGAN, epoch: int) -> dict[str, float]:
            kept = snapshot(run.path, epoch)
            save_weights(kept, net)
            save_grid(kept.with_suffix(".png"), contact_sheet(net, data), COLUMNS)
            return test_metrics(net, data)

        net, state = train_cyclegan(config, data, run, fabric, report, evaluate)
        finished = state.progress.epoch == config.epochs
        if finished and run.first:
            started = time.perf_counter()
            evaluation = evaluate_snapshots(run.path, net, data, config.seed)
            state.progress.evaluation_seconds += time.perf_counter() - started
            steps = config.epochs * epoch_steps(config, data)
            write_cyclegan_run(run.path, net, state.progress, steps, evaluation)
        fabric.barrier()
        return finished


def recorded_files(epochs: Iterable[int]) -> tuple[str, ...]:
    """The small files of a finished run whose test images were drawn after these epochs."""
    return (*RECORDED_FILES, *(f"epoch-{epoch:02d}.png" for epoch in epochs))


def contact_sheet(net: CycleGAN, data: UnpairedImages, columns: int = COLUMNS) -> Tensor:
    """What the networks make of the same test images at every epoch; never the images themselves.

    Rows: G(x), F(G(x)), F(y), G(F(y)) for ``columns`` evenly spaced test images x of A and y of B.

    Returns:
        uint8 of shape (4 · columns, 3, size, size).
    """
    rows = []
    for split, forward, backward in directions(net):
        images = data.images[split]
        chosen = torch.linspace(0, len(images) - 1, columns).round().long()
        translated = run_generator(forward, to_signed(images[chosen]))
        rows += [translated, run_generator(backward, translated)]
    return to_uint8(torch.cat(rows))


def write_cyclegan_run(out: Path, net: CycleGAN, progress: Progress, steps: int, evaluation: dict) -> None:
    """Write losses.csv and metrics.json of a finished run.

    Args:
        out: folder of the run.
        net: the networks after the last step.
        progress: of the run.
        steps: in all epochs together.
        evaluation: what :func:`~hw2lib.jobs.cyclegan_evaluation.evaluate_snapshots` found.
    """
    counts = {
        name: sum(p.numel() for p in module.parameters())
        for name, module in (("generator", net.G_A), ("discriminator", net.D_A))
    }
    metrics = {
        "test": progress.evaluations,
        "parameters": counts,
        "train_seconds": round(progress.train_seconds, 1),
        "evaluation_seconds": round(progress.evaluation_seconds, 1),
        "seconds_per_step": round(progress.train_seconds / steps, 4),
        "peak_memory_gb": round(peak_memory_gb(), 2),
    }
    if next(net.parameters()).is_cuda:
        metrics["peak_gpu_memory_gb"] = round(peak_gpu_memory_gb(), 2)
    write_csv(out / "losses.csv", progress.losses)
    write_json(out / "metrics.json", metrics | evaluation)
