"""Runs as small as they can be, whose weights are as drawn: what is tested is how they are read."""

from pathlib import Path

from hw2lib.jobs.trained import load_cyclegan, load_flow, load_vae
from hw2lib.runs.checkpoint import AVERAGE, MODEL, TrainingState, save_checkpoint, save_weights, snapshot
from hw2lib.runs.folder import write_json
from hw2lib.training.cyclegan import build_cyclegan
from hw2lib.training.maf import build_maf
from hw2lib.training.settings import CycleGANConfig, MAFConfig, VAEConfig
from hw2lib.training.vae import build_vae

CONFIGS = {
    "maf": MAFConfig(size=8, hidden_features=(8,), transforms=2),
    "vae": VAEConfig(size=8, channels=(4,), latent=2),
    "cyclegan": CycleGANConfig(size=32, blocks=1, features=2),
}
LOADERS = {"maf": load_flow, "vae": load_vae, "cyclegan": load_cyclegan}
ENVIRONMENT = {"data": {"name": "a", "checksum": "b"}, "device": "c", "libraries": {"torch": "2"}}


def write_runs(root: Path) -> Path:
    """A folder per kind of run."""
    for kind, config in CONFIGS.items():
        (root / kind).mkdir()
        write_json(root / kind / "config.json", config.model_dump())
        write_json(root / kind / "environment.json", ENVIRONMENT)
    flows = {part: build_maf(CONFIGS["maf"]) for part in (MODEL, AVERAGE)}
    save_checkpoint(root / "maf", TrainingState(flows, {}))
    save_checkpoint(root / "vae", TrainingState({MODEL: build_vae(CONFIGS["vae"])}, {}))
    save_weights(snapshot(root / "cyclegan", 1), build_cyclegan(CONFIGS["cyclegan"]))
    return root
