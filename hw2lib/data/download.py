"""Fetch an official data set: resumable download, checksum, safe unpacking, one rename into place.

from .download import fetch, find
fetch(find("apple2orange"), "data")  # data/apple2orange/{trainA,trainB,testA,testB}
"""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hw2lib.errors import UserError

from .transfer import Report, resume
from .unpack import filled, move_folders, unpack


@dataclass(frozen=True)
class Dataset:
    """One official archive.

    Attributes:
        archive: the official file name.
        url: the official address.
        parent: folder below the data folder that takes ``folders``, empty for the data folder itself.
        folders: the top-level folders of the archive.
        size: bytes of the archive, None where we have not measured it.
        sha256: checksum of the archive, None where we do not know it.
        max_bytes: what the archive may unpack to.
        description: what it is.
        licence: its terms in one line.
    """

    archive: str
    url: str
    parent: str
    folders: tuple[str, ...]
    size: int | None
    sha256: str | None
    max_bytes: int
    description: str
    licence: str


@dataclass(frozen=True)
class Fetched:
    """What :func:`fetch` did; ``sha256`` is None when everything was there already."""

    folders: list[Path]
    skipped: bool
    verified: bool
    sha256: str | None


_MVTEC = "https://www.mydrive.ch/shares/38536/3830184030e49fe74747669442f0f282/download"
_MVTEC_TERMS = "CC BY-NC-SA 4.0: non-commercial, share alike, credit Bergmann et al. (CVPR 2019, IJCV 2021)"
_CYCLEGAN = "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets"
_CATEGORIES = "bottle cable capsule carpet grid hazelnut leather metal_nut pill screw tile toothbrush"

DATASETS = {
    "mvtec-capsule": Dataset(
        "capsule.tar.xz",
        f"{_MVTEC}/420937454-1629951595/capsule.tar.xz",
        "mvtec",
        ("capsule",),
        None,
        None,
        2_000_000_000,
        "MVTec AD, category capsule; its checksum is not known here",
        _MVTEC_TERMS,
    ),
    "mvtec": Dataset(
        "mvtec_anomaly_detection.tar.xz",
        f"{_MVTEC}/420938113-1629952094/mvtec_anomaly_detection.tar.xz",
        "mvtec",
        (*_CATEGORIES.split(), "transistor", "wood", "zipper"),
        None,
        "cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
        20_000_000_000,
        "MVTec AD, all 15 categories",
        _MVTEC_TERMS,
    ),
    "apple2orange": Dataset(
        "apple2orange.zip",
        f"{_CYCLEGAN}/apple2orange.zip",
        "",
        ("apple2orange",),
        78_456_409,
        "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
        1_000_000_000,
        "CycleGAN's apples and oranges",
        "no licence stated (images from ImageNet): research and teaching only; credit Zhu et al. (ICCV 2017)",
    ),
    "summer2winter_yosemite": Dataset(
        "summer2winter_yosemite.zip",
        f"{_CYCLEGAN}/summer2winter_yosemite.zip",
        "",
        ("summer2winter_yosemite",),
        132_640_856,
        "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9",
        1_000_000_000,
        "CycleGAN's Yosemite in summer and winter",
        "no licence stated (images from Flickr): research and teaching only; credit Zhu et al. (ICCV 2017)",
    ),
}


def find(name: str) -> Dataset:
    """The data set of that name.

    Raises:
        UserError: there is none.
    """
    if name not in DATASETS:
        raise UserError(f"{name}: no such data set; expected {', '.join(DATASETS)}")
    return DATASETS[name]


def fetch(
    dataset: Dataset,
    out: str | Path,
    url: str | None = None,
    sha256: str | None = None,
    accept_unverified: bool = False,
    report: Report | None = None,
) -> Fetched:
    """Download, check and unpack a data set; nothing is done where its folders are filled already.

    A broken download leaves ``<archive>.part``, and the next call goes on from there. The archive is
    removed once its folders are in place.

    Args:
        dataset: an entry of ``DATASETS``.
        out: the data folder; the folders of the set come below it.
        url: another address of the archive, or the path of one on this disk, which is left there.
        sha256: the checksum to hold the archive against, instead of the recorded one.
        accept_unverified: take the archive where no checksum is known.
        report: called with the bytes that are here and the bytes in all (None where the server is silent).

    Raises:
        UserError: the server cannot be reached or refuses, the checksum is wrong or missing, the archive
            is damaged or holds something it must not, the disk is full or not writable.
    """
    home = Path(out) / dataset.parent
    folders = [home / name for name in dataset.folders]
    if all(filled(folder) for folder in folders):
        return Fetched(folders, True, False, None)
    expected = _expected(dataset, sha256, accept_unverified)
    address = url or dataset.url
    local = _local_path(address)
    try:
        if local is None:
            archive = Path(out) / dataset.archive
            limit = dataset.size if dataset.size and expected == dataset.sha256 else dataset.max_bytes
            _download(address, archive, expected, limit, report)
        else:
            archive = local
            _check(archive, expected)
        found = expected or _sha256(archive)
        home.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(prefix=".unpack-", dir=home, ignore_cleanup_errors=True) as temp:
                unpack(archive, Path(temp), dataset.max_bytes)
                move_folders(archive, Path(temp), home, dataset.folders)
        except UserError as error:
            if local is not None:
                raise
            archive.unlink(missing_ok=True)
            raise UserError(f"{error}; the file was removed") from error
        if local is None:
            archive.unlink()
    except OSError as error:
        raise UserError(f"{error.filename or out}: {error.strerror or error}") from error
    return Fetched(folders, False, expected is not None, found)


def _expected(dataset: Dataset, sha256: str | None, accept_unverified: bool) -> str | None:
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UserError(f"--sha256 {sha256}: expected 64 hexadecimal digits")
    expected = sha256 or dataset.sha256
    if expected is None and not accept_unverified:
        raise UserError(f"{dataset.archive}: its checksum is not known; give --sha256 or --accept-unverified")
    return expected and expected.lower()


def _local_path(address: str) -> Path | None:
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise UserError(f"{address}: is no address: {error}") from error
    if parts.scheme in ("http", "https"):
        return None
    if parts.scheme and parts.scheme != "file":
        raise UserError(f"{address}: expected http, https or a file")
    path = Path(unquote(parts.path)) if parts.scheme else Path(address)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    return path


def _download(url: str, archive: Path, expected: str | None, limit: int, report: Report | None) -> None:
    """Leave the archive at its place with the right checksum, or nothing but a part to resume from."""
    import pooch

    def resumed(url: str, file: str, _: object) -> None:
        part = archive.with_name(archive.name + ".part")
        resume(url, part, limit, report)
        os.replace(part, file)

    pooch.get_logger().setLevel("WARNING")
    known = expected and f"sha256:{expected}"
    try:
        pooch.retrieve(url, known, fname=archive.name, path=archive.parent, downloader=resumed)
    except ValueError as error:
        raise UserError(f"{url}: wrong checksum, sha256 is not {expected}; the file was removed") from error


def _check(archive: Path, expected: str | None) -> None:
    if expected is not None and _sha256(archive) != expected:
        raise UserError(f"{archive}: wrong checksum, sha256 is not {expected}")


def _sha256(archive: Path) -> str:
    import pooch

    return pooch.file_hash(str(archive), alg="sha256")
