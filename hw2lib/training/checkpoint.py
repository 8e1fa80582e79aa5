"""Checkpoints: weights in safetensors, and a state from which training goes on to the bit."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hw2lib.errors import UserError

from .runs import read_json

MODEL, AVERAGE, OPTIMIZER, STATE = (
    "model.safetensors",
    "average.safetensors",
    "optimizer.safetensors",
    "state.json",
)


def save_weights(path: Path, module: nn.Module) -> None:
    """Write a module's weights; the file is whole or the old one stays."""
    save_all({path: _tensors(module)})


def load_weights(path: Path, module: nn.Module) -> None:
    """Read weights into a module; UserError if the file is missing, damaged or of another model."""
    try:
        _bare(module).load_state_dict(_load(path)[0])
    except RuntimeError as error:
        raise UserError(f"{path}: holds the weights of another model") from error


def save_training_state(out: Path, state) -> None:
    """Write the weights of every network, optimizer moments and the loop's position.

    All files are complete before the first old one is replaced, and each notes the step that it is of, so
    that parts of different steps are never taken for a checkpoint.

    Args:
        out: folder of the run.
        state: has ``networks``, modules by file name, ``optimizer``, and ``PROGRESS``, the names of all
            else that a run carries from one step to the next.
    """
    files = {out / name: _tensors(network) for name, network in state.networks.items()}
    moments = state.optimizer.state_dict()["state"]
    files[out / OPTIMIZER] = {
        f"{k}.{name}": v.detach().contiguous() for k, entry in moments.items() for name, v in entry.items()
    }
    progress = {name: getattr(state, name) for name in state.PROGRESS}
    save_all(files, _mark(progress), {out / STATE: progress})


def load_training_state(out: Path, state) -> None:
    """Take up what :func:`save_training_state` left in ``out``; UserError if it is no whole checkpoint."""
    progress = read_json(out / STATE)
    moments: dict[int, dict[str, Tensor]] = {}
    for name in (*state.networks, OPTIMIZER):
        tensors, mark = _load(out / name)
        if mark != _mark(progress):
            raise UserError(f"{out / name}: is of another step than {STATE}; the run cannot be resumed")
        if name in state.networks:
            load_weights(out / name, state.networks[name])
            continue
        for key, value in tensors.items():
            index, moment = key.split(".", 1)
            moments.setdefault(int(index), {})[moment] = value
    whole = state.optimizer.state_dict()
    state.optimizer.load_state_dict(whole | {"state": moments})
    for name in state.PROGRESS:
        setattr(state, name, progress[name])


def _bare(module: nn.Module) -> nn.Module:
    """The module inside Fabric's wrapper, if it is in one."""
    return getattr(module, "module", module)


def save_all(
    tensors: Mapping[Path, dict[str, Tensor]],
    mark: dict[str, str] | None = None,
    texts: Mapping[Path, object] | None = None,
) -> None:
    """Write several files, none of which replaces an old one before all are complete.

    Args:
        tensors: what to write as safetensors, by file.
        mark: metadata of each of these.
        texts: what to write as JSON, by file.

    Raises:
        UserError: a file cannot be written, for want of a folder, of the right or of space.
    """
    parts = {path: path.with_name(path.name + ".part") for path in (*tensors, *(texts or {}))}
    try:
        for path, content in tensors.items():
            save_file(content, parts[path], mark)
        for path, value in (texts or {}).items():
            parts[path].write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
        for path, part in parts.items():
            os.replace(part, path)
    except (SafetensorError, OSError) as error:
        for part in parts.values():
            with suppress(OSError):
                part.unlink()
        raise UserError(f"{path}: cannot be written: {error}") from error


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().contiguous() for k, v in _bare(module).state_dict().items()}


def _mark(progress: Mapping[str, object]) -> dict[str, str]:
    return {"done": f"{progress['epoch']} epochs, {progress['step']} steps"}


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, str] | None]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; is this the folder of a run?")
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read as safetensors") from error
