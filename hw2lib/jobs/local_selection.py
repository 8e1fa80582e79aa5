"""Choose the settings of the local detector, without any test image, and write down how."""

from pathlib import Path

import torch

from hw2lib.anomaly.local import LocalConfig
from hw2lib.anomaly.local.selection import FLOW_SEARCH, SEARCH, START, Trial, choose
from hw2lib.data import synthetic_capsules
from hw2lib.data.folder_images import load_images, normal_images_in
from hw2lib.runs.folder import environment, holding_folder, write_json

RECORDED_FILES = ("config.json", "environment.json", "metrics.json")
# Two small trials for a quick run.
_QUICK = START.model_copy(update={"size": 32, "steps": 20, "hidden_features": (16,), "transforms": 1})


@holding_folder
def run_local_selection(profile: str, seed: int, data: Path | None, out: Path) -> bool:
    """Choose on the normal images of a category and on generated capsules.

    ``metrics.json`` has a row per trial, as :func:`~hw2lib.anomaly.local.selection.choose` gives them:
    ``neighbours`` on both, then ``flow`` on the category, or on the generated capsules without one;
    ``config.json`` has what was chosen.

    Returns:
        True; there is nothing to resume.
    """
    quick = profile == "quick"
    start = (_QUICK if quick else START).model_copy(update={"seed": seed})
    shape, facts = (start.size, start.size), {}
    generated = synthetic_capsules(start.size, train=20 if quick else 60, good=1, per_defect=1)
    trials = {"generated": Trial(generated.train, start, seed)}
    if data is not None:
        real = load_images(normal_images_in(data), shape, data)
        trials["real"] = Trial(real.images, start, seed)
        facts = {"name": data.name, "checksum": real.checksum, "train": len(real.images), "test": 0}
    write_json(out / "environment.json", environment(torch.device("cpu"), facts))
    seen: list[dict] = []

    def note(row: dict) -> None:
        seen.append(row)
        write_json(out / "trials.json", seen)

    chosen, neighbours = choose(trials, start, SEARCH[:2] if quick else SEARCH, note)
    flow = chosen.model_copy(update={"densities": ("maf",)})
    # A flow takes minutes: on the images that it is meant for, where they are there.
    harder = {name: trials[name] for name in [*trials][-1:]}
    flow, rows = choose(harder, flow, FLOW_SEARCH[:1] if quick else FLOW_SEARCH, note)
    chosen = LocalConfig.model_validate(flow.model_dump() | {"densities": chosen.densities})
    write_json(out / "config.json", chosen.model_dump())
    write_json(out / "metrics.json", {"neighbours": neighbours, "flow": rows})
    return True
