"""Hold the flow's anomaly maps against those of the baselines, pixel by pixel, image as cluster."""

from dataclasses import asdict
from pathlib import Path

import torch
from pandas import DataFrame

from hw2lib.anomaly import nll_maps, nll_scores, pixel_placements, smooth
from hw2lib.data import MVTecCategory, split_validation
from hw2lib.errors import UserError
from hw2lib.runs.folder import data_facts, environment, holding_folder, write_csv, write_json
from hw2lib.statistics import Placements, intervals_per_defect
from hw2lib.training.settings import MAFConfig

from .baselines import BaselinesConfig, build_baselines
from .trained import load_flow

RECORDED_FILES = ("config.json", "environment.json", "pixels.csv", "metrics.json")
SIGMA = 2.0


def pixel_settings(baselines: BaselinesConfig, flow: MAFConfig) -> dict[str, object]:
    """What config.json holds."""
    return {
        "seed": baselines.seed,
        "sigma": SIGMA,
        "baselines": baselines.model_dump(),
        "flow": flow.model_dump(),
    }


@holding_folder
def run_pixel_comparison(config: BaselinesConfig, flow_run: Path, data: MVTecCategory, out: Path) -> bool:
    """Map the test images with a trained flow and with all baselines, and write the run's folder.

    ``pixels.csv`` has per method, kind of map and image the placements of its pixels, from which the
    pixel AUROC, its interval, and its difference to another method follow. The kinds are ``raw``, the
    smoothed map, and ``minus_mean``, that less the mean map of the held-out normal images.
    ``metrics.json`` has the image AUROC of the flow and the pixel AUROCs.

    Args:
        config: of the baselines; the flow was trained with the same split.
        flow_run: folder of a finished MAF run; its averaged weights are taken.
        data: images of the flow's size.
        out: folder to write.

    Returns:
        True; there is nothing to resume.
    """
    flow, flow_config = load_flow(flow_run)
    train, validation = split_validation(len(data.train), config.validation_fraction, config.seed)
    held_out = data.train[validation]
    maps = {"flow": (nll_maps(flow, data.test), nll_maps(flow, held_out))}
    for method, detector in build_baselines(config).items():
        detector.fit(data.train[train])
        maps[method] = (detector.maps(data.test), detector.maps(held_out))
    if data.masks is None:
        raise UserError(f"{data.name}: has no masks, and these measures are taken by pixel")
    masks, rows = data.masks.numpy(), []
    areas: dict[str, dict] = {}
    for method, (test, normal) in maps.items():
        test, mean = smooth(test, SIGMA), smooth(normal, SIGMA).mean(0)
        for kind, scored in (("raw", test), ("minus_mean", test - mean)):
            placed = pixel_placements(scored, masks)
            areas.setdefault(method, {})[kind] = asdict(placed.estimate())
            rows += _rows(method, kind, data, placed)
    image = intervals_per_defect(data.test_defects, nll_scores(flow, data.test))["all"]
    write_json(out / "config.json", pixel_settings(config, flow_config))
    write_json(out / "environment.json", environment(torch.device("cpu"), data_facts(data)))
    write_csv(out / "pixels.csv", rows)
    write_json(out / "metrics.json", {"flow_image_auroc": asdict(image), "pixel_auroc": areas})
    return True


def read_placements(table: DataFrame, method: str, kind: str) -> Placements:
    """The placements of one method from the table in ``pixels.csv``."""
    part = table.query("method == @method and map == @kind")
    return Placements(*(part[name].to_numpy() for name in ("defective", "normal", "above", "below")))


def _rows(method: str, kind: str, data: MVTecCategory, placed: Placements) -> list[dict[str, object]]:
    columns = zip(
        data.test_files,
        placed.anomalous.astype(int).tolist(),
        placed.normal.astype(int).tolist(),
        placed.above.tolist(),
        placed.below.tolist(),
        strict=True,
    )
    names = ("file", "defective", "normal", "above", "below")
    return [{"method": method, "map": kind} | dict(zip(names, row, strict=True)) for row in columns]
