"""Judge a finished CycleGAN run after the fact, from the weights that it kept."""

from pathlib import Path

from hw2lib.data.unpaired import UnpairedImages
from hw2lib.errors import UserError
from hw2lib.runs.checkpoint import kept_epochs, load_weights, snapshot
from hw2lib.runs.folder import write_json
from hw2lib.runs.schema import CycleGANMetrics, Environment
from hw2lib.schema import read_json
from hw2lib.training.devices import resolve_device
from hw2lib.translation.similarity import test_metrics

from .cyclegan_evaluation import TRANSLATIONS, evaluate_snapshots
from .trained import load_cyclegan

SECTIONS = ("translation", "colours", "outputs", "steganography", "returns")


def evaluate_run(run: Path, data: UnpairedImages, device: str = "auto") -> dict:
    """Measure the kept weights again: write metrics.json and translations.csv as the run itself would.

    A run evaluates itself when it ends; this is for runs that ended without, and for newer measures.

    Args:
        run: folder of a finished run with its ``epoch-NN.safetensors``.
        data: the images that it was trained on.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        The metrics, old and new.

    Raises:
        UserError: the folder holds no finished run, its weights are gone, or the images are others.
    """
    if not (run / "metrics.json").exists():
        raise UserError(f"{run}: holds no finished run; hw2 train cyclegan --resume goes on with it")
    if read_json(run / "environment.json", Environment)["data"]["checksum"] != data.checksum:
        raise UserError(f"{run}: was trained on other images than {data.name}; give the same --data")
    metrics = read_json(run / "metrics.json", CycleGANMetrics)
    expected = [row["epoch"] for row in metrics["test"]]
    if kept_epochs(run) != expected:
        raise UserError(f"{run}: kept weights of epochs {kept_epochs(run)}, not of {expected}")
    net, config = load_cyclegan(run)
    net.to(resolve_device(device))
    for row in metrics["test"]:
        load_weights(snapshot(run, row["epoch"]), net)
        row |= test_metrics(net, data)
    metrics |= evaluate_snapshots(run, net, data, config.seed)
    write_json(run / "metrics.json", metrics)
    return metrics


def is_evaluated(run: Path) -> bool:
    """Whether a run has ended and metrics.json and translations.csv hold all measures."""
    path = run / "metrics.json"
    return (
        path.exists()
        and set(SECTIONS) <= set(read_json(path, CycleGANMetrics))
        and (run / TRANSLATIONS).exists()
    )
