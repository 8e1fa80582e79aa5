"""Load what a run has trained."""

from pathlib import Path

from pydantic import BaseModel

from hw2lib.cyclegan import CycleGAN
from hw2lib.errors import UserError
from hw2lib.flows import MAF
from hw2lib.runs.checkpoint import AVERAGE, MODEL, kept_epochs, load_part, load_weights, snapshot
from hw2lib.runs.folder import RunFolder, read_json
from hw2lib.training.cyclegan import build_cyclegan
from hw2lib.training.maf import build_maf
from hw2lib.training.settings import CycleGANConfig, MAFConfig, Settings, VAEConfig, validated
from hw2lib.training.vae import build_vae
from hw2lib.vae import VAE

# The settings of each kind of run, and one that no other kind has.
_KINDS: dict[str, tuple[type[BaseModel], str]] = {
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
    flow = build_maf(config).requires_grad_(False)
    load_part(run, parts[weights], flow)
    return flow, config


def run_config(run: RunFolder, kind: str) -> BaseModel:
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
    net = build_cyclegan(config).requires_grad_(False)
    load_weights(snapshot(run, epoch or kept[-1]), net)
    return net, config


def _settings(run: Path, kind: type[Settings]) -> Settings:
    path = run / "config.json"
    return validated(kind, read_json(path), f"{path}:")
