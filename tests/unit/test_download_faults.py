"""Servers that misbehave, interrupted work and what lies in the way: faults of `hw2 data get`."""

import errno
import fcntl
import os

import pytest
from faults import cases, fault
from test_download import FILES, NAME, complete, files_below, get, nothing_left, official, sha256
from test_download import server as server  # the fixture with the archive in it
from test_unpack import tar_of

from hw2lib.data import download, transfer
from hw2lib.data.download import fetch, find
from hw2lib.data.folders import atomic_directory
from hw2lib.errors import UserError


@fault(
    "download",
    "Stopped while a complete archive is hashed.",
    "Ctrl-C arrives in the hashing, with the size known and not known.",
    "The complete archive stays, and the next call asks for none of its bytes again.",
)
@pytest.mark.parametrize("known", [True, False])
def test_interrupted_while_hashing_keeps_the_complete_download(server, tmp_path, monkeypatch, known):
    def interrupted(path):
        raise KeyboardInterrupt

    dataset = official(server, monkeypatch) if known else find("mvtec-capsule")
    options = {} if known else {"url": server.url, "sha256": sha256(server.body)}
    with monkeypatch.context() as patch:
        patch.setattr(download, "file_sha256", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(dataset, tmp_path, **options)
    assert (tmp_path / f"{NAME}.part").read_bytes() == server.body
    assert fetch(dataset, tmp_path, **options).verified and complete(tmp_path)
    assert server.asked == ([None] if known else [None, f"bytes={len(server.body)}-"])


@fault(
    "download",
    "The disk fills while a verified archive is unpacked.",
    "Writing fails with ENOSPC in the unpacking.",
    "The error is the system's; the archive stays for the next call, and nothing half unpacked does.",
)
def test_a_full_disk_keeps_the_archive(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "000.png")

    with monkeypatch.context() as patch:
        patch.setattr(download, "unpack", full)
        with pytest.raises(UserError, match="000.png: No space left on device"):
            get(server, tmp_path)
    assert files_below(tmp_path) == {f"{NAME}.part"} and not list(tmp_path.rglob(".unpack*"))
    get(server, tmp_path)
    assert complete(tmp_path) and server.asked == [None, f"bytes={len(server.body)}-"]


@fault(
    "download",
    "What a killed call has left of its unpacking.",
    "A folder .unpack-x with half a data set lies beside the place.",
    "It is cleared, and nothing of it gets into the new data.",
)
def test_leftovers_of_killed_calls_are_cleared(server, tmp_path):
    (tmp_path / "mvtec/.unpack-x/capsule").mkdir(parents=True)
    (tmp_path / "mvtec/.unpack-x/capsule/half.png").touch()
    get(server, tmp_path)
    assert files_below(tmp_path / "mvtec") == {*FILES, "capsule.sha256"}
    assert not (tmp_path / "mvtec/.unpack-x").exists()


ADDRESSES = {
    "no-host": ("An address without a host.", "http:///x.tar.xz", "http:///x.tar.xz"),
    "bracket": ("An address with half a bracket.", "http://[::1/x.tar.xz", "http://[::1/x.tar.xz"),
    "port": ("A port that does not exist.", "http://127.0.0.1:99999/x", "http://127.0.0.1:99999/x"),
    "dots": ("A host of dots.", "http://../x.tar.xz", "http://../x.tar.xz"),
    "label": ("A host name of 300 letters.", "http:// and 300 letters", f"http://{'a' * 300}/x"),
    "space": ("A host with a blank.", "http://a b/x", "http://a b/x"),
    "scheme": ("Another protocol.", "ftp://127.0.0.1/x", "ftp://127.0.0.1/x"),
}


@pytest.mark.parametrize(
    "url", cases("download", "The address is named as what is wrong, in one line, not a checksum.", ADDRESSES)
)
def test_bad_addresses_are_called_so(server, tmp_path, url):
    with pytest.raises(UserError, match="is no address|expected http|cannot be reached") as caught:
        get(server, tmp_path, url=url)
    assert "checksum" not in str(caught.value) and "\n" not in str(caught.value)
    assert nothing_left(tmp_path)


ANSWERS = {
    "404": ("The archive is gone.", "The server answers 404.", {"status": 404}, "answers 404 Not Found"),
    "403": ("The archive is refused.", "The server answers 403.", {"status": 403}, "answers 403 Forbidden"),
    "500": ("The server fails.", "It answers 500.", {"status": 500}, "answers 500"),
    "204": ("An answer without a file.", "It answers 204.", {"status": 204}, "answers 204"),
    "escape": (
        "An answer that a terminal would obey.",
        "The reason of a 404 has an escape sequence and a carriage return.",
        {"status": 404, "reason": "\x1b[2J\x1b]0;owned\x07 Gone\x9b31m"},
        r"answers 404 \\x1b\[2J",
    ),
    "page": (
        "A web page in place of the archive.",
        "The server answers 200 with text/html.",
        {"body": b"<html>log in</html>", "headers": {"Content-Type": "text/html; charset=utf-8"}},
        "sends a web page, not the archive",
    ),
    "short": (
        "An archive that ends too early.",
        "The server says nothing of the length and closes after 1,000 bytes, each time.",
        {"silent": True, "cut": 1000, "ranges": False},
        "connection lost after 1,000 bytes",
    ),
    "long": (
        "A file without an end.",
        "The server sends more bytes than the archive has.",
        {"extra": 10},
        "larger than the [0-9,]+ bytes expected",
    ),
}


@pytest.mark.parametrize(
    "changes, message", cases("server", "It is said in one line, with the publisher's page.", ANSWERS)
)
def test_answers_that_are_no_archive(server, tmp_path, monkeypatch, changes, message):
    dataset = official(server, monkeypatch)
    for name, value in changes.items():
        setattr(server, name, value)
    server.body += bytes(changes.get("extra", 0))
    with pytest.raises(UserError, match=message) as caught:
        fetch(dataset, tmp_path)
    assert str(caught.value).isprintable()
    assert "extra" in changes or dataset.page in str(caught.value)
    assert files_below(tmp_path) <= {f"{NAME}.part"}


@fault(
    "server",
    "A server that goes on at another byte than it is asked for.",
    "Each answer breaks off after 100,000 bytes, and each continuation begins a byte too early.",
    "It is asked at most four times, and the fault is called the server's.",
)
def test_a_server_that_breaks_ranges_is_not_asked_for_ever(server, tmp_path):
    server.cut, server.shift = 100_000, -1
    with pytest.raises(UserError, match="goes on at another byte than it is asked for"):
        get(server, tmp_path)
    assert len(server.asked) <= 4


@fault(
    "server",
    "A server that has other bytes than those that are here already.",
    "A part with 1,000 wrong bytes lies there, and the server continues it.",
    "The archive is fetched anew, once, and verified.",
)
def test_a_part_with_wrong_bytes_is_fetched_anew(server, tmp_path):
    (tmp_path / f"{NAME}.part").write_bytes(bytes(1000))
    assert get(server, tmp_path).verified and complete(tmp_path)
    assert server.asked == ["bytes=1000-", None]


@fault(
    "download",
    "An unverified archive that failed, and then another address.",
    "A broken download from one address is left, and another archive is asked for with --accept-unverified.",
    "No byte of the first gets into the second.",
)
def test_an_unverified_archive_is_not_gone_on_with(server, tmp_path, monkeypatch):
    server.cut = 100_000
    with monkeypatch.context() as patch:
        patch.setattr(transfer, "TRIES", 1)
        with pytest.raises(UserError, match="connection lost"):
            get(server, tmp_path, sha256=None, accept_unverified=True)
    server.cut, server.body = None, tar_of(FILES)
    server.asked.clear()
    get(server, tmp_path, sha256=None, accept_unverified=True)
    assert complete(tmp_path) and server.asked == [None]


def occupied(path, kind: str, elsewhere) -> None:
    elsewhere.write_bytes(b"mine")
    if kind == "symbolic link":
        path.symlink_to(elsewhere)
    elif kind == "hard link":
        os.link(elsewhere, path)
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "folder", "pipe"])
@fault(
    "download",
    "Something else lies where the download is written.",
    "A symbolic link, a hard link, a folder or a pipe has the name of the part.",
    "It is refused in one line, and nothing is written through it.",
)
def test_nothing_is_written_through_links(server, tmp_path, kind):
    out = tmp_path / "data"
    out.mkdir()
    occupied(out / f"{NAME}.part", kind, tmp_path / "mine")
    with pytest.raises(UserError, match="is not a plain file of its own; remove it"):
        get(server, out)
    assert (tmp_path / "mine").read_bytes() == b"mine" and server.asked == []


