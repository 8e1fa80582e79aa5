"""Checkpoints: one file from which training goes on to the bit, the same for every model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from hw2lib.cyclegan import ImagePool
from hw2lib.errors import UserError

from .folder import CHECKPOINT, OLD_STATE, RunFolder, write_whole

MODEL, AVERAGE, OPTIMIZER, PROGRESS = "model", "average", "optimizer", "progress"
Row = dict[str, int | float | str | None]


class Progress(BaseModel):
    """How far a run has come.

    Attributes:
        epoch: epochs that are done.
        step: steps of the current epoch that are done.
        loss_sum: of the current epoch's images so far, in nats.
        losses: the rows of losses.csv.
        evaluations: what was measured on test images on the way, a row each.
        train_seconds, evaluation_seconds: that training and these measures took so far.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    epoch: int = Field(default=0, ge=0)
    step: int = Field(default=0, ge=0)
    loss_sum: float = 0.0
    losses: list[Row] = []
    # Before version 0.2 the flow's were called auroc.
    evaluations: list[Row] = Field(default=[], validation_alias=AliasChoices("evaluations", "auroc"))
    train_seconds: float = Field(default=0.0, ge=0)
    evaluation_seconds: float = Field(default=0.0, ge=0)


@dataclass
class TrainingState:
    """Everything that a run carries from one step to the next.

    Attributes:
        networks, optimizers, pools: by the names under which a checkpoint holds them. Optimizers are Adam.
        image: shape of an image in a pool.
        progress: how far the run has come.
    """

    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    pools: Mapping[str, ImagePool] = field(default_factory=dict)
    image: tuple[int, ...] = ()
    progress: Progress = field(default_factory=Progress)

    def network(self, name: str) -> nn.Module:
        """A network without what shares it among processes."""
        return bare(self.networks[name])

    def tensors(self) -> dict[str, Tensor]:
        """Weights, moments and pools, by names that begin with their part's."""
        found: dict[str, Tensor] = {}
        for part, network in self.networks.items():
            found |= {f"{part}.{name}": value for name, value in bare(network).state_dict().items()}
        for part, optimizer in self.optimizers.items():
            for k, entry in optimizer.state_dict()["state"].items():
                found |= {f"{part}.{k}.{name}": value for name, value in entry.items()}
        for part, pool in self.pools.items():
            found |= {f"{part}.{name}": value for name, value in pool.state_dict().items()}
        return found


def bare(module: nn.Module) -> nn.Module:
    """The module inside Fabric's wrapper, and inside that of the strategy, if it is in one."""
    return getattr(module, "module", module)


def save_checkpoint(out: Path, state: TrainingState) -> None:
    """Write networks, optimizers, pools and progress as one file, whole or not at all.

    Raises:
        UserError: it cannot be written, or a number in it is none; the checkpoint before it stays.
    """
    progress = state.progress
    tensors = state.tensors()
    for name, value in tensors.items():
        if not _finite(value):
            raise UserError(
                f"{out}: {name} is no longer finite in epoch {progress.epoch + 1}; lower learning_rate"
            )
    # As a tensor: the header, which is the place for texts, is limited to 100 MB.
    text = bytearray(progress.model_dump_json().encode())
    _write(out / CHECKPOINT, tensors | {PROGRESS: torch.frombuffer(text, dtype=torch.uint8)})
    for path in _old_files(out):
        path.unlink(missing_ok=True)


def load_checkpoint(out: Path, state: TrainingState) -> None:
    """Take up what :func:`save_checkpoint` left; names, shapes, types and numbers are checked before.

    Raises:
        UserError: it is missing, damaged, or no checkpoint of this model.
    """
    path = out / CHECKPOINT
    if path.is_file() or not (out / OLD_STATE).is_file():
        tensors = load_tensors(path)
        if PROGRESS not in tensors:
            raise UserError(f"{path}: lacks {PROGRESS}")
        text = tensors.pop(PROGRESS).numpy().tobytes()
    else:
        path, tensors, text = _read_old(out)
    try:
        progress = Progress.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in (PROGRESS, *first["loc"]))
        raise UserError(f"{path}: {place}: {first['msg']}") from error
    check_tensors(path, tensors, _expected(tensors, state, begun=bool(progress.epoch or progress.step)))
    for part, network in state.networks.items():
        _take(path, bare(network), _below(tensors, part))
    for part, optimizer in state.optimizers.items():
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _below(tensors, part).items():
            index, name = key.split(".", 1)
            moments.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    for part, pool in state.pools.items():
        device = next(next(iter(state.networks.values())).parameters()).device
        pool.load_state_dict({key: value.to(device) for key, value in _below(tensors, part).items()})
    state.progress = progress


def begin_or_resume(
    run: RunFolder,
    state: TrainingState,
    config: BaseModel,
    device: torch.device,
    data: Mapping[str, object],
    epochs: int,
    steps_per_epoch: int,
    columns: Sequence[str],
) -> None:
    """Write what a new run starts from, or take up the checkpoint of one that was begun.

    Args:
        run: its folder, held.
        state: of the training.
        config: settings.
        device: on which the run takes place.
        data: what identifies the images, with its ``checksum``.
        epochs, steps_per_epoch: how far the run can have come.
        columns: of losses.csv.

    Raises:
        UserError: the run was begun otherwise, or its checkpoint is not one of this model.
    """
    run.begin(config, device, data)
    if run.resume:
        load_checkpoint(run.path, state)
        at = state.progress
        if at.epoch > epochs or at.step > steps_per_epoch:
            raise UserError(
                f"{run.path / CHECKPOINT}: is of epoch {at.epoch}, step {at.step}, where the run has"
                f" {epochs} epochs of {steps_per_epoch} steps"
            )
        for name, rows in (("losses", at.losses), ("evaluations", at.evaluations)):
            expected = tuple(columns) if name == "losses" else tuple(rows[0]) if rows else ()
            if any(tuple(row) != expected for row in rows) or (name == "losses" and at.epoch and not rows):
                raise UserError(f"{run.path / CHECKPOINT}: {name} are not those of {at.epoch} epochs")
        run.note_resumption(at.epoch, at.step, device)
    elif run.first:
        save_checkpoint(run.path, state)  # a run that is killed at once can be resumed too


