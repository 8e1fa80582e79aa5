"""Folders that are whole or not there."""

import pytest

from hw2lib.data.folders import atomic_directory
from hw2lib.errors import UserError


def test_an_empty_folder_is_filled_where_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    with atomic_directory(".") as part:
        (part / "images").mkdir()
        (part / "images" / "0.png").write_text("picture")
    assert (tmp_path / "images" / "0.png").read_text() == "picture"
    assert tmp_path.stat().st_ino == before and not part.exists()


def test_a_new_folder_is_there_when_all_is_written(tmp_path):
    out = tmp_path / "deep" / "new"
    with atomic_directory(out) as part:
        (part / "a").write_text("one")
        assert not out.exists()
    assert [path.name for path in out.iterdir()] == ["a"]


def test_what_fails_half_way_leaves_nothing_at_the_place(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_directory(tmp_path / "new") as part:
        (part / "a").write_text(str(1 / 0))
    assert not (tmp_path / "new").exists()


def test_what_is_in_the_way_is_named(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for place, message in (
        ("full", "already there"),
        ("file", "already there"),
        ("file/new", "cannot be written"),
    ):
        with pytest.raises(UserError, match=f"{place}: {message}"), atomic_directory(tmp_path / place):
            pass
