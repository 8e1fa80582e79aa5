"""Samples of a recorded flow beside the data: do they vary as the data do? And does a null fail?"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hw2lib.data import MVTecCategory
from hw2lib.runs.folder import begin, data_facts, holding_folder, write_json
from hw2lib.runs.reader import RecordedRun
from hw2lib.statistics.variation import principal_directions, variation
from hw2lib.training.settings import MAFConfig

RECORDED_FILES = ("config.json", "environment.json", "metrics.json")


@holding_folder
def run_sample_variation(config: MAFConfig, flow_run: Path, data: MVTecCategory, out: Path) -> bool:
    """Measure how the samples on a flow's sheet (averaged weights, T = 1) vary, beside data and a null.

    ``metrics.json`` has, in squared levels of the means of 8 × 8 blocks, the variances ``along`` the five
    directions in which every second training image varies most, and in ``total``: of the ``samples``, of
    the other half of the training images (``data``) and of the ``null``, :func:`mean_with_noise`.
    """
    train = data.train.permute(0, 2, 3, 1).numpy()
    directions = principal_directions(train[::2])
    samples = RecordedRun(flow_run).sample_sheet()[0]
    sets = {
        "samples": samples,
        "data": train[1::2],
        "null": mean_with_noise(samples, np.random.default_rng(config.seed)),
    }
    begin(out, config, torch.device("cpu"), data_facts(data))
    write_json(
        out / "metrics.json", {name: asdict(variation(images, directions)) for name, images in sets.items()}
    )
    return True


def mean_with_noise(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """As many images of the mean, each with white noise of the variance that blurring takes from the images.

    What such images show of colours and noise they owe to the mean alone.

    Args:
        images: uint8 of shape (n, size, size, 3).
        rng: of the noise.
    """
    values = images.astype(float)
    lost = values.var() - gaussian_filter(values, (0, 2, 2, 0)).var()
    noisy = values.mean(0) + rng.normal(0.0, np.sqrt(lost), values.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)
