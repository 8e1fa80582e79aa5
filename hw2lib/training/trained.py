"""Load what a run has trained."""

from pathlib import Path

from hw2lib.errors import UserError
from hw2lib.flows import MAF

from .checkpoint import AVERAGE, MODEL, load_weights
from .config import MAFConfig, validated
from .maf import build_maf
from .runs import read_json


def load_flow(run: Path, weights: str = "ema") -> tuple[MAF, MAFConfig]:
    """The flow of a run and its settings.

    Args:
        run: folder of a MAF run.
        weights: ``ema`` for the moving average, ``plain`` for the last step's weights.

    Raises:
        UserError: the folder holds no such run.
    """
    files = {"ema": AVERAGE, "plain": MODEL}
    if weights not in files:
        raise UserError(f"--weights {weights}: expected ema or plain")
    config = validated(MAFConfig, read_json(run / "config.json"), f"{run / 'config.json'}:")
    flow = build_maf(config).requires_grad_(False)
    load_weights(run / files[weights], flow)
    return flow, config
