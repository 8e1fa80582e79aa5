"""Where the local detector looks in each test image, and where the defect is, in numbers."""

import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from hw2lib.anomaly.local import LocalConfig, LocalDetector
from hw2lib.data import MVTecCategory
from hw2lib.errors import UserError
from hw2lib.runs.folder import begin, data_facts, holding_folder, write_csv, write_json
from hw2lib.training.devices import resolve_device
from hw2lib.training.memory import peak_memory_gb


@holding_folder
def run_local_places(config: LocalConfig, data: MVTecCategory, out: Path, device: str = "auto") -> bool:
    """Fit as :func:`~.local.run_local` does, by the densities of ``config`` alone, and write places down.

    ``scores.csv`` has per test image its score and ``peak_row``, ``peak_column``, the middle of its largest
    cell in pixels. ``metrics.json`` has per defective image, by file, what :func:`place_of` says.

    Raises:
        UserError: the category has no masks.
    """
    if data.masks is None:
        raise UserError(f"{data.name}: has no masks, which say where the defects are")
    started, where = time.perf_counter(), resolve_device(device)
    detector = LocalDetector(config, (data.size, data.size)).to(where).fit(data.train)
    maps = detector.maps(data.test)
    rows, defects = [], {}
    images = zip(
        data.test_defects, data.test_files, detector.scores(maps), maps, data.masks.numpy(), strict=True
    )
    for defect, file, score, cells, mask in images:
        peak = peak_of(cells, config.cell)
        rows.append(
            {
                "defect": defect,
                "file": file,
                "score": float(score),
                "peak_row": peak[0],
                "peak_column": peak[1],
            }
        )
        if mask.any():
            defects[file] = place_of(mask, cells, config.cell)
    begin(out, config, where, data_facts(data))
    write_csv(out / "scores.csv", rows)
    write_json(
        out / "metrics.json",
        {
            "defects": defects,
            "seconds": round(time.perf_counter() - started, 1),
            "peak_memory_gb": round(peak_memory_gb(), 2),
        },
    )
    return True


def peak_of(cells: np.ndarray, cell: int) -> tuple[float, float]:
    """Row and column, in pixels, of the middle of the largest cell of a map (rows, columns)."""
    row, column = np.unravel_index(cells.argmax(), cells.shape)
    return (float(row) + 0.5) * cell, (float(column) + 0.5) * cell


def place_of(mask: np.ndarray, cells: np.ndarray, cell: int) -> dict[str, float]:
    """A defect in numbers.

    Args:
        mask: booleans (height, width), some of them true.
        cells: the map of its cells.
        cell: side of a cell in pixels.

    Returns:
        ``pixels`` of the defect; ``row`` and ``column``, the mean of them; ``distance`` in pixels from the
        middle of the largest cell to the nearest defective pixel; ``on_defect``, the largest value of a
        cell that holds a defective pixel.
    """
    distances = ndimage.distance_transform_edt(~mask)
    row, column = (int(place) for place in peak_of(cells, cell))
    held = mask.reshape(cells.shape[0], cell, cells.shape[1], cell).any((1, 3))
    middle = np.argwhere(mask).mean(0)
    return {
        "pixels": int(mask.sum()),
        "row": float(middle[0]),
        "column": float(middle[1]),
        "distance": float(distances[row, column]),
        "on_defect": float(cells[held].max()),
    }
