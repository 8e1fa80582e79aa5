"""What is changed in a record is found: by the manifest, and mostly by its other files as well."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from faults import cases, fault

from hw2lib.errors import UserError
from hw2lib.jobs.verify import verify
from hw2lib.runs.manifest import MANIFEST, checksums, read_manifest, write_manifest
from hw2lib.runs.paths import MARKED, paper_root

FLOW, VAE, LOCAL = "maf-capsule/seed-0", "vae-capsule/seed-0", "local-capsule-256/seed-0"
GAN, APART = "cyclegan-summer2winter", f"{MARKED}/cyclegan-apple2orange"
POOL, RESIZE = (f"cyclegan-apple2orange-small-{part}" for part in ("pool-0", "resize"))
LIKELIHOOD, PIXELS, TOY = "likelihood-capsule/seed-0", "pixels-capsule/seed-0", "toy-moves/seed-1"
ALONE = "only the manifest"  # the files of the record say it once
Change = Callable[[Path], object]


def cell(name: str, column: str, change: Callable, where: str = "index == 7") -> Change:
    """One cell of a table."""

    def edit(folder: Path) -> None:
        table = pd.read_csv(folder / name)
        row = table.query(where).index[0]
        before = table.loc[row, column]
        table[column] = table[column].astype(object)
        table.loc[row, column] = change(before)
        assert table.loc[row, column] != before
        table.to_csv(folder / name, index=False)

    return edit


def value(*path: str | int, to: Callable, file: str = "metrics.json") -> Change:
    """One number in metrics.json, or one setting in config.json."""

    def edit(folder: Path) -> None:
        metrics = json.loads((folder / file).read_text("utf-8"))
        inner = metrics
        for key in path[:-1]:
            inner = inner[key]
        before, inner[path[-1]] = inner[path[-1]], to(inner[path[-1]])
        assert inner[path[-1]] != before
        (folder / file).write_text(json.dumps(metrics, indent=2), "utf-8")

    return edit


def setting(*path: str, to: Callable) -> Change:
    return value(*path, to=to, file="config.json")


def swap(one: str, other: str) -> Change:
    """Two files change places; paths below the record."""

    def edit(folder: Path) -> None:
        a, b = (folder / one).read_bytes(), (folder / other).read_bytes()
        assert a != b
        (folder / one).write_bytes(b), (folder / other).write_bytes(a)

    return edit


def ratio(folder: Path) -> None:
    text = (folder / "gpu.json").read_text("utf-8")
    assert "0.1411" in text
    (folder / "gpu.json").write_text(text.replace("0.1411", "0.0911"), "utf-8")


def times(factor: float) -> Callable:
    return lambda before: float(f"{before * factor:.7g}")


PAIR = 1 / (23 * 23)  # the area of one pair of images
EMA = "weights == 'ema' and epoch == 10"
TABLE: dict[str, tuple] = {
    "bpd": ("bits per dimension of one image", "a cell of scores.csv", FLOW,
            cell("scores.csv", "bpd", times(1.001)), "bpd from nll"),
    "nll": ("an NLL times 1.0001", "a cell of scores.csv", FLOW,
            cell("scores.csv", "nll", times(1.0001)), "bpd from nll"),
    "nelbo": ("bits per dimension of one image of the VAE", "a cell of scores.csv", VAE,
              cell("scores.csv", "bpd", times(1.001)), "bpd from nelbo"),
    "area": ("a row of auroc.csv", "an area of one epoch is raised by 0.01", FLOW,
             cell("auroc.csv", "auroc", lambda a: a + 0.01, f"{EMA} and defect == 'poke'"), "of images"),
    "pair": ("a row of auroc.csv, by a pair of images", "an area of one epoch is raised by one pair", FLOW,
             cell("auroc.csv", "auroc", lambda a: round(a + PAIR, 7), f"{EMA} and defect == 'crack'"),
             "all from the kinds"),
    "all": ("the area of all defects in auroc.csv", "it is raised by 0.01 in one epoch", FLOW,
            cell("auroc.csv", "auroc", lambda a: a + 0.01, f"{EMA} and defect == 'all'"), "from the kinds"),
    "val_bpd": ("val_bpd in losses.csv", "a cell of losses.csv", FLOW,
                cell("losses.csv", "val_bpd", times(0.99)), "val_bpd from val_nll"),
    "seconds": ("the seconds that a training took", "a number of metrics.json", FLOW,
                value("train_seconds", to=lambda s: s / 2), "train_seconds"),
    "sheets": ("swapped sample sheets", "samples.png of two seeds change places", FLOW,
               swap("samples.png", "../seed-1/samples.png"), "variance between the samples"),
    "vae-sheets": ("swapped sample sheets of the VAE", "samples.png of two seeds change places", VAE,
                   swap("samples.png", "../seed-1/samples.png"), ALONE),
    "seeds": ("losses swapped between seeds", "losses.csv of two seeds change places", FLOW,
              swap("losses.csv", "../seed-1/losses.csv"), "train_bpd"),
    "vae-seeds": ("losses of the VAE swapped between seeds", "losses.csv of two seeds change places", VAE,
                  swap("losses.csv", "../seed-1/losses.csv"), "train_bpd"),
    "loss": ("one loss of a CycleGAN", "a cell of losses.csv", GAN,
             cell("losses.csv", "cycle_A", times(1.01)), ALONE),
    "step": ("a row of a CycleGAN's losses is left out", "a step is written over", GAN,
             cell("losses.csv", "step", lambda s: s + 10), "steps of the losses"),
    "ssim": ("a translation's SSIM", "a cell of translations.csv", GAN,
             cell("translations.csv", "ssim", times(1.01)), ALONE),
    "green": ("the green of one photograph", "a cell of translations.csv", GAN,
              cell("translations.csv", "green", lambda g: g + 0.05), "green before"),
    "taken": ("whether a translation is taken for the target", "a cell of translations.csv", GAN,
              cell("translations.csv", "taken", lambda t: 1 - t), "success_A"),
    "epochs": ("swapped sheets of two epochs", "epoch-10.png and epoch-20.png change places", GAN,
               swap("epoch-10.png", "epoch-20.png"), ALONE),
    "colours": ("the share of a colour", "a number of metrics.json", GAN,
                value("colours", 0, "share", to=lambda s: s + 0.02), "add up"),
    "hidden": ("an error under disturbance", "a number of metrics.json", GAN,
               value("steganography", 3, "error", to=times(1.1)), "no larger than the sum"),
    "noise": ("the size of a disturbance by noise", "a number of metrics.json", GAN,
              value("steganography", 2, "size", to=times(1.05)), "noise, concave"),
    "noise-up": ("the size of a disturbance by noise of half a level", "a number of metrics.json, raised",
                 GAN, value("steganography", 1, "size", to=times(1.05)), "noise of 0.5, over its level"),
    "noise-down": ("the size of a disturbance by much noise", "a number of metrics.json, halved", GAN,
                   value("steganography", 6, "size", to=times(0.5)), "noise of 16.0, over its level"),
    "rounding": ("the size of a disturbance by rounding", "a number of metrics.json", GAN,
                 value("steganography", 7, "size", to=times(1.1)), "over a quarter of a level"),
    "octave": ("the size of a disturbance by noise of an octave", "a number of metrics.json", POOL,
               value("steganography", 13, "size", to=times(1.05)), "octave 1.0, over white noise"),
    "photographs": ("the grid of the photographs", "a number of metrics.json", POOL,
                    value("outputs", "photographs", "A", "grid_2", "value", to=times(1.001)),
                    f"{POOL}: photographs.A.grid_2.value, as in {RESIZE}"),
    "grid-interval": ("an interval of the photographs' grid", "a number of metrics.json", POOL,
                      value("outputs", "photographs", "B", "grid_4", "low", to=times(1.001)),
                      "photographs.B.grid_4.low, as in"),
    "skins": ("the textures of the photographs", "a number of metrics.json", POOL,
              value("outputs", "skins", "told", to=times(1.001)), "skins.told, as in"),
    "reference": ("the colour distance of the photographs", "a number of metrics.json", POOL,
                  value("translation", "reference", "real", "colour_A", to=times(1.001)), "colour_A, as in"),
    "setting": ("a setting", "a value of config.json", FLOW,
                setting("learning_rate", to=times(2)), f"{FLOW}: settings of the job"),
    "older-setting": ("a setting that older records lack", "a value of config.json",
                      "maf-capsule-undequantized/seed-0",
                      setting("dequantize", to=lambda on: not on), "settings of the job"),
    "inner-setting": ("a setting of one of several models", "a value of config.json", PIXELS,
                      setting("flow", "transforms", to=lambda n: n + 1), "settings of the job"),
    "steps": ("the steps of a toy training", "a value of config.json", TOY,
              setting("steps", to=lambda n: n * 2), "settings of the job"),
    "graphs": ("how a run on a GPU was sped up", "a value of config.json", GAN,
               setting("cuda_graphs", to=lambda on: not on), "settings of the job"),
    "alone": ("the seed of a record without a folder of seeds", "a value of config.json", "photographs-grid",
              setting("seed", to=lambda n: n + 1), "seed of the folder"),
    "p-value": ("a p-value of an AUROC", "it is raised by 0.0009", LIKELIHOOD,
                value("scores", "typicality", "against_plain", "p_value", to=lambda p: p + 9e-4),
                "typicality, against_plain.p_value"),
    "auroc": ("an AUROC, by less than a pair of images", "it is raised by 0.00009", LIKELIHOOD,
              value("scores", "ratio", "auroc", "value", to=lambda a: a + 9e-5), "ratio, auroc.value"),
    "vae-auroc": ("an AUROC of the VAE", "it is raised by 0.00009", VAE,
                  value("error", "auroc", "all", "value", to=lambda a: a + 9e-5), "AUROC, error, all, value"),
    "per-step": ("the seconds of a step", "a number of metrics.json", GAN,
                 value("seconds_per_step", to=times(0.9)), "seconds_per_step"),
    "ratio": ("the GPU benchmark's ratio", "a number of gpu.json", "bench-cyclegan", ratio, "ratio to plain"),
    "pixels": ("a pixel AUROC of a baseline", "a number of metrics.json", "baselines-capsule/seed-0",
               value("pca_residual", "pixel_auroc", "raw", to=times(1.01)), "pixel AUROC, pca_residual"),
    "null": ("the variance of the null", "a number of metrics.json", "samples-capsule/seed-0",
             value("null", "total", to=times(1.1)), "variance between the null"),
    "data": ("the variance of the data", "a number of metrics.json", "samples-capsule/seed-0",
             value("data", "along", to=times(1.1)), "variance between the data"),
    "score": ("a score of the local detector", "a cell of scores.csv", LOCAL,
              cell("scores.csv", "score", lambda s: s + 100), "AUROC, neighbours"),
    "p": ("a p-value of the local detector", "a cell of scores.csv", LOCAL,
          cell("scores.csv", "p_value", lambda p: 0.99, "method == 'maf' and defect == 'poke'"), "p-values"),
    "called": ("how many images are called defective", "a number of metrics.json", LOCAL,
               value("maf", "decisions", 0, "kinds", "poke", "called", to=lambda n: n + 1), "decisions, maf"),
    "f1": ("an F1 of the local detector", "a number of metrics.json", LOCAL,
           value("neighbours", "detection", "f1_max", "value", to=times(1.01)), "f1_max, neighbours"),
}  # fmt: skip
FOUND = "`hw2 verify` names the record; where the manifest was made anew, by what its files say twice."
# What is copied with a record of a job: one more seed, and what its numbers are held against.
BESIDE = {
    "maf-capsule": ["maf-capsule/seed-1", "samples-capsule/seed-0"],
    "vae-capsule": ["vae-capsule/seed-1"],
    "samples-capsule": ["samples-capsule/seed-1", FLOW],
    "baselines-capsule": ["pixels-capsule/seed-0"],
    POOL: [RESIZE],
}


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    """A function that copies a record, and what it is held against, with the manifest's lines of them."""

    def of(record: str) -> Path:
        for name in (record, *BESIDE.get(record.partition("/")[0], ())):
            shutil.copytree(paper_root() / name, tmp_path / name)
        write_manifest(tmp_path)
        committed = read_manifest(paper_root())
        assert all(committed[name] == digest for name, digest in read_manifest(tmp_path).items())
        return tmp_path

    return of


