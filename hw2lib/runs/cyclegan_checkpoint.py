"""Checkpoints of a CycleGAN run: one file, so that its parts can never be of different steps."""

import json
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hw2lib.cyclegan import TrainingStep
from hw2lib.errors import UserError

from .checkpoint import load_moments, moments, tensors_writer
from .folder import json_bytes, write_together

CHECKPOINT, MARKER = "checkpoint.safetensors", "state.json"
OPTIMIZERS = ("generators", "discriminators")


class CycleGANTrainingState(Protocol):
    """As :class:`~hw2lib.runs.checkpoint.TrainingState`, of four networks with two optimizers and two pools.

    Attributes:
        PROGRESS: names of all attributes that are kept beside ``training``.
        training: networks, optimizers and pools.
        epoch: epochs that are done.
        step: steps of the current epoch that are done.
    """

    PROGRESS: ClassVar[tuple[str, ...]]
    training: TrainingStep
    epoch: int
    step: int


def save_cyclegan_state(out: Path, state: CycleGANTrainingState) -> None:
    """Write networks, both optimizers, both pools and the loop's position in one file.

    state.json, the mark that there is something to resume, tells people the position.
    """
    training = state.training
    tensors = {f"net.{name}": value for name, value in training.net.state_dict().items()}
    for which in OPTIMIZERS:
        tensors |= {f"{which}.{key}": value for key, value in moments(getattr(training, which)).items()}
    for name, pool in training.pools.items():
        tensors |= {f"pool.{name}.{key}": value for key, value in pool.state_dict().items()}
    progress = json.dumps({name: getattr(state, name) for name in state.PROGRESS})
    # As a tensor: the header, which is the place for texts, is limited to 100 MB.
    tensors["progress"] = torch.frombuffer(bytearray(progress.encode()), dtype=torch.uint8)
    position = json_bytes({"epoch": state.epoch, "step": state.step})
    files = {out / CHECKPOINT: tensors_writer(tensors), out / MARKER: lambda path: path.write_bytes(position)}
    write_together(files)


def load_cyclegan_state(out: Path, state: CycleGANTrainingState) -> None:
    """Take up what :func:`save_cyclegan_state` left in ``out``; UserError if it is damaged."""
    path, training = out / CHECKPOINT, state.training
    tensors, progress = _read(path)
    try:
        training.net.load_state_dict(_below(tensors, "net"))
        for which in OPTIMIZERS:
            load_moments(getattr(training, which), _below(tensors, which))
        for name, pool in training.pools.items():
            device = next(training.net.parameters()).device
            stored = _below(tensors, f"pool.{name}")
            pool.load_state_dict({key: value.to(device) for key, value in stored.items()})
        for name in state.PROGRESS:
            setattr(state, name, progress[name])
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(f"{path}: is the checkpoint of another run") from error


def _read(path: Path) -> tuple[dict[str, Tensor], dict]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; is this the folder of a run?")
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            return tensors, json.loads(tensors.pop("progress").numpy().tobytes())
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a checkpoint") from error


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, by the rest of their names."""
    return {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}


def snapshot(run: Path, epoch: int) -> Path:
    """The weights that a run kept after an epoch; the sheet of outputs lies beside them."""
    return run / f"epoch-{epoch:02d}.safetensors"


def kept_epochs(run: Path) -> list[int]:
    """The epochs after which a run kept its weights, in order."""
    return sorted(int(path.stem.removeprefix("epoch-")) for path in run.glob("epoch-*.safetensors"))
