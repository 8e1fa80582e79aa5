"""Train a local detector on a folder of normal images, keep it, and judge it on a test set."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hw2lib.anomaly.local import LocalConfig, LocalDetector, top_mean
from hw2lib.anomaly.local.densities import ConditionalFlow, Report, silent
from hw2lib.anomaly.local.pixels import pixel_maps
from hw2lib.data import MVTecCategory
from hw2lib.data.folder_images import load_images, normal_images_in, shape_for
from hw2lib.errors import UserError
from hw2lib.runs.checkpoint import check_tensors, load_tensors, save_weights
from hw2lib.runs.folder import begin, data_facts, holding_folder, write_csv, write_json
from hw2lib.schema import read_json
from hw2lib.statistics import intervals_per_defect
from hw2lib.statistics.localisation import detection, localisation
from hw2lib.training.devices import resolve_device
from hw2lib.training.memory import peak_memory_gb
from hw2lib.training.settings import validated

DETECTOR = "detector.safetensors"
RECORDED_FILES = ("config.json", "environment.json", "scores.csv", "metrics.json")
ALARM_RATES = (0.01, 0.05, 0.1)
# The detectors of one run, by the densities whose calibrated maps are averaged.
METHODS = {
    "neighbours": ("neighbours",),
    "maf": ("maf",),
    "gaussian": ("gaussian",),
    "neighbours_and_maf": ("neighbours", "maf"),
}
PROFILES = {
    "paper": LocalConfig(),
    "quick": LocalConfig(size=64, hidden_features=(32, 32), transforms=2, steps=150, batch_cells=512),
}


@holding_folder
def train_local(
    config: LocalConfig, folder: Path, out: Path, device: str = "auto", report: Report = silent
) -> LocalDetector:
    """Learn from the normal images of a folder and keep the detector in ``out``.

    Args:
        config: the settings.
        folder: a category in the MVTec AD layout, of which ``train/good`` is read, or images alone.
        out: folder of the run; holds ``config.json``, ``environment.json``, ``detector.safetensors`` and
            ``metrics.json`` with the scores of held-out normal images.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: takes what is being done, how much of it is done, and of how much.

    Raises:
        UserError: images cannot be read or are too few, or the folder holds a run already.
    """
    started, where = time.perf_counter(), resolve_device(device)
    paths = normal_images_in(folder)
    data = load_images(paths, shape_for(paths[0], config.size, config.cell), folder, report)
    detector = LocalDetector(config, data.images.shape[2:]).to(where).fit(data.images, report)
    facts = {"name": folder.resolve().name, "checksum": data.checksum, "train": len(paths), "test": 0}
    begin(out, config, where, facts)
    save_weights(out / DETECTOR, detector)
    metrics = {
        "shape": list(detector.shape),
        "object": float(detector.inside.float().mean()),
        "held_out_scores": [round(float(s), 6) for s in detector.normal_scores],
        "seconds": round(time.perf_counter() - started, 1),
        "peak_memory_gb": round(peak_memory_gb(), 2),
    }
    write_json(out / "metrics.json", metrics)
    return detector


def load_local(run: Path, device: str = "auto") -> LocalDetector:
    """The detector that a run has kept.

    Raises:
        UserError: the folder holds none, or what it holds does not fit its settings or is not finite.
    """
    path, place = run / "config.json", run / DETECTOR
    config = validated(LocalConfig, read_json(path), f"{path}:")
    tensors = load_tensors(place)
    check_tensors(place, tensors, _expected(place, config, tensors))
    for name, value in tensors.items():
        if name.rpartition(".")[2] in ("spread", "scale", "offset") and not bool((value > 0).all()):
            raise UserError(f"{place}: {name} holds a scale that is not positive")
    shape = [side * config.cell for side in tensors["inside"].shape]
    try:
        return LocalDetector(config, shape).restore(tensors).to(resolve_device(device))
    except RuntimeError as error:  # degrees of a MADE
        raise UserError(f"{place}: holds the weights of another model") from error


def _expected(path: Path, config: LocalConfig, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a detector of these settings holds, as tensors of the right shapes and types.

    The cells that are looked at, the number of normal images and of axes that are kept are as they are found.
    """
    inside = found.get("inside", torch.empty(0))
    side = max(1, round(config.size / config.cell))
    if inside.dtype != torch.bool or inside.ndim != 2 or not inside.any() or max(inside.shape) != side:
        raise UserError(f"{path}: inside is no map of the cells of images of {config.size} pixels")
    box = tuple(int(used[-1] - used[0]) + 1 for used in (inside.any(k).nonzero() for k in (1, 0)))
    cells, axes = int(inside.sum()), 2 * config.directions * len(config.widths) + 3

    def sized(name: str, dimension: int, least: int) -> int:
        value = found.get(name, torch.empty(0))
        return max(least, value.shape[dimension]) if value.ndim > dimension else least

    if sized("mean", 0, 0) != axes:
        raise UserError(f"{path}: mean is not that of the {axes} features of the settings")
    held_out = sized("normal_scores", 0, 2)
    shapes = {"inside": (*inside.shape,), "mean": (axes,), "spread": (axes,)}
    shapes |= {"normal_map": (*inside.shape,), "normal_scores": (held_out,)}
    flow: dict[str, Tensor] = {}
    for name in config.densities:
        at = f"densities.{name}."
        shapes |= {f"calibrations.{name}.{part}": () for part in ("lowest", "offset")}
        shapes |= {f"calibrations.{name}.{part}": box for part in ("scale", "threshold")}
        if name == "neighbours":
            images = sized(f"{at}bank", 0, config.neighbours + 1)
            shapes |= {f"{at}whiten": (axes, axes), f"{at}bank": (images, *box, axes)}
        elif name == "gaussian":
            shapes |= {f"{at}mean": (cells, axes), f"{at}factor": (cells, axes, axes)}
        else:
            kept, context = min(axes, sized(f"{at}whiten", 1, 1)), 4 * config.frequencies
            shapes |= {f"{at}whiten": (axes, kept), f"{at}place": (cells, context)}
            biases = {f"{at}flow.blocks.{k}.hidden.{j}.bias": n for k in range(min(config.transforms, 2**10))
                      for j, n in enumerate(config.hidden_features)}  # fmt: skip
            wrong = [name for name, n in biases.items() if sized(name, 0, 0) != n]
            if wrong or f"{at}flow.blocks.{config.transforms}._extra_state" in found:
                raise UserError(f"{path}: holds the flow of another model than that of the settings")
            made = ConditionalFlow(config, inside).build(kept, context)
            flow = {f"{at}flow.{name}": value for name, value in made.state_dict().items()}
    types = {"inside": torch.bool, "densities.neighbours.bank": torch.float16}
    return flow | {
        name: torch.empty(shape, dtype=types.get(name, torch.float32), device="meta")
        for name, shape in shapes.items()
    }


