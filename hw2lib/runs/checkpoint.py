"""Checkpoints: weights in safetensors, and a state from which training goes on to the bit."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from hw2lib.errors import UserError

from .folder import json_bytes, read_json, write_together

MODEL, AVERAGE, OPTIMIZER, STATE = (
    "model.safetensors",
    "average.safetensors",
    "optimizer.safetensors",
    "state.json",
)


class TrainingState(Protocol):
    """What a run carries from one step to the next.

    Attributes:
        PROGRESS: names of all attributes that are kept beside networks and optimizer.
        optimizer: of all networks.
        epoch: epochs that are done.
        step: steps of the current epoch that are done.
    """

    PROGRESS: ClassVar[tuple[str, ...]]
    optimizer: Optimizer
    epoch: int
    step: int

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """What a checkpoint holds, by file name."""


def save_weights(path: Path, module: nn.Module) -> None:
    """Write a module's weights; the file is whole or the old one stays."""
    write_together({path: tensors_writer(_bare(module).state_dict())})


def load_weights(path: Path, module: nn.Module) -> None:
    """Read weights into a module; UserError if the file is missing, damaged or of another model."""
    _take_weights(path, module, _load(path)[0])


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name; UserError if it is missing or damaged."""
    return _load(path)[0]


def save_training_state(out: Path, state: TrainingState) -> None:
    """Write the weights of every network, optimizer moments and the loop's position.

    All files are complete before the first old one is replaced, and each notes the step that it is of, so
    that parts of different steps are never taken for a checkpoint.

    Args:
        out: folder of the run.
        state: of the training.
    """
    progress = {name: getattr(state, name) for name in state.PROGRESS}
    parts = {name: _bare(network).state_dict() for name, network in state.networks.items()}
    parts[OPTIMIZER] = moments(state.optimizer)
    files: dict[Path, Callable[[Path], object]] = {
        out / name: tensors_writer(tensors, _mark(progress)) for name, tensors in parts.items()
    }
    files[out / STATE] = lambda path: path.write_bytes(json_bytes(progress))
    write_together(files)


def load_training_state(out: Path, state: TrainingState) -> None:
    """Take up what :func:`save_training_state` left in ``out``; UserError if it is no whole checkpoint."""
    progress = read_json(out / STATE)

    def part(name: str) -> dict[str, Tensor]:
        tensors, mark = _load(out / name)
        if mark != _mark(progress):
            raise UserError(f"{out / name}: is of another step than {STATE}; the run cannot be resumed")
        return tensors

    for name, network in state.networks.items():
        _take_weights(out / name, network, part(name))
    load_moments(state.optimizer, part(OPTIMIZER))
    for name in state.PROGRESS:
        setattr(state, name, progress[name])


def moments(optimizer: Optimizer) -> dict[str, Tensor]:
    """What an optimizer remembers of each parameter, by the parameter's number and a name."""
    state = optimizer.state_dict()["state"]
    return {f"{k}.{name}": value for k, entry in state.items() for name, value in entry.items()}


def load_moments(optimizer: Optimizer, flat: Mapping[str, Tensor]) -> None:
    """Take up what :func:`moments` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def tensors_writer(
    tensors: Mapping[str, Tensor], mark: dict[str, str] | None = None
) -> Callable[[Path], None]:
    """What :func:`~hw2lib.runs.folder.write_together` takes for safetensors; ``mark`` is their metadata."""
    whole = {name: value.detach().contiguous() for name, value in tensors.items()}
    return lambda path: save_file(whole, path, mark)


def _bare(module: nn.Module) -> nn.Module:
    """The module inside Fabric's wrapper, if it is in one."""
    return getattr(module, "module", module)


def _take_weights(path: Path, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    try:
        _bare(module).load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{path}: holds the weights of another model") from error


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
