"""Load what a run has trained."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from hw2lib.anomaly.local.config import LocalConfig
from hw2lib.cyclegan import CycleGAN
from hw2lib.errors import UserError
from hw2lib.flows import MAF
from hw2lib.runs.checkpoint import (
    AVERAGE,
    MODEL,
    kept_epochs,
    load_part,
    load_weights,
    part_file,
    snapshot,
)
from hw2lib.runs.folder import RunFolder
from hw2lib.schema import read_json
from hw2lib.training.cyclegan import build_cyclegan
from hw2lib.training.maf import build_maf
from hw2lib.training.settings import (
    CycleGANConfig,
    MAFConfig,
    RunSettings,
    Settings,
    VAEConfig,
    validated,
)
from hw2lib.training.vae import build_vae
from hw2lib.vae import VAE

# The settings of each kind of run, and one that no other kind has.
_KINDS: dict[str, tuple[type[RunSettings], str]] = {
    "local": (LocalConfig, "densities"),  # before the flow, whose settings it has too
    "maf": (MAFConfig, "transforms"),
    "vae": (VAEConfig, "latent"),
    "cyclegan": (CycleGANConfig, "cycle"),
}


def run_kind(run: Path, expected: tuple[str, ...] = ("maf", "vae")) -> str:
    """Which model a run has trained: ``maf``, ``vae`` or ``cyclegan``.

    Raises:
        UserError: the folder holds no run, or one of a kind that is not expected.
    """
    return _check_kind(run, read_json(run / "config.json"), expected)


def _check_kind(run: Path, settings: dict, expected: tuple[str, ...]) -> str:
    kind = next((kind for kind, (_, mark) in _KINDS.items() if mark in settings), "unknown")
    if kind not in expected:
        raise UserError(f"{run}: is a run of kind {kind}; expected {' or '.join(expected)}")
    return kind


def load_vae(run: Path) -> tuple[VAE, VAEConfig]:
    """The VAE of a run and its settings; UserError if the folder holds none."""
    config = _settings(run, VAEConfig)
    _compare(*part_file(run, MODEL), _shapes(build_vae, config))
    vae = build_vae(config).requires_grad_(False)
    load_part(run, MODEL, vae)
    return vae, config


def load_flow(run: Path, weights: str = "ema") -> tuple[MAF, MAFConfig]:
    """The flow of a run and its settings.

    Args:
        run: folder of a MAF run.
        weights: ``ema`` for the moving average, ``plain`` for the last step's weights.

    Raises:
        UserError: the folder holds no such run.
    """
    parts = {"ema": AVERAGE, "plain": MODEL}
    if weights not in parts:
        raise UserError(f"--weights {weights}: expected ema or plain")
    config = _settings(run, MAFConfig)
    _compare(*part_file(run, parts[weights]), _flow_shapes(config))
    flow = build_maf(config).requires_grad_(False)
    load_part(run, parts[weights], flow)
    return flow, config


def run_config(run: RunFolder, kind: str) -> RunSettings:
    """The settings with which a held run was begun, of a kind that :func:`run_kind` names."""
    _check_kind(run.path, run.config, (kind,))
    return validated(_KINDS[kind][0], run.config, f"{run.path / 'config.json'}:")


def cyclegan_config(run: Path) -> CycleGANConfig:
    """The settings of a CycleGAN run; UserError if the folder holds none."""
    run_kind(run, ("cyclegan",))
    return _settings(run, CycleGANConfig)


def load_cyclegan(run: Path, epoch: int | None = None) -> tuple[CycleGAN, CycleGANConfig]:
    """The networks of a CycleGAN run after an epoch that it evaluated, and its settings.

    Args:
        run: folder of the run.
        epoch: by default the last one evaluated so far.

    Raises:
        UserError: the folder holds no such run, or the run kept no weights of that epoch.
    """
    config = cyclegan_config(run)
    kept = kept_epochs(run)
    if not kept or epoch not in (None, *kept):
        missing = " yet" if epoch is None else f", not {epoch}"
        raise UserError(f"{run}: kept weights of epochs {kept}{missing}")
    weights = snapshot(run, epoch or kept[-1])
    _compare(weights, "", _shapes(build_cyclegan, config))
    net = build_cyclegan(config).requires_grad_(False)
    load_weights(weights, net)
    return net, config


def _settings(run: Path, kind: type[Settings]) -> Settings:
    path = run / "config.json"
    return validated(kind, read_json(path), f"{path}:")


def _shapes(build: Callable[[Settings], nn.Module], config: Settings) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a model, which is built without memory for them."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in build(config).state_dict().items()}


def _flow_shapes(config: MAFConfig) -> dict[str, tuple[int, ...]]:
    """The biases of a flow, whose shapes follow from its settings; where a weight lies takes the degrees."""
    shapes: dict[str, tuple[int, ...]] = {}
    for block in range(config.transforms):
        for k, units in enumerate(config.hidden_features):
            shapes[f"blocks.{block}.hidden.{k}.bias"] = (units,)
        for head in ("mean", "log_scale"):
            shapes[f"blocks.{block}.{head}.bias"] = (3 * config.size**2,)
    return shapes


def _compare(path: Path, prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """UserError unless a file's header has these shapes below a prefix: read before anything is built."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; is this the folder of a run?")
    try:
        with safe_open(path, "pt") as file:
            there = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
            there = {
                key.removeprefix(prefix): shape for key, shape in there.items() if key.startswith(prefix)
            }
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read as safetensors") from error
    other = [key for key, shape in shapes.items() if there.get(key) != shape]
    if other:
        found = there.get(other[0], "nothing")
        raise UserError(
            f"{path}: holds {found} as {other[0]}; config.json asks for {shapes[other[0]]}, another model"
        )
