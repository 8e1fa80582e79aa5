"""What a viewer shows of an image file: read so, or refused by name."""

import errno
import os
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from faults import cases, fault
from PIL import Image, ImageCms

from hw2lib.data.images import list_images, open_image, read_rgb
from hw2lib.data.unpaired import read_image
from hw2lib.errors import UserError

RAMP = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12) * 2


# A viewer's picture


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("end", ["jpg", "png", "tif", "webp"])
@fault(
    "image",
    "A camera stores the picture on its side and says so in EXIF.",
    "The orientation tag of a JPEG, PNG, TIFF and WebP file is set to each of its eight values.",
    "It is read upright.",
)
def test_the_cameras_orientation_is_applied(tmp_path, orientation, end):
    upright = np.zeros((16, 24), dtype=np.uint8)
    upright[:8, :8] = 250  # the corner that has to come out at the top left
    undo = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud}
    undo |= {5: np.transpose, 6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).T}
    undo |= {8: lambda a: np.rot90(a, -1)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](upright)))
    stored.save(tmp_path / f"a.{end}", exif=exif)
    pixels = read_rgb(tmp_path / f"a.{end}", None)[..., 0]
    assert pixels.shape == (16, 24)
    assert np.abs(pixels.astype(int) - upright).max() < 30


def save_sixteen(path: Path, values: np.ndarray) -> None:
    Image.fromarray(values.astype(np.uint16)).save(path)


