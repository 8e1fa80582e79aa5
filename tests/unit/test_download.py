"""hw2lib.data.download against a server on this machine, and hw2 data."""

import dataclasses
import hashlib
import http.server
import io
import os
import re
import tarfile
import threading
import zipfile
from types import SimpleNamespace

import pytest

from hw2lib.data import transfer
from hw2lib.data.download import DATASETS, fetch, find
from hw2lib.errors import UserError

IMAGE = os.urandom(300_000)
FILES = {"capsule/train/good/000.png": IMAGE, "capsule/license.txt": b"terms\n"}


def tar_of(files: dict[str, bytes], mode: str = "w:xz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o400
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def server(monkeypatch):
    """Serves ``body``; every answer breaks off after ``cut`` bytes; ``asked`` are the Range headers."""
    state = SimpleNamespace(body=tar_of(FILES), cut=None, ranges=True, status=None, asked=[])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            if state.status:
                return self.send_error(state.status)
            first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and state.ranges else 0
            size = len(state.body)
            if first >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
            self.send_header("Content-Length", str(size - first))
            self.end_headers()
            self.wfile.write(state.body[first:][: state.cut])

        def log_message(self, *_):
            pass

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(transfer, "RETRY_SECONDS", 0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        state.url = f"http://127.0.0.1:{httpd.server_port}/capsule.tar.xz"
        yield state
        httpd.shutdown()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def get(server, out, **options):
    options = {"url": server.url, "sha256": sha256(server.body)} | options
    return fetch(find("mvtec-capsule"), out, **options)


def nothing_left(folder) -> bool:
    return not [p for p in folder.rglob("*") if p.is_file() or p.name.startswith(".unpack")]


def test_download_verifies_unpacks_and_leaves_only_the_data(server, tmp_path):
    seen = []
    done = get(server, tmp_path, report=lambda here, total: seen.append((here, total)))
    assert done.folders == [tmp_path / "mvtec" / "capsule"]
    assert (done.skipped, done.verified, done.sha256) == (False, True, sha256(server.body))
    assert {p.relative_to(tmp_path / "mvtec").as_posix() for p in tmp_path.rglob("*") if p.is_file()} == set(
        FILES
    )
    image = tmp_path / "mvtec" / "capsule" / "train" / "good" / "000.png"
    assert image.read_bytes() == IMAGE
    assert image.stat().st_mode & 0o600 == 0o600  # not the archive's read-only mode
    assert seen[-1] == (len(server.body), len(server.body))


def test_already_there_is_skipped_without_asking(server, tmp_path):
    get(server, tmp_path)
    server.asked.clear()
    assert get(server, tmp_path).skipped
    assert server.asked == []


def test_cut_connections_are_taken_up_in_one_call(server, tmp_path):
    server.cut = 131_072
    get(server, tmp_path)
    assert server.asked == [None, "bytes=131072-", "bytes=262144-"]
    assert (tmp_path / "mvtec/capsule/train/good/000.png").read_bytes() == IMAGE


def test_next_call_resumes_from_the_part(server, tmp_path):
    server.cut = 131_072
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "TRIES", 1)
        with pytest.raises(UserError, match="connection lost after 131,072 bytes"):
            get(server, tmp_path)
    assert (tmp_path / "capsule.tar.xz.part").stat().st_size == 131_072
    server.cut = None
    get(server, tmp_path)
    assert server.asked == [None, "bytes=131072-"]
    assert not (tmp_path / "capsule.tar.xz.part").exists()


def test_server_without_ranges_sends_everything_anew(server, tmp_path):
    server.ranges = False
    (tmp_path / "capsule.tar.xz.part").write_bytes(b"something else")
    get(server, tmp_path)
    assert (tmp_path / "mvtec/capsule/train/good/000.png").read_bytes() == IMAGE


@pytest.mark.parametrize("surplus", [0, 10])
def test_part_as_long_as_the_archive_or_longer(server, tmp_path, surplus):
    (tmp_path / "capsule.tar.xz.part").write_bytes(server.body + bytes(surplus))
    get(server, tmp_path)
    assert len(server.asked) == (2 if surplus else 1)


def test_wrong_checksum_removes_the_file(server, tmp_path):
    with pytest.raises(UserError, match="wrong checksum.*the file was removed") as caught:
        get(server, tmp_path, sha256="0" * 64)
    assert "\n" not in str(caught.value)
    assert nothing_left(tmp_path)


def test_unknown_checksum_needs_a_word(server, tmp_path):
    with pytest.raises(UserError, match="give --sha256 or --accept-unverified"):
        get(server, tmp_path, sha256=None)
    assert server.asked == []
    done = get(server, tmp_path, sha256=None, accept_unverified=True)
    assert (done.verified, done.sha256) == (False, sha256(server.body))


def test_server_error_and_no_network(server, tmp_path):
    server.status = 404
    with pytest.raises(UserError, match="answers 404 Not Found"):
        get(server, tmp_path)
    with pytest.raises(UserError, match="cannot be reached") as caught:
        get(server, tmp_path, url="http://127.0.0.1:1/capsule.tar.xz")
    assert "\n" not in str(caught.value)
    assert nothing_left(tmp_path)


def test_larger_than_expected(server, tmp_path):
    small = dataclasses.replace(find("mvtec-capsule"), max_bytes=1000)
    with pytest.raises(UserError, match="larger than the 1,000 bytes expected"):
        fetch(small, tmp_path, server.url, accept_unverified=True)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("bad", ["damaged", "refused"])
def test_bad_archive_leaves_nothing(server, tmp_path, bad):
    server.body = server.body[:200_000] if bad == "damaged" else tar_of(FILES | {"../escaped": b"x"})
    with pytest.raises(UserError, match=f"{bad}.*the file was removed") as caught:
        get(server, tmp_path / "below" / "data")
    assert "\n" not in str(caught.value)
    assert nothing_left(tmp_path)


def test_archive_on_this_disk_is_used_and_kept(tmp_path):
    archive = tmp_path / "mine.zip"
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
        assert dataset.url.startswith("https://") and dataset.url.endswith(f"/{dataset.archive}")
        assert dataset.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", dataset.sha256)
        assert dataset.licence and "\n" not in dataset.licence
    with pytest.raises(UserError, match="no such data set; expected mvtec-capsule"):
        find("mnist")


def test_command(server, tmp_path):
    from typer.testing import CliRunner

    from hw2lib.cli.data import app

    run = CliRunner().invoke
    listed = run(app, ["list"]).output
    assert all(name in listed for name in (*DATASETS, "capsules", "CC BY-NC-SA 4.0"))
    options = ["--out", str(tmp_path), "--url", server.url]
    got = run(app, ["get", "mvtec-capsule", *options, "--accept-unverified"])
    assert got.exit_code == 0, got.output
    assert f"not verified; its sha256 was {sha256(server.body)}" in got.output
    assert "already there" in run(app, ["get", "mvtec-capsule", *options]).output
    made = run(app, ["make", "capsules", "--out", str(tmp_path / "made"), "--size", "16"])
    assert made.exit_code == 0 and (tmp_path / "made" / "train" / "good").is_dir()
    for wrong in (["get", "mnist"], ["make", "mnist", "--out", str(tmp_path / "x")]):
        assert isinstance(run(app, wrong).exception, UserError)