@holding_folder
def run_local(config: LocalConfig, data: MVTecCategory, out: Path, device: str = "auto") -> bool:
    """Fit every density to the training images, score the test images, and write the run's folder.

    ``scores.csv`` has per method and test image ``score`` and ``p_value``. ``metrics.json`` has per method
    ``auroc`` (as in a MAF run), ``detection``, ``localisation``, ``location_only`` (that of the mean map of
    held-out normal images) and ``decisions`` at several wanted rates of false alarms; the pixels' measures
    where there are masks.

    Returns:
        True; there is nothing to resume.
    """
    started, where = time.perf_counter(), resolve_device(device)
    names = tuple(dict.fromkeys(name for names in METHODS.values() for name in names))
    whole = LocalDetector(config.model_copy(update={"densities": names}), (data.size, data.size))
    whole.to(where).fit(data.train)
    raw = whole.raw(whole.describe(data.test))
    rows: list[dict] = []
    metrics: dict[str, object] = {}
    for method, parts in METHODS.items():
        detector = whole.only(*parts)
        maps = detector.calibrated(raw).cpu().numpy()
        rows += score_rows(method, detector, maps, data)
        metrics[method] = judged(detector, maps, data)
    metrics["seconds"] = round(time.perf_counter() - started, 1)
    metrics["peak_memory_gb"] = round(peak_memory_gb(), 2)
    begin(out, config, where, data_facts(data))
    write_csv(out / "scores.csv", rows)
    write_json(out / "metrics.json", metrics)
    return True


