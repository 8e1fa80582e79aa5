"""A run of each model that takes a second, for tests that stop, spoil or repeat it."""

import math
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import checkpoints
import torch

from hw2lib.data import synthetic_capsules, synthetic_unpaired
from hw2lib.jobs.cyclegan import run_cyclegan
from hw2lib.jobs.maf import run_maf
from hw2lib.jobs.vae import run_vae
from hw2lib.runs.folder import has_checkpoint
from hw2lib.training import loop
from hw2lib.training.settings import CycleGANConfig, MAFConfig, VAEConfig
from hw2lib.translation import classifier

MODELS: dict[str, tuple[Callable[..., bool], Any]] = {
    "maf": (
        run_maf,
        MAFConfig(
            size=16, hidden_features=(8,), transforms=1, batch_size=4, epochs=2, evaluate_epochs=(1,), seed=3
        ),
    ),
    "vae": (run_vae, VAEConfig(size=16, channels=(4,), latent=2, batch_size=4, epochs=2, seed=3)),
    "cyclegan": (
        run_cyclegan,
        CycleGANConfig(
            size=32,
            recipe="resize",
            blocks=0,
            features=2,
            pool=2,
            epochs=2,
            log_every=1,
            evaluate_epochs=(1, 2),
        ),
    ),
}
STEPS = 3  # per epoch of each: 9 images in batches of 4, 4 and 1, and pairs of 3 images


@cache
def images(model: str):
    if model == "cyclegan":
        return synthetic_unpaired("apple2orange", 32, "resize", train=3, test=2)
    return synthetic_capsules(16, train=10, good=2, per_defect=1)


def train(model: str, out: Path, resume: bool = False, **more) -> bool:
    """Train in ``out``; settings by name in ``more``, beside ``report``."""
    function, config = MODELS[model]
    report = more.pop("report", lambda event: None)
    settings = config.model_copy(update=more)
    return function(settings, images(model), out, resume=resume, device="cpu", report=report)


def hasten(set_attribute: Callable[[object, str, object], object] = setattr) -> None:
    """Let a classifier that is not tested learn nothing, and let every step leave a checkpoint."""
    set_attribute(classifier, "LEAST_STEPS", 2)
    set_attribute(loop, "CHECKPOINT_SECONDS", -math.inf)


def work(model: str, out: Path) -> None:
    """In a process of its own: begin or go on."""
    torch.set_num_threads(1)
    hasten()
    train(model, out, resume=has_checkpoint(out))


def stop_after(n: int, number: int = signal.SIGINT):
    """A report that sends a signal at the n-th step."""
    steps = []

    def report(event):
        steps.append(event)
        if len(steps) == n:
            signal.raise_signal(number)

    return report


def same(one, other) -> None:
    """The checkpoints of two runs are the same to the bit."""
    expected, found = checkpoints.tensors(one), checkpoints.tensors(other)
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    ours, theirs = (
        [{**row, "seconds": 0} for row in checkpoints.progress(run)["losses"]] for run in (one, other)
    )
    assert ours == theirs  # but for the seconds, which differ
