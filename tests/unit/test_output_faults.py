"""Nothing that a command finds is overwritten unless it is told to; all inputs are looked at first."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from faults import cases, fault
from PIL import Image
from prose import ROOT
from safetensors.torch import load_file, save_file
from untrained import CONFIGS

from hw2lib import memory
from hw2lib.jobs.trained import load_cyclegan
from hw2lib.runs.checkpoint import snapshot

KEPT = "One line names it, and it stays as it was; `--force` replaces it."


def refused(outcome, message: str) -> None:
    code, printed, error = outcome
    assert code == 2 and printed == "" and error.count("\n") == 1 and message in error, outcome


def pictures(folder: Path, *names: str) -> Path:
    for k, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 7, 3), 10 * k, np.uint8)).save(folder / name)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@fault(
    "output", "a picture of another content where a grid is to go", "`hw2 sample` twice into one file", KEPT
)
def test_samples_replace_nothing(hw2, untrained):
    assert hw2("sample", untrained / "maf")[0] == 0
    before = Path("samples.png").read_bytes()
    refused(hw2("sample", untrained / "maf", "--seed", 1), "samples.png: is already there; --force")
    assert Path("samples.png").read_bytes() == before
    assert hw2("sample", untrained / "maf", "--seed", 1, "--force")[0] == 0
    assert Path("samples.png").read_bytes() != before


@fault("output", "a table where scores are to go", "`hw2 score --out` names a file that is there", KEPT)
def test_scores_replace_nothing(hw2, untrained, category):
    Path("scores.csv").write_text("mine", "utf-8")
    refused(hw2("score", untrained / "vae", "--data", category), "scores.csv: is already there; --force")
    assert Path("scores.csv").read_text("utf-8") == "mine"
    assert hw2("score", untrained / "vae", "--data", category, "--force")[0] == 0
    assert Path("scores.csv").read_text("utf-8").startswith("defect,file,")


@fault("output", "a file that is named as a half-written one", "`samples.png.part` is somebody's", KEPT)
def test_the_name_of_a_part_is_nobody_elses(hw2, untrained):
    Path("samples.png.part").write_text("mine", "utf-8")
    refused(hw2("sample", untrained / "maf"), "samples.png.part: is already there")
    assert Path("samples.png.part").read_text("utf-8") == "mine"


@fault(
    "output",
    "an unrelated picture of the same name",
    "`hw2 translate RUN in/a.jpg --out in`, with `in/a.png`",
    KEPT,
)
def test_a_translation_replaces_no_picture(hw2, untrained):
    folder = pictures(Path("in"), "a.jpg", "a.png")
    before = contents(folder)
    refused(hw2("translate", untrained / "cyclegan", "in/a.jpg", "--out", "in"), "in/a.png: is already there")
    assert contents(folder) == before
    assert hw2("translate", untrained / "cyclegan", "in/a.jpg", "--out", "in", "--force")[0] == 0
    assert contents(folder).keys() == before.keys() and contents(folder)["a.png"] != before["a.png"]


@fault(
    "output",
    "an image that is to be translated would be replaced",
    "`--out` is the folder of the images, by another way too, with `--force`",
    "One line names it, and it stays as it was.",
)
def test_no_input_is_replaced_even_by_force(hw2, untrained):
    folder = pictures(Path("in"), "a.png", "b.png")
    Path("link").symlink_to("in", target_is_directory=True)
    before = contents(folder)
    for out in ("in", "link", "in/../in"):
        outcome = hw2("translate", untrained / "cyclegan", "in/b.png", "in/a.png", "--out", out, "--force")
        refused(outcome, "is one of the images")
    assert contents(folder) == before


@fault(
    "output",
    "the other direction into the default folder",
    "`--to A`, then `--to B`",
    "Each has its own folder.",
)
def test_each_direction_has_its_folder(hw2, untrained):
    pictures(Path("in"), "a.png")
    for to in "AB":
        assert hw2("translate", untrained / "cyclegan", "in", "--to", to)[0] == 0
    assert sorted(contents(Path("translated"))) == ["A/a.png", "B/a.png"]
    refused(hw2("translate", untrained / "cyclegan", "in", "--to", "B"), "a.png: is already there; --force")


def test_a_folder_is_translated_with_the_folders_below_it(hw2, untrained):
    pictures(Path("in"), "a.png", "sub/b.jpg", "._a.png")
    code, printed, _ = hw2("translate", untrained / "cyclegan", "in", "--out", "out")
    assert code == 0 and printed.splitlines() == ["out/a.png", "out/sub/b.png"]
    assert sorted(contents(Path("out"))) == ["a.png", "sub/b.png"]


BAD_INPUTS = {
    "missing": ("the last of three images is missing", "it is not there", lambda path: None),
    "text": ("the last of three images is a text", "words in `c.png`", lambda path: path.write_text("words")),
    "half": (
        "the last of three images is cut off",
        "its second half is missing",
        lambda path: path.write_bytes(Path("in/a.png").read_bytes()[:45]),
    ),
    "empty": ("the last of three images is empty", "an empty `c.png`", lambda path: path.touch()),
    "folder": ("the last of three images is an empty folder", "a folder `c.png`", lambda path: path.mkdir()),
}


@pytest.mark.parametrize(
    "spoil", cases("output", "One line names it; not even the first is translated.", BAD_INPUTS)
)
def test_all_inputs_are_read_before_the_first_output(hw2, untrained, spoil):
    pictures(Path("in"), "a.png", "b.png")
    spoil(Path("in/c.png"))
    images = ["in/a.png", "in/b.png", "in/c.png"]
    refused(hw2("translate", untrained / "cyclegan", *images, "--out", "out"), "in/c.png: ")
    assert not Path("out").exists()


SAME = {
    "suffix": ("two images that differ in their suffix", "`a.jpg` and `a.png`", ["a.jpg", "a.png"]),
    "capitals": ("two images that differ in capitals", "`A.jpg` and `a.png`", ["A.jpg", "a.png"]),
    "accent": ("two spellings of one accent", "é composed and decomposed", ["\u00e9.jpg", "e\u0301.png"]),
    "folders": ("one name in two folders", "`x/a.png` and `y/a.png`", ["x/a.png", "y/a.png"]),
    "twice": ("one image given twice", "`a.png` and `a.png`", ["a.png", "a.png"]),
}


@pytest.mark.parametrize("names", cases("output", "One line names them; nothing is written.", SAME))
def test_translations_never_share_a_name(hw2, untrained, names):
    folder = pictures(Path("in"), *names)
    outcome = hw2("translate", untrained / "cyclegan", *(folder / name for name in names), "--out", "out")
    refused(outcome, "another image has this name")
    assert not Path("out").exists()


PLACES = {
    "folder": ("a folder where a file is to go", "`--out` names a folder", lambda: Path("x.png").mkdir()),
    "pipe": ("a pipe where a file is to go", "`--out` names a FIFO", lambda: os.mkfifo("x.png")),
    "device": (
        "a device where a file is to go",
        "a link to `/dev/null`",
        lambda: os.symlink(os.devnull, "x.png"),
    ),
}


@pytest.mark.parametrize(
    "make", cases("output", "It is refused, also with `--force`, before any work.", PLACES)
)
def test_only_files_are_replaced(hw2, untrained, make, monkeypatch):
    make()
    monkeypatch.setattr("hw2lib.jobs.maf.sample_images", lambda *_: pytest.fail("was sampled"))
    refused(
        hw2("sample", untrained / "maf", "--out", "x.png", "--force"),
        "x.png: cannot be written: is not a plain",
    )


LONG = "n" * 300 + ".png"
NAMES = {
    "long": ("a name that is too long", "300 letters", LONG, "File name too long"),
    "no-folder": ("a folder that is not there", "`--out no/x.png`", "no/x.png", "no is no folder"),
    "below-file": (
        "a file in place of a folder",
        "`--out file/x.png`",
        "file/x.png",
        "ot a directory|is no folder",
    ),
}


@pytest.mark.parametrize(
    "name, reason", cases("output", "The reason is that of the system, before any work.", NAMES)
)
def test_the_system_s_reason_is_said(hw2, untrained, category, name, reason):
    Path("file").write_text("mine", "utf-8")
    for command in (["sample", untrained / "maf"], ["score", untrained / "vae", "--data", category]):
        code, _, error = hw2(*command, "--out", name)
        assert code == 2 and error.count("\n") == 1 and any(part in error for part in reason.split("|"))


@fault(
    "output",
    "networks that make values that are no numbers",
    "NaN in a kept epoch's weights",
    "One line; no black picture.",
)
def test_nothing_is_painted_black(hw2, untrained_copy):
    run = untrained_copy("cyclegan")
    weights = load_file(snapshot(run, 1))
    save_file({name: torch.full_like(value, torch.nan) for name, value in weights.items()}, snapshot(run, 1))
    pictures(Path("in"), "a.png")
    refused(hw2("translate", run, "in", "--out", "out"), str(run))
    assert contents(Path("out")) == {} or not Path("out").exists()


@fault(
    "setting",
    "a number of images that no machine holds",
    "`hw2 sample -n 100000000`",
    "What they would need is said.",
)
@pytest.mark.parametrize("kind", ["maf", "vae"])
def test_what_no_machine_holds_says_what_it_needs(hw2, untrained, kind, monkeypatch):
    monkeypatch.setattr(memory, "machine_bytes", lambda: 10**10)
    refused(hw2("sample", untrained / kind, "-n", 100_000_000), "-n 100000000: would need at least 192.0 GB")
    assert not Path("samples.png").exists()


SIZES = {
    "data": (
        "a synthetic set of images that no machine holds",
        "`hw2 data make --size 1000000`",
        ["data", "make", "capsules", "--out", "x", "--size", 10**6],
    ),
    "features": (
        "a benchmark of a dimension that no machine holds",
        "`hw2 bench sampling --features 10¹²`",
        ["bench", "sampling", "--features", 10**12],
    ),
    "hidden": (
        "a benchmark of layers that no machine holds",
        "`hw2 bench sampling --hidden 10⁹`",
        ["bench", "sampling", "--hidden", 10**9, "--hidden", 10**9],
    ),
    "cyclegan": (
        "a benchmark of images that no machine holds",
        "`hw2 bench cyclegan --size 4000000`",
        ["bench", "cyclegan", "--size", 4 * 10**6],
    ),
    "train": (
        "a training of images that no machine holds",
        "`hw2 train vae --set size=1048576`",
        ["train", "vae", "--set", "size=1048576"],
    ),
}


@pytest.mark.parametrize(
    "arguments", cases("setting", "What it would need is said before anything is made.", SIZES)
)
def test_every_size_is_held_against_the_memory(hw2, arguments, monkeypatch):
    monkeypatch.setattr(memory, "machine_bytes", lambda: 10**11)
    refused(hw2(*arguments), "would need at least ")
    assert list(Path().iterdir()) == []


@fault(
    "setting", "a temperature that is no number", "`--temperature nan` and `inf`", "It is refused by name."
)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e300"])
def test_the_temperature_is_a_number(hw2, untrained, value):
    refused(hw2("sample", untrained / "maf", f"--temperature={value}"), "--temperature")


def started(*arguments: str, tail: str = "", **environment: str) -> subprocess.CompletedProcess:
    program = f"{sys.executable} -c 'from hw2lib.cli import main; main()' {' '.join(arguments)} {tail}"
    clean = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(["bash", "-o", "pipefail", "-c", program], env=clean, capture_output=True, cwd=ROOT)


@fault(
    "terminal",
    "a reader that has seen enough",
    "`hw2 claims | head -n 1`",
    "The command ends without a word.",
)
def test_a_closed_pipe_is_no_error():
    done = started("claims", "--json", tail="| head -n 1")
    assert done.stderr == b"" and done.stdout == b"[\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@fault(
    "terminal",
    "output that cannot be written",
    "standard output is `/dev/full`",
    "One line gives the reason.",
)
def test_a_full_disk_behind_the_output_is_said():
    done = started("claims", "--json", tail="> /dev/full")
    assert (done.returncode, done.stderr.decode()) == (2, "hw2: output: No space left on device\n")


@fault(
    "terminal",
    "text that the encoding lacks",
    "`hw2 claims` and `--help` under cp1252, latin-1 and ASCII",
    "What is lacking is shown as escapes.",
)
@pytest.mark.slow  # nine starts of the command
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii"])
def test_every_encoding_will_do(encoding):
    for arguments in (("claims",), ("claims", "--json"), ("score", "--help")):
        done = started(*arguments, PYTHONIOENCODING=encoding)
        assert done.returncode == 0 and done.stderr == b"", done.stderr[-300:]
        done.stdout.decode("utf-8" if encoding == "ascii" else encoding)  # click takes ASCII for a mistake


@fault(
    "terminal",
    "file names that a terminal would obey",
    "a folder with an escape sequence in its name",
    "The name is shown with escapes.",
)
def test_names_reach_the_terminal_as_escapes(hw2, untrained):
    place = Path("a\x1b[31mb")
    place.mkdir()
    code, printed, _ = hw2("sample", untrained / "maf", "--out", place / "x.png")
    assert code == 0 and printed == "a\\x1b[31mb/x.png: 5 images\n"
    code, _, error = hw2("sample", place)
    assert code == 2 and "\x1b" not in error and "a\\x1b[31mb" in error


def test_a_run_that_is_whole_translates(untrained):
    assert load_cyclegan(untrained / "cyclegan")[1] == CONFIGS["cyclegan"]
