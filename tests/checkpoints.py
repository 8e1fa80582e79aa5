"""Look into a checkpoint, and change one as a stranger would."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

NAME = "checkpoint.safetensors"


def tensors(run: Path) -> dict[str, Tensor]:
    """Weights, moments and pools of the checkpoint in a run's folder."""
    found = load_file(run / NAME)
    del found["progress"]
    return found


def progress(run: Path) -> dict:
    """How far it says that the run has come."""
    return json.loads(bytes(load_file(run / NAME)["progress"].tolist()))


def weights(run: Path, part: str = "model") -> dict[str, Tensor]:
    """The weights of one network, under their own names."""
    found = tensors(run)
    return {name.removeprefix(f"{part}."): v for name, v in found.items() if name.startswith(f"{part}.")}


def change(run: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    """Write the checkpoint again after an edit of its tensors."""
    found = load_file(run / NAME)
    edit(found)
    save_file(found, run / NAME)


def change_progress(run: Path, text: str | bytes) -> None:
    """Write another text in place of the progress."""
    data = bytearray(text.encode() if isinstance(text, str) else text)
    change(run, lambda found: found.update(progress=torch.frombuffer(data, dtype=torch.uint8)))