def twelve_bits(path: Path) -> None:
    """A TIFF of 4×1 pixels of 12 bits, 0 and 4095 by turns."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    for tag, value in {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 277: 1, 278: 1}.items():
        tags[tag] = value
    tags[279], tags[273] = 6, 0
    strip = bytes([0x00, 0x0F, 0xFF] * 2)
    size = len(tags.tobytes(8))
    tags[273] = 8 + size
    path.write_bytes(b"II*\0" + (8).to_bytes(4, "little") + tags.tobytes(8)[:size] + strip)


def white_is_zero(path: Path) -> None:
    image = Image.fromarray((RAMP.astype(np.uint16)) * 257)
    image.save(path, tiffinfo={262: 0})


def sixteen_with_transparency(path: Path) -> None:
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(path, transparency=0)


def frames(path: Path, **options) -> None:
    pictures = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], **options)


REFUSED = {
    "float": (
        "An image of floating-point numbers.",
        "A TIFF with values between 0 and 1.",
        "a.tif",
        lambda p: Image.fromarray(RAMP / np.float32(255)).save(p),
        "no 8 or 16 bits",
    ),
    "int32": (
        "An image of 32-bit integers.",
        "A TIFF with values up to two thousand million.",
        "a.tif",
        lambda p: Image.fromarray(RAMP.astype(np.int32) * 10_000_000).save(p),
        "no 8 or 16 bits",
    ),
    "lab": (
        "An image in the colour space Lab.",
        "A TIFF in mode LAB.",
        "a.tif",
        lambda p: Image.new("LAB", (8, 8), (50, 0, 0)).save(p),
        "no 8 or 16 bits",
    ),
    "twelve-bits": (
        "An image with 12 bits a pixel.",
        "A TIFF of 12-bit samples, which Pillow would show nearly black.",
        "a.tif",
        twelve_bits,
        "another depth than 8 or 16 bits",
    ),
    "white-is-zero": (
        "A 16-bit image that counts from white.",
        "A 16-bit TIFF with the photometric tag WhiteIsZero.",
        "a.tif",
        white_is_zero,
        "another depth than 8 or 16 bits, or counts them from white",
    ),
    "sixteen-transparent": (
        "A 16-bit image with a transparent value.",
        "A 16-bit grey PNG with a tRNS chunk.",
        "a.png",
        sixteen_with_transparency,
        "16-bit pixels and a transparent value",
    ),
    "pages": (
        "A file with several pages.",
        "A TIFF with two pages.",
        "a.tif",
        frames,
        "holds 2 pictures",
    ),
    "animation": (
        "An animation.",
        "An animated PNG with two frames.",
        "a.png",
        frames,
        "holds 2 pictures",
    ),
    "moving-webp": (
        "An animation in WebP.",
        "A WebP file with two frames.",
        "a.webp",
        lambda p: frames(p, lossless=True),
        "holds 2 pictures",
    ),
    "postscript": (
        "A program in place of a picture.",
        "PostScript under the name a.png, which Pillow hands to Ghostscript.",
        "a.png",
        lambda p: p.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"),
        "cannot be read as an image",
    ),
    "bomb": (
        "A picture of a thousand million pixels in a small file.",
        "A BMP header that says 40,000×40,000 pixels.",
        "a.bmp",
        lambda p: p.write_bytes(bmp_header(40_000, 40_000)),
        "decompression bomb",
    ),
    "large": (
        "A picture of a hundred million pixels.",
        "A BMP header that says 10,000×10,000 pixels.",
        "a.bmp",
        lambda p: p.write_bytes(bmp_header(10_000, 10_000)),
        "decompression bomb",
    ),
    "cut": (
        "A picture that was copied half.",
        "A JPEG file without its last third.",
        "a.jpg",
        lambda p: p.write_bytes(jpeg()[: len(jpeg()) * 2 // 3]),
        "cannot be read as an image",
    ),
    "flipped": (
        "A picture with a damaged byte.",
        "One byte of a PNG's pixels is inverted.",
        "a.png",
        lambda p: p.write_bytes(flipped_png()),
        "cannot be read as an image",
    ),
    "empty": (
        "An empty file.",
        "A file of no bytes under the name a.png.",
        "a.png",
        lambda p: p.write_bytes(b""),
        "cannot be read as an image",
    ),
    "pipe": (
        "A pipe in place of a file.",
        "A named pipe under the name a.png, at which a reader would wait for ever.",
        "a.png",
        lambda p: os.mkfifo(p),
        "is not a plain file",
    ),
    "dangling": (
        "A link to a file that is gone.",
        "A symbolic link under the name a.png that leads nowhere.",
        "a.png",
        lambda p: p.symlink_to("gone.png"),
        "No such file or directory",
    ),
}


def bmp_header(width: int, height: int) -> bytes:
    header = [
        (40, 4),
        (width, 4),
        (height, 4),
        (1, 2),
        (24, 2),
        (0, 4),
        (0, 4),
        (0, 4),
        (0, 4),
        (0, 4),
        (0, 4),
    ]
    return (
        b"BM" + bytes(8) + (54).to_bytes(4, "little") + b"".join(v.to_bytes(n, "little") for v, n in header)
    )


def jpeg() -> bytes:
    buffer = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def flipped_png() -> bytes:
    buffer = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    content[2000] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    "name, write, message", cases("image", "It is refused in one line that names the file.", REFUSED)
)
def test_what_viewers_would_show_differently_is_refused_by_name(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(UserError, match=message) as caught:
        read_rgb(tmp_path / name, 8)
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


@fault(
    "image",
    "A picture that may not be read.",
    "The operating system refuses to open the file.",
    "The error is the system's own, with the file's name.",
)
def test_a_missing_right_is_said_as_such(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    Image.fromarray(RAMP).save(tmp_path / "a.png")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UserError, match=r"a\.png: Permission denied$"):
        read_rgb(tmp_path / "a.png", 8)


@fault(
    "image",
    "A phone's JPEG that carries a preview as a second picture.",
    "An MPO file with two pictures under the name a.jpg.",
    "The first picture is read, as viewers do.",
)
def test_the_first_picture_of_a_phones_jpeg_is_read(tmp_path):
    first, second = (Image.new("RGB", (16, 16), grey) for grey in ((200,) * 3, (10,) * 3))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    assert abs(int(read_rgb(tmp_path / "a.jpg", None).mean()) - 200) <= 2


@pytest.fixture
def exchanged() -> bytes:
    """A profile in which red and blue are exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    for old, new in ((b"rXYZ", b"?XYZ"), (b"bXYZ", b"rXYZ"), (b"?XYZ", b"bXYZ")):
        profile = profile.replace(old, new, 1)
    return profile


@fault(
    "image",
    "A picture whose numbers stand for other colours than those of sRGB.",
    "A profile in which red and blue are exchanged is embedded in a picture.",
    "Its colours are converted as a viewer does; an sRGB profile or a damaged one changes nothing.",
)
def test_an_embedded_profile_is_applied(tmp_path, exchanged):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.new("RGB", (4, 4), (200, 60, 30))
    for profile, expected in ((exchanged, (30, 60, 200)), (srgb, (200, 60, 30)), (b"none", (200, 60, 30))):
        picture.save(tmp_path / "a.png", icc_profile=profile)
        assert np.abs(read_rgb(tmp_path / "a.png", None)[0, 0].astype(int) - expected).max() <= 3