def failures(root: Path) -> list[str]:
    return [f"{check.record}: {check.what}" for check in verify(root=root) if not check.holds]


@pytest.mark.parametrize("record, change, found", cases("record", FOUND, TABLE))
def test_what_was_changed_in_a_record_is_found(copy, record, change, found):
    root = copy(record)
    listed = read_manifest(root)
    change(root / record)
    changed = {name for name, digest in checksums(root).items() if listed[name] != digest}
    assert changed and all(name.startswith(record.partition("/")[0]) for name in changed)
    by_manifest = failures(root)
    assert {f"{name.rpartition('/')[0]}: {name.rpartition('/')[2]}" for name in changed} <= {*by_manifest}
    again = [line for line in by_manifest if line.replace(": ", "/") not in changed]  # under a new manifest
    assert again == [] if found == ALONE else any(found in line for line in again), again


@fault(
    "record",
    "records of two jobs that are swapped",
    "the folders of two jobs change places, and the manifest is made anew",
    "Both are red: their settings, or the name of their data, are not those of their jobs.",
)
@pytest.mark.parametrize(
    "one, other, found",
    [
        (POOL, RESIZE, "settings of the job"),
        (FLOW, "maf-capsule-three-layers/seed-0", "settings of the job"),
        ("cyclegan-apple2orange-small/seed-0", "cyclegan-summer2winter-small/seed-0", "name of the data"),
        (GAN, APART, "name of the data"),
        ("toy-geometry/seed-4", "toy-moves/seed-4", "settings of the job"),
    ],
)
def test_records_of_two_jobs_that_are_swapped_are_found(tmp_path, one, other, found):
    for here, there in ((one, other), (other, one)):
        shutil.copytree(paper_root() / here, tmp_path / there)
    write_manifest(tmp_path)
    assert {f"{one}: {found}", f"{other}: {found}"} <= {*failures(tmp_path)}


