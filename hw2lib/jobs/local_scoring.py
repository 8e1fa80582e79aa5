"""Score any images with a kept local detector: a table, decisions, and a picture of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from PIL import Image

from hw2lib.anomaly.local import LocalDetector
from hw2lib.anomaly.local.densities import Report, silent
from hw2lib.anomaly.local.pixels import pixel_maps
from hw2lib.data.folder_images import load_images
from hw2lib.data.images import list_images
from hw2lib.errors import UserError
from hw2lib.runs.folder import write_csv
from hw2lib.runs.output import check_output, picture_places
from hw2lib.statistics import intervals_per_defect

from .local import load_local

BATCH = 64
_OUTLINE = np.array([0, 255, 255], np.uint8)


@dataclass(frozen=True)
class Scored:
    """What was found: number of images, and lines for a person."""

    images: int
    lines: list[str]


def score_images(
    run: Path,
    data: Sequence[Path],
    out: Path,
    maps: Path | None = None,
    alarm_rate: float = 0.01,
    device: str = "auto",
    report: Report = silent,
    force: bool = False,
) -> Scored:
    """Score images, decide on each, and write a table and, if wanted, a picture of each.

    The table has ``file``, ``score``, ``p_value``, how often a normal image scores as much, and
    ``decision``: ``defect`` where that is at most ``alarm_rate``. For nothing but categories in the MVTec AD
    layout it has ``defect`` too, the kind by the test image's folder.

    Args:
        run: folder of a local run.
        data: one category folder, or folders of images and image files.
        out: CSV to write.
        maps: folder that takes the pictures, see :func:`drawn`.
        alarm_rate: share of normal images that may be called defective.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: takes what is being done, how much of it is done, and of how much.
        force: replace files that are there; never one of the images.

    Raises:
        UserError: no run, images that cannot be read or have other sides than those learnt from, or a file
            is there already.
    """
    if not 0 < alarm_rate < 1:
        raise UserError(f"--alarm-rate {alarm_rate}: expected a share between 0 and 1")
    check_output(out, force)
    detector = load_local(run, device)
    rows, level = [], alarm_score(detector, alarm_rate)
    found = [(root, path) for entry in data for root, path in _files(entry)]
    if maps is not None:
        picture_places([(path, path.relative_to(root)) for root, path in found], maps, force)
        for root, path in found:  # all inputs before the first output
            load_images([path], detector.shape, root)
    for start in range(0, len(found), BATCH):
        part = found[start : start + BATCH]
        for root in dict.fromkeys(root for root, _ in part):
            paths = [path for other, path in part if other == root]
            loaded = load_images(paths, detector.shape, root)
            cells = detector.maps(loaded.images)
            scores = detector.scores(cells)
            if not np.isfinite(scores).all():
                raise UserError(f"{run}: its detector makes scores that are no numbers")
            for k, file in enumerate(loaded.files):
                p = float(detector.p_values(scores[k : k + 1])[0])
                decision = "defect" if p <= alarm_rate else "normal"
                row = {"file": file, "score": float(scores[k]), "p_value": p, "decision": decision}
                rows.append({"defect": Path(file).parts[0]} | row if root.name == "test" else row)
            if maps is not None:
                fine = pixel_maps(cells, detector.config.cell, detector.config.smoothing)
                for k, file in enumerate(loaded.files):
                    picture = drawn(loaded.images[k].permute(1, 2, 0).numpy(), fine[k], level, scores[k])
                    _save(picture, (maps / file).with_suffix(".png"))
        report("scoring", len(rows), len(found))
    if not all("defect" in row for row in rows):  # a category beside other images: files name the kind
        rows = [{name: value for name, value in row.items() if name != "defect"} for row in rows]
    write_csv(out, rows)
    return Scored(len(rows), _lines(detector, rows, alarm_rate, level))


def alarm_score(detector: LocalDetector, alarm_rate: float) -> float:
    """The lowest score at which an image is called defective, found by halving."""
    low, high = 0.0, float(detector.normal_scores.max()) + 1
    while detector.p_values(np.array([high]))[0] > alarm_rate and high < 1e6:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        alarming = detector.p_values(np.array([middle]))[0] <= alarm_rate
        low, high = (low, middle) if alarming else (middle, high)
    return high


def drawn(image: np.ndarray, values: np.ndarray, level: float, score: float) -> np.ndarray:
    """An image beside itself under its heat map; uint8.

    In an image that scores at least ``level`` an outline is drawn where the map reaches it too; where the
    blur keeps the map below it, at half of its largest value.
    """
    heat = np.clip(values / max(1.5 * level, 1e-6), 0, 1)
    colours = colormaps["inferno"](heat)[..., :3] * 255
    # Where nothing is unusual the picture shows through.
    opacity = 0.25 + 0.6 * heat[..., None]
    mixed = (image * (1 - opacity) + colours * opacity).astype(np.uint8)
    reached = min(level, 0.5 * float(values.max())) if score >= level else np.inf
    above = np.pad(values >= reached, 1)
    inner = above[:-2, 1:-1] & above[2:, 1:-1] & above[1:-1, :-2] & above[1:-1, 2:]
    outline = above[1:-1, 1:-1] & ~inner
    mixed[outline] = _OUTLINE
    return np.concatenate([image, np.full((len(image), 4, 3), 255, np.uint8), mixed], 1)


def _files(entry: Path) -> list[tuple[Path, Path]]:
    """Images of an entry, each with the folder below which it is named."""
    if entry.is_dir():
        root = entry / "test" if (entry / "test").is_dir() else entry
        return [(root, path) for path in list_images(root)]
    if not entry.exists():
        raise UserError(f"{entry}: no such file or folder")
    return [(entry.parent, entry)]


def _save(picture: np.ndarray, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


def _lines(detector: LocalDetector, rows: list[dict], alarm_rate: float, level: float) -> list[str]:
    normal = len(detector.normal_scores)
    called = sum(row["decision"] == "defect" for row in rows)
    lines = [f"{called} of {len(rows)} called defective, those that score {level:.2f} or more"]
    if alarm_rate < 1 / (normal + 1):
        lines.append(f"{normal} held-out images reach down to {1 / (normal + 1):.1%}; less is extrapolated")
    if not all("defect" in row for row in rows):
        return lines
    kinds = [row["defect"] for row in rows]
    if "good" in kinds and len(set(kinds)) > 1:
        areas = intervals_per_defect(kinds, [row["score"] for row in rows])
        lines += [f"{kind:>16}  AUROC {area}" for kind, area in areas.items()]
    for kind in sorted(set(kinds)):
        caught = [row["decision"] == "defect" for row in rows if row["defect"] == kind]
        lines.append(f"{kind:>16}  called defective {sum(caught)} of {len(caught)}")
    return lines
