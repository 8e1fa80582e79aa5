"""Take images through a trained flow and back: what is left is rounding, and what that could score."""

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from hw2lib.anomaly import flow_reconstruction_errors, nll_scores
from hw2lib.data import MVTecCategory, synthetic_unpaired
from hw2lib.runs.folder import begin, data_facts, has_checkpoint, holding_folder, write_csv, write_json
from hw2lib.statistics import intervals_per_defect
from hw2lib.training.settings import MAFConfig

from .maf import run_maf
from .trained import load_flow
from .vae import noise_images

RECORDED_FILES = ("config.json", "environment.json", "scores.csv", "metrics.json")
OUT_OF_DISTRIBUTION = 16
# Whether a map can be undone does not depend on how long it was trained or how large its images are, so
# that these runs are a quarter of the flow's size in the book.
FLOW_RECONSTRUCTION_PROFILES = {
    "paper": MAFConfig(size=64, learning_rate=3e-4, epochs=10, evaluate_epochs=(10,)),
    "quick": MAFConfig(size=16, hidden_features=(32, 32), transforms=3, epochs=2, evaluate_epochs=(2,)),
}


@holding_folder
def run_flow_reconstruction(config: MAFConfig, data: MVTecCategory, out: Path, device: str = "auto") -> bool:
    """Train a flow in ``out/flow``, then measure its reconstruction errors in single and double precision.

    ``scores.csv`` has per test image its defect, file, ``nll`` and the mean squared errors ``single`` and
    ``double``; ``metrics.json`` per score the AUROC with intervals, and the mean error per precision of
    test images, of pure noise and of generated apples.

    Returns:
        False if Ctrl-C left a checkpoint of the flow.
    """
    folder = out / "flow"
    if not (folder / "metrics.json").exists():
        if not run_maf(config, data, folder, resume=has_checkpoint(folder), device=device):
            return False
    flow, _ = load_flow(folder)
    table = {"nll": nll_scores(flow, data.test)}
    sets = out_of_distribution_images(config.size) | {"test": data.test}
    errors: dict[str, dict[str, float]] = {name: {} for name in sets}
    for precision, dtype in (("single", torch.float32), ("double", torch.float64)):
        flow.to(dtype)  # the same weights, to the bit
        for name, images in sets.items():
            found = flow_reconstruction_errors(flow, images)
            errors[name][precision] = float(found.mean())
            if name == "test":
                table[precision] = found
    columns = zip(data.test_defects, data.test_files, *table.values(), strict=True)
    rows = [{"defect": d, "file": f} | dict(zip(table, map(float, v), strict=True)) for d, f, *v in columns]
    areas = {name: intervals_per_defect(data.test_defects, scores) for name, scores in table.items()}
    metrics = {
        name: {"auroc": {defect: asdict(area) for defect, area in parts.items()}}
        for name, parts in areas.items()
    }
    begin(out, config, torch.device("cpu"), data_facts(data))
    write_csv(out / "scores.csv", rows)
    write_json(out / "metrics.json", metrics | {"errors": errors})
    return True


def out_of_distribution_images(size: int, n: int = OUT_OF_DISTRIBUTION) -> dict[str, Tensor]:
    """Images that no model of capsules has seen: pure noise, and generated apples; uint8 each."""
    apples = synthetic_unpaired("apple2orange", size, "resize", train=1, test=n).images["testA"]
    return {"noise": noise_images(n, size), "apple": apples}