@fault(
    "record",
    "a record of a job that nobody knows",
    "a folder is renamed, and the manifest is made anew",
    "It is red.",
)
def test_a_record_of_no_job_is_found(tmp_path):
    shutil.copytree(paper_root() / RESIZE, tmp_path / f"{RESIZE}-2")
    write_manifest(tmp_path)
    assert failures(tmp_path) == [f"{RESIZE}-2: job"]


@fault(
    "record",
    "a run from uncommitted code among the records, or one from a commit apart from them",
    "its folder is moved, or its commit loses or gains the mark, and the manifest is made anew",
    "It is red.",
)
@pytest.mark.parametrize("here, there", [(APART, APART.removeprefix(f"{MARKED}/")), (GAN, f"{MARKED}/{GAN}")])
@pytest.mark.parametrize("how", ["folder", "mark"])
def test_a_run_from_uncommitted_code_is_kept_apart(tmp_path, here, there, how):
    place = tmp_path / (there if how == "folder" else here)
    shutil.copytree(paper_root() / here, place)
    if how == "mark":
        turn = {True: lambda c: c.removesuffix("-dirty"), False: lambda c: f"{c}-dirty"}[here == APART]
        value("commit", to=turn, file="environment.json")(place)
    write_manifest(tmp_path)
    assert failures(tmp_path) == [f"{place.relative_to(tmp_path).as_posix()}: kept apart"]


