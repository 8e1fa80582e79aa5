"""Image files: which files of a folder are images, and what a viewer shows of each.

A file is read as a viewer shows it (the camera's orientation applied, 16 bits brought to 8), or refused by
name. What tools leave behind is skipped; nothing else in a folder of images is passed over.
"""

import os
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from hw2lib.errors import UserError, printable

# Only these are tried: Pillow also knows formats that start other programs (EPS) or stand for maps and films.
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
LOSSY = {"AVIF", "JPEG", "MPO", "WEBP"}
# What file managers and the like leave behind; so is any name that begins with a dot.
LEFTOVERS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "__pycache__", "@eadir"}
LEFTOVERS |= {"$recycle.bin", "system volume information", "lost+found"}
NOTES = {".csv", ".html", ".json", ".log", ".md", ".pdf", ".sha256", ".txt", ".xml", ".yaml", ".yml"}
_MODES = {"1", "L", "La", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}
_MODES |= {"I", "I;16", "I;16B", "I;16L"}
_SRGB_GAMMA = 1 / 2.2
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_WHITE_IS_ZERO = 258, 262, 0


def is_leftover(name: str) -> bool:
    """Whether a tool made a file or folder of that name for itself, as ``._a.png`` or ``Thumbs.db``."""
    return name.startswith(".") or name.endswith("~") or name.lower() in LEFTOVERS


def filled(folder: Path) -> bool:
    """Whether it is a folder with a file in it, at any depth, that is not a tool's leftover."""
    return folder.is_dir() and any(not is_leftover(name) for _, _, names in _walk(folder) for name in names)


def check_name(path: Path) -> None:
    """Refuse a name that a terminal would obey, or that is no text: tables and reports could not show it.

    Raises:
        UserError: the name holds control characters or bytes that are no UTF-8.
    """
    if printable(path.name) != path.name:
        raise UserError(f"{path}: the name holds characters that cannot be shown; rename it")


def list_images(folder: Path) -> list[Path]:
    """All images in a folder and the folders below it, in a fixed order.

    Raises:
        UserError: there is no such folder, no image in it, or something that is neither an image that can
            be read nor a tool's leftover nor a note.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    known = {end for end, kind in Image.registered_extensions().items() if kind in FORMATS}
    paths = []
    for base, folders, names in _walk(folder):
        for path in (Path(base, name) for name in folders + names if not is_leftover(name)):
            check_name(path)
            if path.is_symlink() and path.is_dir():
                raise UserError(f"{path}: a link to a folder is not followed; put the images themselves here")
            if path.is_dir() or path.suffix.lower() in NOTES:
                continue
            if path.suffix.lower() not in known:
                kinds = ", ".join(sorted(known))
                raise UserError(f"{path}: not one of {kinds}; convert it, or move it away")
            paths.append(path)
    if not paths:
        raise UserError(f"{folder}: no images in this folder")
    return sorted(paths)


def open_image(path: Path, digest=None, root: Path | None = None) -> Image.Image:
    """Decode an image fully and show it as a viewer does: turned as the camera says, its colours in sRGB.

    Args:
        path: the file.
        digest: takes the name below ``root`` and the bytes, where given.
        root: see ``digest``.

    Raises:
        UserError: it is no image, it is damaged or too large, or viewers would not agree on what it shows.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is not a plain file")
        content = path.read_bytes()
        Image.init()  # Pillow's plugins; which of them are there depends on how it was built
        if digest is not None:
            digest.update(os.fsencode(path.relative_to(root or "").as_posix()) + b"\0" + content)
        with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
            image = Image.open(BytesIO(content), formats=[kind for kind in FORMATS if kind in Image.OPEN])
        if reason := _ambiguous(image):
            raise UserError(f"{path}: {reason}; convert it to an 8-bit PNG")
        image.load()
        shown = _in_srgb(ImageOps.exif_transpose(image))
        shown.format = image.format
        return shown
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"{path}: {error}") from error
    except UserError:
        raise
    except OSError as error:  # with a reason it comes from the operating system, without one from Pillow
        raise UserError(f"{path}: {error.strerror or 'cannot be read as an image'}") from error
    except Exception as error:  # damaged files make Pillow's decoders raise whatever they stumble over
        raise UserError(f"{path}: cannot be read as an image") from error


