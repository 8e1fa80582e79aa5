"""Checkpoints: weights in safetensors, and a state from which training goes on to the bit."""

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from hw2lib.errors import UserError

from .runs import read_json, write_json

MODEL, AVERAGE, OPTIMIZER, STATE = (
    "model.safetensors",
    "average.safetensors",
    "optimizer.safetensors",
    "state.json",
)


def save_weights(path: Path, module: nn.Module) -> None:
    """Write a module's weights; the file is whole or the old one stays."""
    _save({k: v.detach().contiguous() for k, v in _bare(module).state_dict().items()}, path)


def load_weights(path: Path, module: nn.Module) -> None:
    """Read weights into a module; UserError if the file is missing, damaged or of another model."""
    try:
        _bare(module).load_state_dict(_load(path))
    except RuntimeError as error:
        raise UserError(f"{path}: holds the weights of another model") from error


def save_training_state(out: Path, state) -> None:
    """Write the weights of every network, optimizer moments and the loop's position.

    Args:
        out: folder of the run.
        state: has ``networks``, modules by file name, ``optimizer``, and ``PROGRESS``, the names of all
            else that a run carries from one step to the next.
    """
    for name, network in state.networks.items():
        save_weights(out / name, network)
    moments = state.optimizer.state_dict()["state"]
    flat = {
        f"{k}.{name}": v.detach().contiguous() for k, entry in moments.items() for name, v in entry.items()
    }
    _save(flat, out / OPTIMIZER)
    write_json(out / STATE, {name: getattr(state, name) for name in state.PROGRESS})


def load_training_state(out: Path, state) -> None:
    """Take up what :func:`save_training_state` left in ``out``."""
    progress = read_json(out / STATE)
    for name, network in state.networks.items():
        load_weights(out / name, network)
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _load(out / OPTIMIZER).items():
        index, name = key.split(".", 1)
        moments.setdefault(int(index), {})[name] = value
    whole = state.optimizer.state_dict()
    state.optimizer.load_state_dict(whole | {"state": moments})
    for name in state.PROGRESS:
        setattr(state, name, progress[name])


def _bare(module: nn.Module) -> nn.Module:
    """The module inside Fabric's wrapper, if it is in one."""
    return getattr(module, "module", module)


def _save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    part = path.with_name(path.name + ".part")
    save_file(tensors, part)
    os.replace(part, path)


def _load(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; is this the folder of a run?")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read as safetensors") from error