@fault(
    "record",
    "a file is lost of a record whose numbers follow from nothing",
    "metrics.json, config.json or environment.json is gone or empty, and the manifest is made anew",
    "The record is red and says why.",
)
@pytest.mark.parametrize("record", ["toy-geometry/seed-4", TOY, "photographs-grid"])
@pytest.mark.parametrize("name", ["metrics.json", "config.json", "environment.json"])
@pytest.mark.parametrize("content", [None, "{}"], ids=["lost", "empty"])
def test_every_record_has_its_files(tmp_path, record, name, content):
    shutil.copytree(paper_root() / record, tmp_path / record)
    (tmp_path / record / name).unlink() if content is None else (tmp_path / record / name).write_text(content)
    write_manifest(tmp_path)
    assert failures(tmp_path) and all(line.startswith(record) for line in failures(tmp_path))


def drop_column(folder: Path) -> None:
    pd.read_csv(folder / "scores.csv").drop(columns="nll").to_csv(folder / "scores.csv", index=False)


def lose_metrics(folder: Path) -> None:
    (folder / "metrics.json").unlink()


def other_form(folder: Path) -> None:
    (folder / "metrics.json").write_text('{"ema": 5}', "utf-8")


def words_for_numbers(folder: Path) -> None:
    text = (folder / "scores.csv").read_text("utf-8")
    (folder / "scores.csv").write_text(re.sub(r",-\d[\d.]*,", ",many,", text), "utf-8")


