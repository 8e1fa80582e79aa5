"""What a local detector costs: time and memory as images and cells grow, density by density."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from hw2lib.anomaly.local import DENSITIES, LocalConfig, LocalDetector
from hw2lib.errors import UserError
from hw2lib.training.devices import resolve_device

_SCORED = 20


def bench_local(
    images: Sequence[int] = (50, 200),
    sizes: Sequence[int] = (64, 128),
    densities: Sequence[str] | None = None,
    device: str = "auto",
    report: Callable[[str], None] = lambda line: None,
) -> dict:
    """Learn and score textures, of which every cell is looked at.

    Args:
        images: numbers of normal images.
        sizes: heights and widths in pixels.
        densities: names of :data:`~hw2lib.anomaly.local.DENSITIES`; all by default.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: takes a line of what is being timed.

    Returns:
        ``threads``, ``device`` and ``rows``: ``density``, ``images``, ``cells``, ``learn_seconds`` (features,
        density and calibration), ``score_seconds`` of one image, and ``kept_mb``, the size of the detector.
    """
    names = list(densities or DENSITIES)
    if unknown := [name for name in names if name not in DENSITIES]:
        raise UserError(f"--density {unknown[0]}: expected one of {', '.join(DENSITIES)}")
    where, rows = resolve_device(device), []
    for name in names:
        for size in sizes:
            for count in images:
                report(f"{name}: {count} images of {size} pixels")
                rows.append(_timed(name, _textures(count + _SCORED, size), where))
    return {"threads": torch.get_num_threads(), "device": where.type, "rows": rows}


def _timed(name: str, images: Tensor, device: torch.device) -> dict:
    size, count = images.shape[-1], len(images) - _SCORED
    detector = LocalDetector(
        LocalConfig.model_validate({"size": size, "densities": (name,)}), (size, size)
    ).to(device)
    started = time.perf_counter()
    detector.fit(images[:count])
    learnt = time.perf_counter()
    detector.maps(images[count:])
    kept = sum(t.numel() * t.element_size() for t in detector.state_dict().values())
    return {
        "density": name,
        "images": count,
        "cells": detector.grid[0] * detector.grid[1],
        "learn_seconds": learnt - started,
        "score_seconds": (time.perf_counter() - learnt) / _SCORED,
        "kept_mb": kept / 1e6,
    }


def _textures(count: int, size: int) -> Tensor:
    values = np.random.default_rng(0).normal(120, 25, (count, 3, size, size))
    return torch.from_numpy(np.clip(values, 0, 255).astype(np.uint8))
