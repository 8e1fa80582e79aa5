"""Why likelihood fails on pixels: the scores that would mend it, each held against plain −log p."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import features
from torch import Tensor

from hw2lib.anomaly import (
    complexity_scores,
    map_scores,
    nll_maps,
    nll_scores,
    ratio_scores,
    typicality_scores,
)
from hw2lib.data import MVTecCategory, split_validation
from hw2lib.flows import MAF, dequantization_bound
from hw2lib.runs.folder import begin, data_facts, has_checkpoint, holding_folder, write_csv, write_json
from hw2lib.statistics import Placements, compare
from hw2lib.training.settings import MAFConfig

from .maf import run_maf
from .trained import load_flow

RECORDED_FILES = ("config.json", "environment.json", "scores.csv", "metrics.json")
# Frozen in book/protocol.yml (likelihood-on-pixels, dequantization) before any of these scores was seen.
CORRUPTED, SIGMA, TOP_SHARE, DRAWS = 0.2, 2.0, 0.01, 16
COMPARED = ("typicality", "complexity", "ratio", "additive", "map_maximum", "map_top")
LEVEL = 1 - 0.05 / len(COMPARED)
REMEDIES: dict[str, dict[str, Any]] = {
    "background": {"corrupted": CORRUPTED},
    "additive": {"conditioner": "additive"},
}


@holding_folder
def run_likelihood(
    config: MAFConfig, flow_run: Path, data: MVTecCategory, out: Path, device: str = "auto"
) -> bool:
    """Train a background and an additive flow beside a trained one, score the test images, write the folder.

    ``scores.csv`` has per test image its defect, file and scores: ``plain``, those of :data:`COMPARED`,
    ``jpeg2000``, the complexity with that format, and ``bound``, the dequantization bound with its ``error``,
    in nats. ``metrics.json`` has per score the AUROC and the difference to the plain one, both with DeLong
    intervals, all defects together, and the bound of the held-out normal images in bits per dimension.

    Args:
        config: of the trained flow; the two others differ from it in one setting each.
        flow_run: folder of that finished run; averaged weights are taken from all three.
        data: images of the flow's size.
        out: folder to write; the two flows are trained in folders of their own within it.
        device: to train on.

    Returns:
        False if Ctrl-C left a checkpoint of a flow.
    """
    flows = {"flow": load_flow(flow_run)[0]}
    for name, settings in REMEDIES.items():
        folder = out / name
        changed = config.model_copy(update=settings | {"evaluate_epochs": (config.epochs,)})
        resume = has_checkpoint(folder)
        if not (folder / "metrics.json").exists() and not run_maf(changed, data, folder, resume, device):
            return False
        flows[name] = load_flow(folder)[0]
    train, held_out = split_validation(len(data.train), config.validation_fraction, config.seed)
    scores = all_scores(flows, data.test, data.train[train], data.train[held_out])
    labels = [defect != "good" for defect in data.test_defects]
    placed = {name: Placements.of(labels, scores[name]) for name in scores if name != "error"}
    metrics = {
        name: {"auroc": asdict(p.estimate()), "against_plain": asdict(compare(p, placed["plain"], LEVEL))}
        for name, p in placed.items()
    }
    bound = dequantization_bound(flows["flow"].log_prob, data.train[held_out], DRAWS)
    columns = zip(data.test_defects, data.test_files, *scores.values(), strict=True)
    begin(out, config, torch.device("cpu"), data_facts(data))
    write_csv(
        out / "scores.csv",
        [{"defect": d, "file": f} | dict(zip(scores, map(float, v), strict=True)) for d, f, *v in columns],
    )
    held_out_bits = {
        "bound": float(bound.bound.mean()),
        "error": bound.mean_error,
        "middle": float(bound.middle.mean()),
    }
    write_json(out / "metrics.json", {"level": LEVEL, "scores": metrics, "held_out_bpd": held_out_bits})
    return True


def all_scores(
    flows: dict[str, MAF], images: Tensor, train: Tensor, held_out: Tensor
) -> dict[str, np.ndarray]:
    """Each score of the images, shape (n,), higher where an image is less normal.

    Args:
        flows: ``flow``, ``background`` and ``additive``.
        images, train, held_out: uint8, shape (n, 3, size, size): to be scored, trained on, and normal
            ones that were not trained on.
    """
    flow, dimensions = flows["flow"], images[0].numel()
    nll, maps, normal = nll_scores(flow, images), nll_maps(flow, images), nll_maps(flow, held_out)
    bound = dequantization_bound(flow.log_prob, images, DRAWS)
    nats = np.log(2.0) * dimensions  # in a bit per dimension; the scaling's constant moves no rank
    scores = {
        "plain": nll,
        "typicality": typicality_scores(nll, nll_scores(flow, train)),
        "complexity": complexity_scores(nll, images),
        "ratio": ratio_scores(nll, nll_scores(flows["background"], images)),
        "additive": nll_scores(flows["additive"], images),
        "map_maximum": map_scores(maps, normal, 1, SIGMA),
        "map_top": map_scores(maps, normal, round(TOP_SHARE * maps[0].size), SIGMA),
        "bound": nll + (bound.bound - bound.middle).numpy() * nats,
        "error": bound.error.numpy() * nats,
    }
    if features.check("jpg_2000"):
        scores["jpeg2000"] = complexity_scores(nll, images, "jpeg2000")
    return scores
