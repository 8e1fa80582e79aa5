"""Stored pictures against those that the code draws today: a plugin of pytest beside nbval, which skips them.

nbval runs every cell and compares what it prints; of a cell that draws, this compares all that it shows:
the pictures of both editions within a tolerance, anything else to the letter. A picture is cut into blocks of
8 × 8 pixels, and a block may lie up to three pixels elsewhere, as a font's hinting moves it. What differs is
written to ``_build/pictures``, stored above fresh.
"""

import base64
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import uniform_filter

from hw2lib.bilingual import EDITIONS

OUT = Path(__file__).resolve().parents[1] / "_build" / "pictures"
PICTURES = ("image/png", "image/jpeg")
BLOCK, SHIFT = 8, 3  # pixels
FAR = 48  # levels of 256
SIZE = 12  # pixels by which height or width may differ: a label is as long as its font makes it


@dataclass(frozen=True)
class Tolerance:
    """How far a picture may be from the stored one, in levels of 256.

    Attributes:
        mean: of the differences of all blocks.
        blocks: how many of them differ by more than :data:`FAR`.
    """

    mean: float
    blocks: float

    def holds(self, found: Self) -> bool:
        """Whether a difference is no larger."""
        return found.mean <= self.mean and found.blocks <= self.blocks


# Without any hinting of the fonts, 0.44 and 6 blocks were measured; a square of 24 pixels makes 16.
STRICT = Tolerance(mean=0.75, blocks=10)
# Figures of networks that the cell has trained, or of times that it has measured: another processor rounds
# otherwise, and a training ends elsewhere (3.6 with plain instructions on one thread). Their numbers are
# compared where they are printed.
LIVE = Tolerance(mean=8, blocks=math.inf)
OF_LIVE_NUMBERS = {
    "fig-determinant-cost", "fig-moons", "fig-growth", "fig-iaf-moons", "fig-maps", "fig-ladder", "fig-pairs",
    "fig-modes", "fig-collapse", "fig-lambda", "fig-skies", "fig-colour-shift", "fig-generators", "fig-tasks",
    "fig-sky-spectra", "fig-limits",
}  # fmt: skip


def tolerance(cell: Mapping[str, Any]) -> Tolerance:
    """The tolerance for the pictures of a code cell."""
    name = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name")
    return LIVE if name in OF_LIVE_NUMBERS else STRICT


def difference(stored: bytes, fresh: bytes) -> Tolerance:
    """How far two pictures are apart, each block where it fits best.

    Of pictures that differ in size by more than a label's length, it is the whole.
    """
    one, other = _pixels(stored), _pixels(fresh)
    if np.array_equal(one, other):
        return Tolerance(0, 0)
    if max(abs(a - b) for a, b in zip(one.shape, other.shape, strict=True)) > SIZE:
        return Tolerance(256, math.inf)
    height, width = (min(a, b) // BLOCK * BLOCK for a, b in zip(one.shape[:2], other.shape[:2], strict=True))
    means = _block_means(one)[:height:BLOCK, :width:BLOCK]
    moved = _block_means(np.pad(other, [(SHIFT, SHIFT)] * 2 + [(0, 0)], mode="edge"))
    best = np.full(means.shape[:2], 256.0)
    for y, x in np.ndindex(2 * SHIFT + 1, 2 * SHIFT + 1):
        there = moved[y : y + height : BLOCK, x : x + width : BLOCK]
        best = np.minimum(best, abs(means - there).max(-1))
    return Tolerance(float(best.mean()), int((best > FAR).sum()))


def differences(cell: Mapping[str, Any], fresh: list[Mapping[str, Any]], name: str) -> Iterator[str]:
    """What a drawing cell stores and does not show today, or shows otherwise; a line for each."""
    stored = cell["outputs"]
    if len(stored) != len(fresh):
        yield f"{len(stored)} outputs are stored, and {len(fresh)} come today"
    for before, now in zip(stored, fresh, strict=False):
        ours, theirs = dict(_parts(before)), dict(_parts(now))
        for place in sorted(ours.keys() | theirs.keys(), key=str):
            if place not in ours or place not in theirs:
                yield f"{place}: {'comes today and is not' if place not in ours else 'is only'} stored"
            elif place[-1] in PICTURES:
                one, other = (base64.b64decode(part[place]) for part in (ours, theirs))
                found, allowed = difference(one, other), tolerance(cell)
                if not allowed.holds(found):
                    where = _write(one, other, f"{name}-{place[0]}.png")
                    yield (
                        f"the picture of the edition {place[0]} differs: by {found.mean:.2f} of 256 levels,"
                        f" where {allowed.mean} may be, and by more than {FAR} in {found.blocks} blocks,"
                        f" where {allowed.blocks} may be; see {where}"
                    )
            elif ours[place] != theirs[place]:
                yield f"{place}: {ours[place]!r} is stored, and {theirs[place]!r} comes today"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Compare what a cell shows that nbval has run and not compared."""
    outcome = yield
    fresh = getattr(item, "test_outputs", None)
    if fresh is not None and not item.options["check"]:
        name = f"{item.path.stem}-cell-{item.cell_num}"
        if lines := list(differences(item.cell, fresh, name)):
            item.raise_cell_error("Cell pictures differ", "\n".join(lines))
    return outcome


def _parts(output: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Everything that an output shows, by its place: the edition and the kind of a part."""
    for key in ("output_type", "name", "text"):
        if key in output:
            yield (key,), output[key]
    data = output.get("data", {})
    for edition, bundle in (("en", data), *data.get(EDITIONS, {}).items()):
        for mime, part in bundle.items():
            if mime != EDITIONS:
                yield (edition, mime), part.strip() if mime in PICTURES else part


def _pixels(picture: bytes) -> np.ndarray:
    """Levels of red, green and blue before a white page, uint8 of shape (height, width, 3)."""
    image = Image.open(io.BytesIO(picture)).convert("RGBA")
    page = Image.new("RGBA", image.size, "white")
    page.alpha_composite(image)
    return np.asarray(page.convert("RGB"))


def _block_means(pixels: np.ndarray) -> np.ndarray:
    """For each pixel the mean of the block whose first it is."""
    return uniform_filter(pixels.astype(np.float32), (BLOCK, BLOCK, 0), mode="nearest", origin=(-4, -4, 0))


def _write(stored: bytes, fresh: bytes, name: str) -> Path:
    """The stored picture above the fresh one, as a file to look at."""
    images = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in (stored, fresh)]
    gap = 16
    page = Image.new("RGB", (max(i.width for i in images), sum(i.height for i in images) + gap), "#808080")
    page.paste(images[0], (0, 0))
    page.paste(images[1], (0, images[0].height + gap))
    OUT.mkdir(parents=True, exist_ok=True)
    page.save(OUT / name)
    return OUT / name
