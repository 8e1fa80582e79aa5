"""hw2lib.data.download against a server on this machine, and hw2 data."""

import hashlib
import os
import re
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from faults import cases, fault
from test_unpack import tar_of
from typer.testing import CliRunner

from hw2lib.cli.data import app
from hw2lib.data import checksums, download, transfer
from hw2lib.data.download import DATASETS, fetch, find
from hw2lib.errors import UserError

IMAGE = os.urandom(300_000)
FILES = {"capsule/train/good/000.png": IMAGE, "capsule/license.txt": b"terms\n"}
OTHERS = {"bottle/train/good/000.png": b"bottle", "license.txt": b"terms"}
NAME = "mvtec_anomaly_detection.tar.xz"


@pytest.fixture
def server(server):
    server.body = tar_of(OTHERS | FILES)
    return server


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def get(server, out, **options):
    options = {"url": server.url, "sha256": sha256(server.body)} | options
    return fetch(find("mvtec-capsule"), out, **options)


def files_below(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def nothing_left(folder) -> bool:
    return not files_below(folder) and not [p for p in folder.rglob(".unpack*")]


def complete(out: Path) -> bool:
    image = out / "mvtec/capsule/train/good/000.png"
    return image.is_file() and image.read_bytes() == IMAGE and not list(out.glob("*.part"))


def official(server, monkeypatch, **changes):
    """The data set as it would be if the server's archive were the official one."""
    dataset = replace(find("mvtec-capsule"), urls=(server.url,), sha256=sha256(server.body))
    return replace(dataset, size=len(server.body), **changes)


def test_one_category_is_verified_and_taken_out_of_the_full_archive(server, tmp_path):
    seen = []
    done = get(server, tmp_path, report=lambda here, total: seen.append((here, total)))
    assert done.folders == [tmp_path / "mvtec" / "capsule"]
    assert (done.skipped, done.verified, done.sha256) == (False, True, sha256(server.body))
    assert files_below(tmp_path / "mvtec") == {*FILES, "capsule.sha256"}
    image = tmp_path / "mvtec" / "capsule" / "train" / "good" / "000.png"
    assert image.read_bytes() == IMAGE
    assert image.stat().st_mode & 0o600 == 0o600  # not the archive's read-only mode
    assert seen[-1] == (len(server.body), len(server.body))


def test_the_files_checksums_are_those_of_sha256sum(server, tmp_path):
    get(server, tmp_path)
    listing = tmp_path / "mvtec" / "capsule.sha256"
    assert f"{sha256(IMAGE)}  train/good/000.png" in listing.read_text().splitlines()
    try:
        subprocess.run(["sha256sum", "-c", listing], cwd=tmp_path / "mvtec/capsule", check=True)
    except FileNotFoundError:
        pytest.skip("no sha256sum here")


def test_already_there_is_checked_without_asking(server, tmp_path):
    get(server, tmp_path)
    server.asked.clear()
    done = get(server, tmp_path)
    assert done.skipped and done.verified and server.asked == []


CHANGES = {
    "changed": ("A file that has changed since it was fetched.", "A byte of an image is changed.", b"other"),
    "missing": ("A file that is gone since it was fetched.", "An image is removed.", None),
}


@pytest.mark.parametrize(
    "content",
    cases("data", "The next `hw2 data get` names the file, and says that it is not verified.", CHANGES),
)
def test_what_changed_since_is_named(server, tmp_path, content, request):
    get(server, tmp_path)
    image = tmp_path / "mvtec/capsule/train/good/000.png"
    image.write_bytes(content) if content else image.unlink()
    with pytest.raises(
        UserError, match=f"000.png: {'changed' if content else 'missing'} since it was fetched"
    ):
        get(server, tmp_path)


def test_cut_connections_are_taken_up_in_one_call(server, tmp_path):
    server.cut = 131_072
    get(server, tmp_path)
    assert server.asked == [None, "bytes=131072-", "bytes=262144-"]
    assert complete(tmp_path)


def test_next_call_resumes_from_the_part(server, tmp_path):
    server.cut = 131_072
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "TRIES", 1)
        with pytest.raises(UserError, match="connection lost after 131,072 bytes"):
            get(server, tmp_path)
    assert (tmp_path / f"{NAME}.part").stat().st_size == 131_072
    server.cut = None
    get(server, tmp_path)
    assert server.asked == [None, "bytes=131072-"] and complete(tmp_path)