@fault(
    "image",
    "A picture with transparency, or with a palette, whose numbers stand for other colours.",
    "The profile in which red and blue are exchanged, in an RGBA and two palette pictures.",
    "Its colours are converted as a viewer does, and what was transparent stays so.",
)
@pytest.mark.parametrize("mode", ["RGBA", "P", "PA"])
def test_a_profile_is_applied_in_every_mode(tmp_path, exchanged, mode):
    colours = Image.new("RGBA", (4, 4), (200, 60, 30, 255))
    colours.putpixel((3, 3), (200, 60, 30, 0))
    if mode == "RGBA":
        colours.save(tmp_path / "a.png", icc_profile=exchanged)
    else:
        transparent = {"transparency": bytes([255, 0])} if mode == "PA" else {}
        palette = Image.new("P", (4, 4), 0)
        palette.putpalette([200, 60, 30] * 2)
        palette.putpixel((3, 3), 1)
        palette.save(tmp_path / "a.png", icc_profile=exchanged, **transparent)
    shown = read_rgb(tmp_path / "a.png", None).astype(int)
    assert np.abs(shown[0, 0] - (30, 60, 200)).max() <= 3
    assert mode == "P" or (shown[3, 3] == 0).all()


@fault(
    "image",
    "A grey picture whose numbers stand for other lightnesses.",
    "A PNG says in its chunk gAMA that its numbers are proportional to light; one says sRGB as well.",
    "It is shown lighter, as a viewer does; where it says sRGB nothing changes.",
)
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_the_gamma_of_a_png_is_applied(tmp_path, mode):
    grey = Image.new("RGB", (4, 4), (128, 128, 128))
    (grey.quantize(2) if mode == "P" else grey.convert(mode)).save(tmp_path / "a.png")
    plain = (tmp_path / "a.png").read_bytes()
    assert read_rgb(tmp_path / "a.png", None)[0, 0].tolist() == [128] * 3

    def with_chunks(*chunks: tuple[bytes, bytes]) -> list[int]:
        coded = b"".join(
            len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in chunks
        )
        (tmp_path / "a.png").write_bytes(plain[:33] + coded + plain[33:])  # behind the header
        return read_rgb(tmp_path / "a.png", None)[0, 0].tolist()

    light, usual = ((b"gAMA", value.to_bytes(4)) for value in (100_000, 45_455))
    assert with_chunks(light) == [round(255 * (128 / 255) ** (1 / 2.2))] * 3
    assert with_chunks(usual) == with_chunks(light, (b"sRGB", b"\0")) == [128] * 3


@pytest.mark.parametrize("end", ["webp", "gif", "bmp", "ppm", "pgm", "jfif", "JPG", "PNG", "tiff"])
@fault(
    "image",
    "Pictures in a container that the loader did not know.",
    "The same picture as WebP, GIF, BMP, PPM, PGM, JFIF, TIFF and with a suffix in capitals.",
    "All are read.",
)
def test_containers(tmp_path, end):
    Image.fromarray(RAMP).save(tmp_path / f"a.{end}", **({"lossless": True} if end == "webp" else {}))
    assert list_images(tmp_path) == [tmp_path / f"a.{end}"]
    pixels = read_rgb(tmp_path / f"a.{end}", None)[..., 0].astype(int)
    assert np.abs(pixels - RAMP).max() <= (0 if end.lower() not in ("jpg", "jfif") else 25)


@fault(
    "image",
    "A picture on its side that is to be translated.",
    "A JPEG with orientation 6 is given to the reader of single images.",
    "It is translated upright.",
)
def test_single_images_take_the_same_way(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(np.tile(RAMP, (2, 2)))).save(tmp_path / "a.png", exif=exif)
    Image.fromarray(np.tile(RAMP, (2, 2))).save(tmp_path / "b.png")
    assert torch.equal(read_image(tmp_path / "a.png", 16), read_image(tmp_path / "b.png", 16))


def test_damage_to_any_byte_of_an_image_is_named_or_harmless(tmp_path):
    """Whatever Pillow's decoders raise, the caller sees an image or one line."""
    rng = np.random.default_rng(0)
    for name, content in (("a.jpg", jpeg()), ("a.png", flipped_png())):
        for _ in range(100):
            damaged = bytearray(content)
            for at in rng.integers(0, 300, 3):
                damaged[at] = rng.integers(256)
            (tmp_path / name).write_bytes(damaged)
            try:
                open_image(tmp_path / name)
            except UserError as error:
                assert "\n" not in str(error)