def _ambiguous(image: Image.Image) -> str | None:
    """Why viewers would not agree on what the image shows, or Pillow would not show it as they do."""
    pictures = getattr(image, "n_frames", 1)
    if pictures > 1 and image.format != "MPO":  # a phone's JPEG with its preview
        return f"holds {pictures} pictures"
    if image.mode not in _MODES or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        return f"its pixels ({image.mode}) are numbers that no 8 or 16 bits of grey or colour stand for"
    if image.mode.startswith("I"):
        if "transparency" in image.info:
            return "has 16-bit pixels and a transparent value"
        tags = getattr(image, "tag_v2", {})  # of a TIFF
        if tags.get(_TIFF_BITS, (16,)) != (16,) or tags.get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO:
            return "has pixels of another depth than 8 or 16 bits, or counts them from white"
    return None


def _in_srgb(image: Image.Image) -> Image.Image:
    """The colours that the image's own profile or gamma stands for; a damaged profile is passed over."""
    gamma = image.info.get("gamma", _SRGB_GAMMA) if "srgb" not in image.info else _SRGB_GAMMA
    profiled, curved = image.info.get("icc_profile"), abs(gamma / _SRGB_GAMMA - 1) > 0.02
    if not (profiled or curved) or image.mode.startswith("I"):
        return image
    transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    alpha = image.convert("RGBA").getchannel("A") if transparent else None
    shown = (
        image if image.mode in ("L", "RGB", "CMYK") else image.convert("L" if image.mode == "LA" else "RGB")
    )
    try:
        if profiled:
            profile = ImageCms.ImageCmsProfile(BytesIO(profiled))
            if "srgb" in ImageCms.getProfileDescription(profile).lower():
                return image
            srgb = ImageCms.createProfile("sRGB")
            shown = ImageCms.profileToProfile(shown, profile, srgb, outputMode="RGB") or shown
        else:  # of a PNG: light = value^(1/gamma)
            curve = [round(255 * (level / 255) ** (_SRGB_GAMMA / gamma)) for level in range(256)]
            shown = shown.point(curve * len(shown.getbands()))
    except (ImageCms.PyCMSError, OSError):
        return image
    shown.info.pop("transparency", None)
    if alpha is not None:
        shown = shown.convert("RGB")
        shown.putalpha(alpha)
    return shown


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to 8-bit RGB: 16-bit grey is divided by 256, transparency is laid on black."""
    if image.mode.startswith("I"):
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        image = Image.fromarray((values // 256).astype(np.uint8))
    elif image.mode in ("La", "LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image.convert("RGB")


def resized_rgb(image: Image.Image, size: int | None) -> np.ndarray:
    """An image as uint8 of shape (size, size, 3); ``size=None`` keeps its size."""
    image = to_rgb(image)
    if size is not None and image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image)


def resized_mask(image: Image.Image, size: int) -> np.ndarray:
    """The defect in a mask, bool of shape (size, size).

    Marked means not black; in a lossy format, whose edges ring, brighter than half. A pixel of the result is
    marked where any pixel that it covers is, so that the smallest defect stays.
    """
    width, height = image.size
    values = np.asarray(image if image.mode.startswith("I") else to_rgb(image))
    mask = values.reshape(height, width, -1).max(-1) > (127 if image.format in LOSSY else 0)
    if size >= max(width, height):
        grey = Image.fromarray(mask.astype(np.uint8))
        return np.asarray(grey.resize((size, size), Image.Resampling.NEAREST)) > 0
    return F.adaptive_max_pool2d(torch.from_numpy(mask)[None].float(), size)[0].bool().numpy()


def read_rgb(path: Path, size: int | None, digest=None, root: Path | None = None) -> np.ndarray:
    """One image file as uint8 of shape (size, size, 3); the arguments as for :func:`open_image`."""
    return resized_rgb(open_image(path, digest, root), size)


def stack(images: list[np.ndarray]) -> Tensor:
    """Images of shape (h, w, 3) as one tensor of shape (n, 3, h, w)."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def _walk(folder: Path):
    """As os.walk, in a fixed order, past tools' folders, and not silent about what cannot be listed."""

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: {error.strerror}") from error

    for base, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not is_leftover(name))
        yield base, folders, names