def test_server_without_ranges_sends_everything_anew(server, tmp_path):
    server.ranges = False
    (tmp_path / f"{NAME}.part").write_bytes(b"something else")
    get(server, tmp_path)
    assert complete(tmp_path)


@pytest.mark.parametrize("surplus", [0, 10])
def test_part_as_long_as_the_archive_or_longer(server, tmp_path, surplus):
    (tmp_path / f"{NAME}.part").write_bytes(server.body + bytes(surplus))
    get(server, tmp_path)
    assert len(server.asked) == (2 if surplus else 1) and complete(tmp_path)


def test_a_complete_part_or_archive_of_the_official_kind_needs_no_network(server, tmp_path, monkeypatch):
    dataset = official(server, monkeypatch)
    (tmp_path / f"{NAME}.part").write_bytes(server.body)
    assert fetch(dataset, tmp_path).verified and complete(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / NAME).write_bytes(server.body)
    assert fetch(dataset, tmp_path / "other").verified and (tmp_path / "other" / NAME).exists()
    assert server.asked == []


def test_a_mirror_is_asked_where_the_first_address_is_gone(server, tmp_path, monkeypatch):
    dataset = official(server, monkeypatch)
    gone = replace(dataset, urls=("http://127.0.0.1:1/gone.tar.xz", server.url))
    assert fetch(gone, tmp_path).verified and complete(tmp_path)


def test_wrong_checksum_removes_the_file(server, tmp_path):
    for options in ({"sha256": "0" * 64}, {"sha256": None}):
        with pytest.raises(UserError, match="wrong checksum.*the file was removed") as caught:
            get(server, tmp_path, **options)
        assert "\n" not in str(caught.value)
        assert nothing_left(tmp_path)


def test_another_archive_needs_a_word(server, tmp_path):
    with pytest.raises(UserError, match="--sha256 or --accept-unverified take another archive"):
        get(server, tmp_path, sha256=None)
    done = get(server, tmp_path, sha256=None, accept_unverified=True)
    assert (done.verified, done.sha256) == (False, sha256(server.body))
    assert files_below(tmp_path / "mvtec") == set(FILES)
    assert not get(server, tmp_path).verified


def test_known_copies_are_verified_by_their_files(server, tmp_path, monkeypatch):
    (tmp_path / "mine.tar").write_bytes(tar_of(OTHERS | FILES, "w"))
    listing = tmp_path / "copies" / "small.sha256"
    listing.parent.mkdir()
    listing.write_text(f"{sha256(IMAGE)}  train/good/000.png\n")
    monkeypatch.setattr(checksums, "files", lambda package: tmp_path)
    dataset = replace(find("mvtec-capsule"), copies=("small",))
    assert fetch(dataset, tmp_path / "data", str(tmp_path / "mine.tar")).verified
    (tmp_path / "data/mvtec/capsule.sha256").unlink()
    assert fetch(dataset, tmp_path / "data").verified  # by the copy's list again
    listing.write_text(f"{sha256(b'other')}  train/good/000.png\n")
    assert not fetch(dataset, tmp_path / "data").verified
    with pytest.raises(UserError, match="mine.tar: wrong checksum"):
        fetch(dataset, tmp_path / "other", str(tmp_path / "mine.tar"))
    assert not files_below(tmp_path / "other")


@fault(
    "archive",
    "An archive that brings a list of checksums for itself.",
    "A tar with a wrong image and a capsule.sha256 that fits it, taken with --accept-unverified.",
    "The list is left out, and the data count as not verified.",
)
def test_an_archive_does_not_vouch_for_itself(server, tmp_path):
    listing = f"{sha256(b'other')}  train/good/000.png\n".encode()
    server.body = tar_of({"capsule/train/good/000.png": b"other", "capsule.sha256": listing})
    assert not get(server, tmp_path, sha256=None, accept_unverified=True).verified
    assert not get(server, tmp_path).verified


