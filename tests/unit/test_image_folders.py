"""Which files of a folder are images, which are tools' leftovers, and which are named."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from faults import cases, fault
from PIL import Image

from hw2lib.data import load_mvtec
from hw2lib.data.images import filled, is_leftover
from hw2lib.data.unpaired import load_unpaired
from hw2lib.errors import UserError
from hw2lib.statistics import auroc_per_defect, intervals_per_defect

RAMP = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12) * 2


# A folder's pictures


@pytest.fixture
def unpaired(tmp_path) -> Path:
    for split in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / split).mkdir()
        for k in range(3):
            Image.fromarray(np.roll(RAMP, k)).save(tmp_path / split / f"{k}.png")
    return tmp_path


@fault(
    "folder",
    "Part of the pictures lies in sub-folders.",
    "Forty of 64 pictures are put into a folder below trainA and a folder below that.",
    "All are read, by their names below the split.",
)
def test_pictures_in_sub_folders_are_read(unpaired):
    for k in range(40):
        place = unpaired / "trainA" / ("day" if k % 2 else "day/night")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(RAMP, k)).save(place / f"{k}.png")
    data = load_unpaired(unpaired, 8)
    assert len(data.images["trainA"]) == len(data.files["trainA"]) == 43
    assert "day/night/0.png" in data.files["trainA"] and "0.png" in data.files["trainA"]


STRANGE = {
    "heic": (
        "A phone's picture in a format that cannot be read.",
        "A file a.heic beside the others.",
        "a.heic",
    ),
    "raw": ("A camera's raw picture.", "A file a.cr2 beside the others.", "a.cr2"),
    "jp2": ("A JPEG 2000 file.", "A file a.jp2 beside the others.", "a.jp2"),
    "no-suffix": ("A picture without a suffix.", "A file named a beside the others.", "a"),
    "unfinished": ("A download that is not finished.", "A file a.png.part beside the others.", "a.png.part"),
    "deep": ("A picture that cannot be read in a sub-folder.", "A file day/a.svg below trainA.", "day/a.svg"),
}


@pytest.mark.parametrize(
    "name", cases("folder", "The folder is refused in one line that names the file.", STRANGE)
)
def test_nothing_is_passed_over_without_a_word(unpaired, name):
    (unpaired / "trainA" / name).parent.mkdir(exist_ok=True)
    (unpaired / "trainA" / name).write_bytes(b"picture")
    with pytest.raises(UserError, match="convert it, or move it away") as caught:
        load_unpaired(unpaired, 8)
    assert str(unpaired / "trainA" / name) in str(caught.value) and "\n" not in str(caught.value)


@fault(
    "folder",
    "A link to a folder of pictures.",
    "A symbolic link to a folder lies beside the pictures.",
    "The link is refused by name, since it is not followed.",
)
def test_links_to_folders_are_named(unpaired, tmp_path_factory):
    (unpaired / "trainA" / "more").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(UserError, match="trainA/more: a link to a folder is not followed"):
        load_unpaired(unpaired, 8)


@fault(
    "folder",
    "A sub-folder that may not be listed.",
    "The operating system refuses to list a folder below trainA.",
    "The error is the system's own, with the folder's name; its pictures are not left out in silence.",
)
def test_a_folder_that_may_not_be_listed_is_named(unpaired, monkeypatch):
    (unpaired / "trainA" / "day").mkdir()
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("day"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match="trainA/day: Permission denied"):
        load_unpaired(unpaired, 8)


NAMES = {
    "escape": (
        "A file name that moves the cursor.",
        "A picture named with an escape sequence.",
        "a\x1b[2Jb.png",
    ),
    "newline": ("A file name of two lines.", "A picture named with a line break.", "a\nb.png"),
    "override": ("A name that reads backwards.", "A picture named with U+202E.", "a\u202egnp.png"),
    "bytes": ("A file name that is no text.", "A picture named with a byte that is no UTF-8.", "a\udcff.png"),
}


@pytest.mark.parametrize(
    "name", cases("folder", "It is refused, and the message shows the name with escapes.", NAMES)
)
def test_names_that_a_terminal_would_obey_are_refused(unpaired, name):
    try:
        Image.fromarray(RAMP).save(unpaired / "trainA" / "plain.png")
        os.rename(unpaired / "trainA" / "plain.png", os.fsencode(unpaired / "trainA" / name))
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.raises(UserError, match="cannot be shown; rename it") as caught:
        load_unpaired(unpaired, 8)
    assert name not in str(caught.value) and str(caught.value).isprintable()
    str(caught.value).encode()


LEFT = {
    "resource-fork": ("What macOS writes on foreign disks.", "._000.png beside each picture.", "._000.png"),
    "ds-store": ("What macOS's Finder leaves.", "A file .DS_Store.", ".DS_Store"),
    "thumbs": ("What Windows' Explorer leaves.", "A file Thumbs.db.", "Thumbs.db"),
    "desktop": ("What Windows' Explorer leaves for a folder.", "A file desktop.ini.", "desktop.ini"),
    "icon": ("What macOS writes for a folder's icon.", "A file Icon with a carriage return.", "Icon\r"),
    "backup": ("What editors leave.", "A file 000.png~.", "000.png~"),
    "jupyter": (
        "What Jupyter leaves.",
        "A copy of a picture in .ipynb_checkpoints.",
        ".ipynb_checkpoints/000-checkpoint.png",
    ),
    "macosx": ("What macOS puts into zip archives.", "A folder __MACOSX with pictures.", "__MACOSX/000.png"),
    "synology": ("What network storage leaves.", "A folder @eaDir with previews.", "@eaDir/000.png"),
    "trash": ("A waste-paper basket.", "A folder .Trash-1000 with pictures.", ".Trash-1000/000.png"),
}
PLACES = ("", "train", "train/good", "test", "test/good", "test/crack", "ground_truth", "ground_truth/crack")


@pytest.mark.parametrize("name", cases("folder", "It is skipped, wherever it lies.", LEFT))
def test_what_tools_leave_behind_is_skipped_everywhere(category, unpaired, name):
    before = load_mvtec(category, 8)
    for folder in [category / place for place in PLACES] + [unpaired / "trainA"]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\0\1")
    after = load_mvtec(category, 8)
    assert after.checksum == before.checksum and after.test_files == before.test_files
    assert len(load_unpaired(unpaired, 8).images["trainA"]) == 3


def test_a_folder_of_leftovers_is_not_filled(tmp_path):
    assert not filled(tmp_path / "absent")
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir(parents=True)
    for name in ("train/.ipynb_checkpoints/a.png", ".DS_Store", "train/Thumbs.db"):
        (tmp_path / name).touch()
    assert not filled(tmp_path)
    (tmp_path / "train" / "a.png").touch()
    assert filled(tmp_path)
    assert not is_leftover("a.png") and not is_leftover("thumbs.png")


@pytest.mark.parametrize("place", ["train/000.png", "test/000.png", "train/bad/000.png"])
@fault(
    "folder",
    "Pictures beside the folders of the layout.",
    "A picture lies in train/, in test/ or in train/bad/.",
    "The category is refused in one line that names it.",
)
def test_pictures_beside_the_folders_of_the_layout_are_named(category, place):
    (category / place).parent.mkdir(exist_ok=True)
    Image.fromarray(RAMP).save(category / place)
    with pytest.raises(UserError, match="would not be read; images belong into a folder") as caught:
        load_mvtec(category, 8)
    assert str(category / place).removesuffix("/000.png") in str(caught.value)


@pytest.mark.parametrize("name", ["all", "All", "Good", "GOOD"])
@fault(
    "folder",
    "A kind of defect with a reserved name.",
    "The folder of a defect is called all, All or Good.",
    "The category is refused in one line that names the folder.",
)
def test_reserved_names_of_defects_are_refused(category, name):
    for below in ("test", "ground_truth"):
        (category / below / "crack").rename(category / below / name)
    with pytest.raises(UserError, match=f"test/{name}: {name} cannot name a kind of defect"):
        load_mvtec(category, 8)


@fault(
    "folder",
    "A table of scores with a kind of defect called all.",
    "The AUROC per defect is taken of labels that contain the reserved name.",
    "It is refused, and the headline AUROC cannot be replaced.",
)
def test_no_table_replaces_the_headline():
    for measure in (auroc_per_defect, intervals_per_defect):
        with pytest.raises(UserError, match="all: cannot name a kind of defect"):
            measure(["good", "all", "crack"], [0.0, 1.0, 2.0])