def no_rows(folder: Path) -> None:
    (folder / "auroc.csv").write_text("epoch,weights,defect,auroc\n", "utf-8")


@fault(
    "record",
    "a record that cannot be read any more",
    "a column, the metrics or all rows are gone, words stand for numbers, metrics.json holds something else",
    "The record is red and says why; the others are still checked.",
)
@pytest.mark.parametrize("damage", [drop_column, lose_metrics, other_form, words_for_numbers, no_rows])
def test_a_damaged_record_is_one_that_differs(copy, damage):
    root = copy(FLOW)
    damage(root / FLOW)
    write_manifest(root)
    found = failures(root)
    assert f"{FLOW}: its files can be read" in found
    assert all(line.startswith((FLOW, "samples-capsule/seed-0")) for line in found)


@fault(
    "record",
    "what tools leave among the records",
    "`.DS_Store`, `._metrics.json` and `.ipynb_checkpoints` in a record",
    "They are in no manifest, and no difference.",
)
def test_what_tools_leave_is_no_difference(copy):
    root = copy("pixels-capsule/seed-0")
    for name in (".DS_Store", "._metrics.json", ".ipynb_checkpoints/metrics-checkpoint.json", "Thumbs.db"):
        path = root / "pixels-capsule/seed-0" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert failures(root) == []
    before = (root / MANIFEST).read_bytes()
    write_manifest(root)
    assert (root / MANIFEST).read_bytes() == before


@fault(
    "record",
    "a manifest that is none",
    "it is gone, holds bytes that are no text, or lists a file twice",
    "One line names it.",
)
@pytest.mark.parametrize("data", [None, b"\xff\xfe\x00", b"twice"])
def test_a_damaged_manifest_is_one_line(copy, data):
    root = copy("pixels-capsule/seed-0")
    place = root / MANIFEST
    place.write_bytes(place.read_bytes() * 2) if data == b"twice" else place.write_bytes(data or b"")
    if data is None:
        place.unlink()
    with pytest.raises(UserError, match=MANIFEST):
        list(verify(root=root))


@fault(
    "record",
    "a checkout with the line ends of Windows",
    "every line of the manifest ends in CR LF",
    "It is read as it was recorded.",
)
def test_the_manifest_is_read_with_other_line_ends(copy):
    root = copy("pixels-capsule/seed-0")
    (root / MANIFEST).write_bytes((root / MANIFEST).read_bytes().replace(b"\n", b"\r\n"))
    assert failures(root) == []
