"""A CycleGAN run: train, draw and measure on the way, and write what a finished run leaves behind."""

import time
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from hw2lib.cyclegan import CycleGAN
from hw2lib.data.unpaired import UnpairedImages, duplicates_report, to_signed, to_uint8
from hw2lib.errors import UserError
from hw2lib.runs.checkpoint import save_weights
from hw2lib.runs.cyclegan_checkpoint import load_cyclegan_state, save_cyclegan_state, snapshot
from hw2lib.runs.folder import environment, note_resumption, prepare, write_json
from hw2lib.runs.images import save_grid
from hw2lib.training.cyclegan import CycleGANLoop, CycleGANState, build_training
from hw2lib.training.devices import resolve_device
from hw2lib.training.loop import Report
from hw2lib.training.memory import keep_freed_memory, peak_gpu_memory_gb, peak_memory_gb
from hw2lib.training.settings import CycleGANConfig
from hw2lib.translation.similarity import directions, run_generator, test_metrics

from .cyclegan_evaluation import TRANSLATIONS, evaluate_snapshots

RECORDED_FILES = ("config.json", "environment.json", "losses.csv", "metrics.json", TRANSLATIONS)
COLUMNS = 6


def train_cyclegan(
    config: CycleGANConfig,
    data: UnpairedImages,
    out: Path,
    resume: bool = False,
    device: str = "auto",
    report: Report = lambda event: None,
) -> bool:
    """Train the four networks; writes the run's folder.

    The order of the images, crops, mirroring and the pools' decisions are functions of (seed, epoch,
    step), and both optimizers and pools are kept, so that a run which is interrupted and resumed equals
    one that was not, to the bit on one CPU. losses.csv holds the losses of single steps, every
    ``log_every``-th, without their weights.

    Args:
        config: settings.
        data: images of the configured size and recipe.
        out: folder of the run.
        resume: go on from the checkpoint in ``out``.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: called with a dictionary after each step (keys epoch, epochs, step, steps_per_epoch,
            losses).

    Returns:
        True if the run finished, False if Ctrl-C left a checkpoint.

    Raises:
        UserError: ``out`` holds another run, nothing to resume, a run begun with other images or settings,
            or CUDA graphs are asked of a CPU.
    """
    place = resolve_device(device)
    if config.cuda_graphs and place.type != "cuda":
        raise UserError("cuda_graphs=true: needs a CUDA device")
    prepare(out, resume, data.checksum, config)
    keep_freed_memory()
    state = CycleGANState(build_training(config, place))
    if resume:
        load_cyclegan_state(out, state)
        note_resumption(out, state.epoch, state.step, place)
    else:
        write_json(out / "config.json", config.model_dump())
        write_json(out / "environment.json", environment(place, data_facts(data)))
        save_cyclegan_state(out, state)  # a run that is killed at once can be resumed too
    loop = _EvaluatingLoop(config, data, state, place, out, report)
    finished = loop.run()
    if finished:
        started = time.perf_counter()
        evaluation = evaluate_snapshots(out, state.training.net, data, config.seed)
        state.evaluation_seconds += time.perf_counter() - started
        finish_cyclegan_run(out, state, config.epochs * loop.steps_per_epoch, evaluation)
    return finished


class _EvaluatingLoop(CycleGANLoop):
    def evaluate(self) -> None:
        evaluate_epoch(self.out, self.data, self.state)


def evaluate_epoch(out: Path, data: UnpairedImages, state: CycleGANState) -> None:
    """Write epoch-NN.png and epoch-NN.safetensors, and measure the networks on the test images."""
    net = state.training.net
    save_weights(snapshot(out, state.epoch), net)
    save_grid(snapshot(out, state.epoch).with_suffix(".png"), contact_sheet(net, data), COLUMNS)
    state.evaluations.append({"epoch": state.epoch} | test_metrics(net, data))


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


def finish_cyclegan_run(out: Path, state: CycleGANState, steps: int, evaluation: dict) -> None:
    """Write metrics.json of a run that took so many steps.

    Args:
        out: folder of the run.
        state: of the loop after its last step.
        steps: in all epochs together.
        evaluation: what :func:`~hw2lib.jobs.cyclegan_evaluation.evaluate_snapshots` found.
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


def data_facts(data: UnpairedImages) -> dict:
    """What identifies the data of a run."""
    counts = {split: len(images) for split, images in data.images.items()}
    return {"name": data.name, "checksum": data.checksum} | counts | duplicates_report(data.duplicates)