def test_a_link_that_comes_in_between_is_not_followed(server, tmp_path, monkeypatch):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "part").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError) as caught:
        transfer._continue(server.url, tmp_path / "part", 10**9, None, None)
    assert caught.value.errno == errno.ELOOP and (tmp_path / "mine").read_bytes() == b"mine"


@fault(
    "download",
    "The place of the data holds nothing but what a file manager left.",
    "mvtec/capsule holds .DS_Store, and an empty folder train.",
    "It does not count as there: the data are fetched, and .DS_Store stays.",
)
def test_a_folder_of_leftovers_is_not_already_there(server, tmp_path):
    (tmp_path / "mvtec/capsule").mkdir(parents=True)
    (tmp_path / "mvtec/capsule/.DS_Store").touch()
    assert not get(server, tmp_path).skipped and complete(tmp_path)
    assert (tmp_path / "mvtec/capsule/.DS_Store").exists()


@fault(
    "download",
    "Two downloads into one folder at once.",
    "Another process holds the folder.",
    "The second is refused in one line before it asks for a byte.",
)
def test_two_downloads_into_one_folder(server, tmp_path):
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(UserError, match="another `hw2 data get` is at work here"):
            get(server, tmp_path)
        assert server.asked == []
    finally:
        os.close(handle)
    assert get(server, tmp_path).verified


@fault(
    "folder",
    "What a killed call has left of a generated set.",
    "A folder new.part with a stale picture, or a link to another folder, lies beside the place.",
    "Nothing of it gets into the new set, and nothing is written through the link.",
)
@pytest.mark.parametrize("link", [False, True])
def test_a_stale_part_does_not_mix_in(tmp_path, link):
    (tmp_path / "elsewhere").mkdir()
    if link:
        (tmp_path / "new.part").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "new.part").mkdir()
        (tmp_path / "new.part" / "stale").touch()
    with atomic_directory(tmp_path / "new") as part:
        (part / "fresh").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["fresh"]
    assert not list((tmp_path / "elsewhere").iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"new", "new.part", "elsewhere"}
