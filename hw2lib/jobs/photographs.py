"""The grids of photographs that no network has touched, beside which those of its outputs are read."""

from dataclasses import asdict
from pathlib import Path

import torch

from hw2lib.data.source import FOLDERS, load_pair
from hw2lib.runs.folder import environment, holding_folder, write_json
from hw2lib.training.settings import CycleGANConfig
from hw2lib.translation.spectra import PERIODS, RESAMPLES, grid_interval

RECORDED_FILES = ("config.json", "environment.json", "metrics.json")


def photograph_settings(config: CycleGANConfig) -> dict[str, object]:
    """What config.json holds."""
    return {"seed": config.seed, "size": config.size, "recipe": config.recipe, "resamples": RESAMPLES}


@holding_folder
def run_photographs(config: CycleGANConfig, data: Path | None, out: Path) -> bool:
    """Measure the grid excess (book: eq-grid-excess) of the test photographs of both sets; no image is kept.

    ``metrics.json`` has it by set, domain (``A`` or ``B``) and period, with the 95 % interval of the
    percentile bootstrap over the images.

    Args:
        config: size and recipe of the images, and the seed of the resampling.
        data: folder of the real sets; None for the synthetic ones.
        out: folder to write.

    Returns:
        True; there is nothing to resume.
    """
    excess: dict[str, dict] = {}
    checksums = []
    for pair, folder in FOLDERS.items():
        loaded = load_pair(pair, None if data is None else data / folder, config.size, config.recipe)
        checksums.append(loaded.checksum)
        for domain in "AB":
            photographs = loaded.images[f"test{domain}"].double()
            excess.setdefault(pair, {})[domain] = {
                str(period): asdict(grid_interval(photographs, period, config.seed)) for period in PERIODS
            }
    facts = {"name": " ".join(FOLDERS), "checksum": " ".join(checksums)}
    write_json(out / "config.json", photograph_settings(config))
    write_json(out / "environment.json", environment(torch.device("cpu"), facts))
    write_json(out / "metrics.json", excess)
    return True