@pytest.mark.parametrize("size", [128, 256])
def test_lists_of_the_known_copies_are_whole(size):
    """219 training images, 132 test images, 109 masks, as the official set has them."""
    text = (Path(checksums.__file__).parent / "copies" / f"capsule-{size}.sha256").read_text()
    listed = checksums._parsed(text)
    counts = {
        part: sum(name.startswith(part) for name in listed) for part in ("train", "test", "ground_truth")
    }
    assert counts == {"train": 219, "test": 132, "ground_truth": 109} and len(listed) == 460
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in listed.values())


@pytest.mark.parametrize("bad", ["damaged", "refused"])
def test_bad_archive_leaves_nothing(server, tmp_path, bad):
    server.body = server.body[:200_000] if bad == "damaged" else tar_of(FILES | {"../escaped": b"x"})
    with pytest.raises(UserError, match=f"{bad}.*the file was removed") as caught:
        get(server, tmp_path / "below" / "data")
    assert "\n" not in str(caught.value)
    assert nothing_left(tmp_path)


def test_archive_on_this_disk_is_used_and_kept(tmp_path):
    archive = tmp_path / "mine.part"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("apple2orange/trainA/a.jpg", b"x")
    with pytest.raises(UserError, match="wrong checksum"):
        fetch(find("apple2orange"), tmp_path / "data", str(archive))
    done = fetch(find("apple2orange"), tmp_path / "data", archive.as_uri(), sha256(archive.read_bytes()))
    assert (done.folders[0] / "trainA" / "a.jpg").read_bytes() == b"x"
    assert archive.exists()
    with pytest.raises(UserError, match="no such file"):
        fetch(find("apple2orange"), tmp_path / "other", str(tmp_path / "none.zip"))


def test_registry_is_well_formed():
    for dataset in DATASETS.values():
        assert all(url.startswith("https://") and url.endswith(f"/{dataset.archive}") for url in dataset.urls)
        assert re.fullmatch(r"[0-9a-f]{64}", dataset.sha256) and dataset.size > 1e7
        assert dataset.page.startswith("https://") and "\n" not in dataset.licence
        assert "shares/38536" not in " ".join(dataset.urls)  # gone since November 2025
    with pytest.raises(UserError, match="no such data set; expected mvtec-capsule"):
        find("mnist")


def test_command(server, tmp_path):
    run = CliRunner().invoke
    listed = run(app, ["list"]).output
    assert all(name in listed for name in (*DATASETS, "capsules", "CC BY-NC-SA 4.0", "5265 MB"))
    assert listed.count("verified: the archive's sha256 is known") == len(DATASETS)
    assert all(dataset.page in listed for dataset in DATASETS.values())
    options = ["--out", str(tmp_path), "--url", server.url]
    got = run(app, ["get", "mvtec-capsule", *options, "--accept-unverified"])
    assert got.exit_code == 0, got.output
    assert "ready, not verified" in got.output and f"its sha256 was {sha256(server.body)}" in got.output
    assert "already there, not verified" in run(app, ["get", "mvtec-capsule", *options]).output
    made = run(app, ["make", "capsules", "--out", str(tmp_path / "made"), "--size", "16"])
    assert made.exit_code == 0 and (tmp_path / "made" / "train" / "good").is_dir()
    for wrong in (["get", "mnist"], ["make", "mnist", "--out", str(tmp_path / "x")]):
        assert isinstance(run(app, wrong).exception, UserError)


def test_a_failed_download_names_the_publishers_page(server, tmp_path):
    server.status = 404
    for url in (server.url, "http://127.0.0.1:1/x"):
        with pytest.raises(UserError, match="the publisher's page is https://www.mvtec.com/") as caught:
            get(server, tmp_path, url=url)
        assert "\n" not in str(caught.value)
    assert nothing_left(tmp_path)
    assert download.DATASETS["mvtec-capsule"].sha256 == download.DATASETS["mvtec"].sha256
