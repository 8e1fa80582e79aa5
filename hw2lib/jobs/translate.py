"""Translate image files with a trained CycleGAN."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from hw2lib.data.unpaired import read_image, to_uint8
from hw2lib.errors import UserError
from hw2lib.runs.images import save_grid

from .trained import load_cyclegan


@torch.no_grad()
def translate_files(
    run: Path, images: Sequence[Path], to: str, out: Path, epoch: int | None = None
) -> Iterator[Path]:
    """Write ``out/NAME.png`` for each image file NAME.*, and yield it.

    Args:
        run: folder of a CycleGAN run.
        images: files of any size and mode; they are resized to the run's size.
        to: ``A`` or ``B``, the domain to translate to.
        out: folder that takes the translations.
        epoch: whose weights to use; by default the last that the run kept.

    Raises:
        UserError: the run holds no such weights, an image cannot be read, two images have one name, a
            translation would take the place of an image, ``out`` cannot be created.
    """
    net, config = load_cyclegan(run, epoch)
    generator = net.G_B if to == "A" else net.G_A
    for name, count in Counter(path.stem for path in images).items():
        if count > 1:
            raise UserError(f"{name}: {count} images have this name, and would be one file in {out}")
    for path in images:
        target = out / f"{path.stem}.png"
        if target.exists() and path.exists() and target.samefile(path):
            raise UserError(f"{path}: would be replaced by its translation; choose another --out")
        image = read_image(path, config.size)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{out}: cannot be created: {error.strerror or error}") from error
        save_grid(target, to_uint8(generator(image)), columns=1, padding=0)
        yield target
