"""Translate image files with a trained CycleGAN."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from hw2lib.data.images import check_name, list_images, read_rgb, stack
from hw2lib.data.unpaired import to_signed, to_uint8
from hw2lib.errors import UserError
from hw2lib.runs.images import save_grid
from hw2lib.runs.output import check_output, make_folder, picture_places

from .trained import load_cyclegan


@torch.no_grad()
def translate_files(
    run: Path,
    images: Sequence[Path],
    to: str,
    out: Path,
    epoch: int | None = None,
    force: bool = False,
) -> Iterator[Path]:
    """Write ``out/NAME.png`` for each image file NAME.*, and yield it.

    All images are read, and all places of translations are looked at, before the first is written.

    Args:
        run: folder of a CycleGAN run.
        images: files of any size and mode, which are resized to the run's size, or folders, whose images go
            to folders of the same names below ``out``.
        to: ``A`` or ``B``, the domain to translate to.
        out: folder that takes the translations.
        epoch: whose weights to use; by default the last that the run kept.
        force: replace files of the same names that are in ``out`` already; never one of ``images``.

    Raises:
        UserError: the run holds no such weights, an image cannot be read, two images have one name, a
            translation would take the place of a file, ``out`` cannot be created, or the networks give
            values that are no numbers.
    """
    net, config = load_cyclegan(run, epoch)
    generator = net.G_B if to == "A" else net.G_A
    files = _files(images)
    targets = picture_places(files, out, force)
    pixels = [read_rgb(path, config.size) for path, _ in files]
    for folder in sorted({target.parent for target in targets}):
        make_folder(folder)
    for target in targets:
        check_output(target, force)
    for (path, _), target, image in zip(files, targets, pixels, strict=True):
        translated = generator(to_signed(stack([image])))
        if not torch.isfinite(translated).all():
            raise UserError(f"{run}: its networks make values that are no numbers of {path}")
        save_grid(target, to_uint8(translated), columns=1, padding=0)
        yield target


def _files(images: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Each image file with its name below the output folder."""
    found = []
    for path in images:
        if path.is_dir():
            found += [(image, image.relative_to(path)) for image in list_images(path)]
        else:
            check_name(path)
            found.append((path, Path(path.name)))
    return found