def save_weights(path: Path, module: nn.Module) -> None:
    """Write a module's weights, whole or not at all; UserError if they cannot be, or are not finite."""
    tensors = bare(module).state_dict()
    for name, value in tensors.items():
        if not _finite(value):
            raise UserError(f"{path}: {name} is no longer finite; lower learning_rate")
    _write(path, tensors)


def load_weights(path: Path, module: nn.Module) -> None:
    """Read weights into a module; UserError if they are missing, damaged, of another model or not finite."""
    _load_weights(path, load_tensors(path), module)


def load_part(run: Path, part: str, module: nn.Module) -> None:
    """Read the weights of a network from the checkpoint of a run; UserError as :func:`load_weights`."""
    path, prefix = part_file(run, part)
    tensors = load_tensors(path, prefix)
    _load_weights(path, {name.removeprefix(prefix): value for name, value in tensors.items()}, module)


def part_file(run: Path, part: str) -> tuple[Path, str]:
    """The file that holds a network of a run, and what its names begin with there."""
    path, old = run / CHECKPOINT, run / f"{part}.safetensors"
    return (old, "") if old.is_file() and not path.is_file() else (path, f"{part}.")


def snapshot(run: Path, epoch: int) -> Path:
    """The weights that a run kept after an epoch; the sheet of outputs lies beside them."""
    return run / f"epoch-{epoch:02d}.safetensors"


def kept_epochs(run: Path) -> list[int]:
    """The epochs after which a run kept its weights, in order."""
    return sorted(int(path.stem.removeprefix("epoch-")) for path in run.glob("epoch-*.safetensors"))


def load_tensors(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of a file whose names begin so; UserError if it is missing or damaged."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; is this the folder of a run?")
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read as safetensors") from error


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    whole = {name: value.detach().contiguous() for name, value in tensors.items()}
    write_whole(path, lambda part: save_file(whole, part))


def _expected(found: Mapping[str, Tensor], state: TrainingState, begun: bool) -> dict[str, Tensor]:
    """What a checkpoint has to hold, as tensors of the right shapes and types.

    Adam has moments after its first step, and a pool holds as many images as it got, at most its size.
    """
    expected = TrainingState(state.networks, {}).tensors()
    for part, optimizer in state.optimizers.items():
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for k, parameter in enumerate(parameters if begun else []):
            expected |= {f"{part}.{k}.exp_avg": parameter, f"{part}.{k}.exp_avg_sq": parameter}
            expected[f"{part}.{k}.step"] = torch.zeros(())
    for part, pool in state.pools.items():
        stored = found.get(f"{part}.images", torch.zeros(()))
        if pool.size and begun:
            n = len(stored) if stored.ndim and 0 < len(stored) <= pool.size else pool.size
            expected[f"{part}.images"] = torch.zeros(1).expand(n, *state.image)
    return expected


def check_tensors(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """UserError for the first tensor that is missing, too many, of another shape or type, or not finite."""
    for name in (*sorted(expected.keys() - found.keys()), *sorted(found.keys() - expected.keys())):
        raise UserError(f"{path}: {'lacks' if name in expected else 'holds, beside the model,'} {name}")
    for name, like in expected.items():
        value = found[name]
        if (value.shape, value.dtype) != (like.shape, like.dtype):
            raise UserError(
                f"{path}: {name} is {_kind(value)}, where the settings make it {_kind(like)};"
                " is it of another model?"
            )
        if not _finite(value):
            raise UserError(f"{path}: {name} holds a number that is not finite")
        if name.endswith(".exp_avg_sq") and bool((value < 0).any()):
            raise UserError(f"{path}: {name} holds a negative square")


def _kind(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"


def _finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(value.isfinite().all())


def _load_weights(path: Path, tensors: Mapping[str, Tensor], module: nn.Module) -> None:
    check_tensors(path, tensors, bare(module).state_dict())
    _take(path, bare(module), tensors)


def _take(path: Path, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:  # degrees of a MADE
        raise UserError(f"{path}: holds the weights of another model") from error


def _below(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors of a part, by the rest of their names."""
    return {k.removeprefix(f"{part}."): v for k, v in tensors.items() if k.startswith(f"{part}.")}


def _old_files(out: Path) -> list[Path]:
    """The checkpoint of a flow or a VAE before version 0.2: a file for each part, and one of the progress."""
    files = [out / f"{part}.safetensors" for part in (MODEL, AVERAGE, OPTIMIZER)]
    return [path for path in (*files, out / OLD_STATE) if path.is_file()]


def _read_old(out: Path) -> tuple[Path, dict[str, Tensor], bytes]:
    """The old checkpoint's place, tensors by today's names, and progress."""
    *files, state = _old_files(out)
    try:
        text = state.read_bytes()
        progress = json.loads(text)
        done = f"{progress['epoch']} epochs, {progress['step']} steps"
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{state}: cannot be read as JSON") from error
    tensors: dict[str, Tensor] = {}
    for path in files:
        tensors |= {f"{path.stem}.{name}": value for name, value in load_tensors(path).items()}
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("done") != done:
                raise UserError(f"{path}: is of another step than {OLD_STATE}; the run cannot be resumed")
    return state, tensors, text