def score_rows(method: str, detector: LocalDetector, maps: np.ndarray, data: MVTecCategory) -> list[dict]:
    """A row per test image."""
    scores = detector.scores(maps)
    columns = zip(data.test_defects, data.test_files, scores, detector.p_values(scores), strict=True)
    return [
        {"method": method, "defect": d, "file": f, "score": float(s), "p_value": float(p)}
        for d, f, s, p in columns
    ]


def judged(detector: LocalDetector, maps: np.ndarray, data: MVTecCategory) -> dict:
    """What a detector does on the test images, from its maps of them."""
    scores, config = detector.scores(maps), detector.config
    measures = {
        "auroc": intervals_per_defect(data.test_defects, scores),
        "detection": detection(data.anomalous, scores),
    }
    if data.masks is not None:
        masks, normal = data.masks.numpy(), detector.normal_map.cpu().numpy()[None]
        fine, where = (pixel_maps(m, config.cell, config.smoothing) for m in (maps, normal))
        measures["localisation"] = localisation(fine, masks)
        measures["location_only"] = localisation(np.broadcast_to(where, fine.shape), masks)
    found: dict[str, object] = {
        name: {k: asdict(e) for k, e in part.items()} for name, part in measures.items()
    }
    p = detector.p_values(scores)
    found["held_out"] = len(detector.normal_scores)
    found["decisions"] = [decisions(data.test_defects, p, rate) for rate in ALARM_RATES]
    return found


def decisions(defects: Sequence[str], p_values: np.ndarray, rate: float) -> dict:
    """Of each kind of test image, how many are called defective at a wanted rate of false alarms."""
    kinds, called = np.asarray(defects), p_values <= rate
    counts = {
        kind: {"called": int(called[kinds == kind].sum()), "of": int(np.sum(kinds == kind))}
        for kind in sorted(set(defects))
    }
    return {"alarm_rate": rate, "kinds": counts}


@holding_folder
def run_local_ablations(config: LocalConfig, data: MVTecCategory, out: Path, device: str = "auto") -> bool:
    """Take away, one at a time, each of the things that a local detector is made of.

    ``metrics.json`` has per variant ``auroc`` and ``localisation`` as in :func:`run_local`; all by neighbours
    but ``one_mode``, a Gaussian at every cell.

    Returns:
        True; there is nothing to resume.
    """
    where, shape = resolve_device(device), (data.size, data.size)
    changes: dict[str, dict] = {
        "all": {},
        "no_object_mask": {"mask": "none"},
        "isotropic_filters": {"lengths": config.widths},
        "values_pooled": {"pooling": "value"},
        "one_mode": {"densities": ("gaussian",)},
    }
    maps, rows, metrics = {}, [], {}
    for name, change in changes.items():
        detector = LocalDetector(config.model_copy(update=change), shape).to(where).fit(data.train)
        raw = detector.raw(detector.describe(data.test))
        maps[name] = detector.calibrated(raw).cpu().numpy(), config.top_cells
        if name == "all":
            maps["not_calibrated"] = detector.whole(raw["neighbours"]).cpu().numpy(), config.top_cells
            maps["largest_cell"] = maps[name][0], 1
            maps["mean_of_all_cells"] = maps[name][0], maps[name][0][0].size
    for name, (cells, top) in maps.items():
        scores = top_mean(cells, top)
        for defect, file, score in zip(data.test_defects, data.test_files, scores, strict=True):
            rows.append({"method": name, "defect": defect, "file": file, "score": float(score)})
        measures = {"auroc": intervals_per_defect(data.test_defects, scores)}
        if data.masks is not None:
            fine = pixel_maps(cells, config.cell, config.smoothing)
            measures["localisation"] = localisation(fine, data.masks.numpy())
        metrics[name] = {part: {k: asdict(e) for k, e in found.items()} for part, found in measures.items()}
    begin(out, config, where, data_facts(data))
    write_csv(out / "scores.csv", rows)
    write_json(out / "metrics.json", metrics)
    return True
