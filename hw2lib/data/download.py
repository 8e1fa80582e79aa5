"""Fetch an official data set: resumable download, checksum, safe unpacking, one rename into place.

from hw2lib.data.download import fetch, find
fetch(find("apple2orange"), "data")  # data/apple2orange/{trainA,trainB,testA,testB}
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hw2lib.errors import UserError

from .checksums import check, file_sha256, is_copy, record
from .images import filled
from .transfer import Report, Unavailable, resume
from .unpack import move_folders, unpack


@dataclass(frozen=True)
class Dataset:
    """One official archive, or some of its folders.

    Attributes:
        archive: the official file name.
        urls: addresses, tried one after the other; the checksum says whether they give the same archive.
        page: the publisher's page, where a new address is found.
        parent: folder below the data folder that takes ``folders``, empty for the data folder itself.
        folders: the top-level folders of the archive that are wanted.
        size: bytes of the archive.
        sha256: checksum of the archive.
        max_bytes: what the archive may unpack to, folders that are not wanted included.
        description: what it is.
        licence: its terms in one line.
        copies: known copies of the folder that are no official archives (:mod:`hw2lib.data.checksums`).
    """

    archive: str
    urls: tuple[str, ...]
    page: str
    parent: str
    folders: tuple[str, ...]
    size: int
    sha256: str
    max_bytes: int
    description: str
    licence: str
    copies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fetched:
    """What :func:`fetch` did; ``sha256`` is None when everything was there already."""

    folders: list[Path]
    skipped: bool
    verified: bool
    sha256: str | None


_CYCLEGAN = "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets"
_CATEGORIES = "bottle cable capsule carpet grid hazelnut leather metal_nut pill screw tile toothbrush"


def _mvtec(folders: tuple[str, ...], description: str, copies: tuple[str, ...] = ()) -> Dataset:
    """The full archive, the only one whose checksum is known; the shares change, the checksum does not."""
    share = "https://www.mydrive.ch/shares/150996/b52ecdcbf521176e9db9c731f2304b27/download"
    mirror = "https://huggingface.co/datasets/micguida1/mvtech_anomaly_detection/resolve/main"
    name = "mvtec_anomaly_detection.tar.xz"
    return Dataset(
        name,
        (f"{share}/420938113-1629960298/{name}", f"{mirror}/{name}"),
        "https://www.mvtec.com/research-teaching/datasets/mvtec-ad/downloads",
        "mvtec",
        folders,
        5_264_982_680,
        "cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
        20_000_000_000,
        description,
        "CC BY-NC-SA 4.0: non-commercial, share alike, credit Bergmann et al. (CVPR 2019, IJCV 2021)",
        copies,
    )


def _cyclegan(name: str, size: int, sha256: str, description: str, source: str) -> Dataset:
    terms = (
        "no licence stated (images from {source}): research and teaching only; credit Zhu et al. (ICCV 2017)"
    )
    return Dataset(
        f"{name}.zip",
        (f"{_CYCLEGAN}/{name}.zip",),
        f"{_CYCLEGAN}/",
        "",
        (name,),
        size,
        sha256,
        1_000_000_000,
        f"CycleGAN's {description}",
        terms.format(source=source),
    )


DATASETS = {
    "mvtec-capsule": _mvtec(
        ("capsule",), "MVTec AD, category capsule out of the full archive", ("capsule-128", "capsule-256")
    ),
    "mvtec": _mvtec((*_CATEGORIES.split(), "transistor", "wood", "zipper"), "MVTec AD, all 15 categories"),
    "apple2orange": _cyclegan(
        "apple2orange",
        78_456_409,
        "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
        "apples and oranges",
        "ImageNet",
    ),
    "summer2winter_yosemite": _cyclegan(
        "summer2winter_yosemite",
        132_640_856,
        "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9",
        "Yosemite in summer and winter",
        "Flickr",
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
    """Download, check and unpack a data set; where its folders are filled already, they are only checked.

    A broken download, a full disk or an interruption leaves ``<archive>.part``, and the next call goes on
    from there, unless nothing could tell its bytes from another archive's. It is removed once the folders are
    in place.

    Args:
        dataset: an entry of ``DATASETS``.
        out: the data folder; the folders of the set come below it, each with its files' checksums beside it.
        url: another address of the archive, or the path of one on this disk, which is left there.
        sha256: the checksum to hold the archive against, instead of the recorded one.
        accept_unverified: with ``url``: take an archive of another checksum.
        report: called with the bytes that are here and the bytes in all (None where nobody says).

    Raises:
        UserError: no address gives the archive, its checksum is wrong, it is damaged or holds something it
            must not, the disk is full or not writable; or a file has changed since it was fetched.
    """
    out = Path(out)
    home = out / dataset.parent
    folders = [home / name for name in dataset.folders]
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UserError(f"--sha256 {sha256}: expected 64 hexadecimal digits")
    expected = (sha256 or dataset.sha256).lower()
    accept = accept_unverified and url is not None and sha256 is None
    local = _local_path(url) if url else None
    try:
        missing = [folder for folder in folders if not filled(folder)]
        if not missing:
            return Fetched(folders, True, all([check(path, dataset.copies) for path in folders]), None)
        home.mkdir(parents=True, exist_ok=True)
        with _alone_in(out):
            if local:
                archive, found = local, file_sha256(local)
            else:
                archive, found = _obtain(dataset, out, url, None if accept else expected, report)
            part = archive if local is None and archive.name.endswith(".part") else None
            try:
                with _scratch(home) as temp:
                    verified = found == expected
                    if verified or accept or (dataset.copies and not sha256):
                        unpack(archive, temp, dataset.max_bytes, dataset.folders)
                        verified = verified or all(is_copy(temp / p.name, dataset.copies) for p in folders)
                    if not verified and not accept:
                        raise UserError(_wrong(archive, found, expected, url))
                    move_folders(archive, temp, home, dataset.folders)
            except UserError as error:
                if not part:
                    raise
                part.unlink()
                raise UserError(f"{error}; the file was removed") from error
            for folder in missing:
                record(folder, verified)
            if part:
                part.unlink()
    except OSError as error:
        raise UserError(f"{error.filename or out}: {error.strerror or error}") from error
    return Fetched(folders, False, verified, found)


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


def _obtain(
    dataset: Dataset, out: Path, url: str | None, expected: str | None, report: Report | None
) -> tuple[Path, str]:
    """The complete archive and its checksum; the part stays until the checksum is known to be wrong."""
    archive = out / dataset.archive
    if expected and archive.is_file() and file_sha256(archive) == expected:
        return archive, expected
    size = dataset.size if expected == dataset.sha256 else None
    limit = size or dataset.max_bytes
    part = archive.with_name(f"{archive.name}{'' if expected else '.unverified'}.part")
    if not expected:
        part.unlink(missing_ok=True)  # nothing would tell bytes of one archive from those of another
    for fresh in (not part.exists(), True):
        if not (size and part.is_file() and not part.is_symlink() and part.stat().st_size == size):
            _download(dataset, (url,) if url else dataset.urls, part, limit, size, report)
        found = file_sha256(part)
        if expected in (None, found):
            return part, found
        part.unlink()
        if fresh:
            break
    raise UserError(f"{_wrong(url or dataset.urls[0], found, expected, url)}; the file was removed")


def _download(
    dataset: Dataset, urls, part: Path, limit: int, size: int | None, report: Report | None
) -> None:
    first = None
    for url in urls:
        try:
            return resume(url, part, limit, size, report)
        except Unavailable as error:
            first = first or error
    raise UserError(f"{first}; the publisher's page is {dataset.page}") from first


def _wrong(source: str | Path, found: str, expected: str | None, url: str | None) -> str:
    hint = "; --sha256 or --accept-unverified take another archive" if url else ""
    return f"{source}: wrong checksum, sha256 is {found} and not {expected}{hint}"


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Refuse to work where another process downloads or unpacks; the lock goes with the process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(f"{folder}: another `hw2 data get` is at work here") from error
        yield
    finally:
        os.close(handle)


@contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    """A folder to unpack into, beside the place; what killed calls have left is cleared first."""
    for left in home.glob(".unpack-*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=home, ignore_cleanup_errors=True) as temp:
        yield Path(temp)
