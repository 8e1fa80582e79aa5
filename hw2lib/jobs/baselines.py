"""Fit and judge the detectors that cost seconds, on one category of MVTec AD."""

import time
from dataclasses import asdict
from pathlib import Path

import torch
from pydantic import Field

from hw2lib.anomaly import pixel_auroc_report
from hw2lib.anomaly.detectors import Detector, MeanImage, PCAResidual, PositionwiseGaussian
from hw2lib.data import MVTecCategory, split_validation
from hw2lib.runs.folder import begin, data_facts, holding_folder, write_csv, write_json
from hw2lib.statistics import intervals_per_defect
from hw2lib.training.settings import Count, RunSettings, Share

RECORDED_FILES = ("config.json", "environment.json", "scores.csv", "metrics.json")


class BaselinesConfig(RunSettings):
    """Settings of the baselines, fixed before any test image was scored.

    Attributes:
        size: height and width of the images in pixels.
        components: principal components that are taken out.
        widths: of the Gaussian derivatives, in pixels.
        stride: distance between the positions that have a Gaussian of their own.
        shrinkage: of their covariances.
        validation_fraction: share of the training images held out, as for the flow.
        seed: of the split.
    """

    size: Count = 128
    components: Count = 32
    widths: tuple[float, ...] = (1.0, 2.0, 4.0)
    stride: Count = 2
    shrinkage: Share = 0.1
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)


BASELINES_PROFILES = {
    "paper": BaselinesConfig(),
    "quick": BaselinesConfig(size=32, components=8, widths=(1.0, 2.0), stride=1),
}


def build_baselines(config: BaselinesConfig) -> dict[str, Detector]:
    """The detectors by the names under which they are recorded."""
    return {
        "mean_image": MeanImage(),
        "pca_residual": PCAResidual(config.components),
        "positionwise_gaussian": PositionwiseGaussian(config.widths, config.stride, config.shrinkage),
    }


@holding_folder
def run_baselines(config: BaselinesConfig, data: MVTecCategory, out: Path) -> bool:
    """Fit all baselines to the training images, score the test images, and write the run's folder.

    ``metrics.json`` has per method ``auroc`` (as in a MAF run), ``pixel_auroc`` (as in
    :func:`~hw2lib.anomaly.pixel_auroc_report`) and ``seconds`` for fitting and scoring.

    Returns:
        True; there is nothing to resume.
    """
    train, validation = split_validation(len(data.train), config.validation_fraction, config.seed)
    rows, metrics = [], {}
    for method, detector in build_baselines(config).items():
        started = time.perf_counter()
        detector.fit(data.train[train])
        scores = detector.scores(data.test)
        seconds = time.perf_counter() - started
        for defect, file, score in zip(data.test_defects, data.test_files, scores, strict=True):
            rows.append({"method": method, "defect": defect, "file": file, "score": float(score)})
        areas = intervals_per_defect(data.test_defects, scores)
        maps, normal_maps = detector.maps(data.test), detector.maps(data.train[validation])
        metrics[method] = {
            "auroc": {defect: asdict(area) for defect, area in areas.items()},
            "pixel_auroc": pixel_auroc_report(maps, normal_maps, data.masks),
            "seconds": round(seconds, 1),
        }
    begin(out, config, torch.device("cpu"), data_facts(data))
    write_csv(out / "scores.csv", rows)
    write_json(out / "metrics.json", metrics)
    return True
