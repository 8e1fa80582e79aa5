"""hw2 verify finds what was changed, swapped or lost in the records; each case is tried on a copy of them."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pandas import DataFrame
from typer.testing import CliRunner

from hw2lib.cli import app
from hw2lib.errors import UserError
from hw2lib.jobs import verify as verification
from hw2lib.jobs.cyclegan_relations import disturbance_sizes
from hw2lib.jobs.reproduce import Job
from hw2lib.jobs.verify import Check, retrain, verify
from hw2lib.runs.manifest import MANIFEST, write_manifest
from hw2lib.runs.paths import MARKED, paper_root
from hw2lib.translation.steganography import OCTAVES, PERTURBATIONS, reconstruction_curve

FLOW = "maf-capsule/seed-0"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The records of two jobs, with a manifest of their own."""
    for name in ("maf-capsule", "pixels-capsule"):
        shutil.copytree(paper_root() / name, tmp_path / name)
    write_manifest(tmp_path)
    return tmp_path


def failures(root: Path, *names: str) -> list[str]:
    return [f"{check.record}: {check.what}" for check in verify(names, root) if not check.holds]


def edit_json(path: Path, change) -> None:
    value = json.loads(path.read_text("utf-8"))
    change(value)
    path.write_text(json.dumps(value), "utf-8")


def test_the_committed_records_are_whole_and_follow_from_their_files():
    checks = list(verify())
    assert [check for check in checks if not check.holds] == []
    assert len(checks) > 4800 and len({check.record for check in checks}) >= 68


def test_two_swapped_seeds_are_found_even_under_a_manifest_made_anew(copy):
    a, b, other = (copy / "maf-capsule" / name for name in ("seed-0", "seed-1", "other"))
    a.rename(other), b.rename(a), other.rename(b)
    write_manifest(copy)
    assert failures(copy) == [f"{FLOW}: seed of the folder", "maf-capsule/seed-1: seed of the folder"]


@pytest.mark.parametrize("name", ["losses.csv", "scores.csv", "auroc.csv"])
def test_a_table_of_another_seed_is_found_under_a_manifest_made_anew(copy, name):
    shutil.copyfile(copy / "maf-capsule" / "seed-1" / name, copy / FLOW / name)
    write_manifest(copy)
    assert failures(copy, FLOW)


@pytest.mark.parametrize(
    ("name", "pattern", "found"),
    [
        ("scores.csv", r"(ema,good,good/000.png,)(-?[\d.]+)", "bpd from nll"),
        ("losses.csv", r"(\n25,[^,]+,)(-?[\d.]+)", "val_bpd from val_nll"),
    ],
)
def test_a_changed_score_or_loss_is_found_under_a_manifest_made_anew(copy, name, pattern, found):
    path = copy / FLOW / name
    text, n = re.subn(
        pattern, lambda m: f"{m[1]}{float(m[2]) * 1.0001:.7g}", path.read_text("utf-8"), count=1
    )
    assert n == 1
    path.write_text(text, "utf-8")
    write_manifest(copy)
    assert any(found in line for line in failures(copy, FLOW))


def test_a_changed_area_is_found_in_the_metrics_and_in_the_curve(copy):
    edit_json(copy / FLOW / "metrics.json", lambda m: m["ema"]["auroc"]["all"].update(value=0.81))
    write_manifest(copy)
    assert failures(copy, FLOW) == [
        f"{FLOW}: AUROC, ema, all, value",
        f"{FLOW}: AUROC by epoch, ema, all",
    ]


def test_a_changed_pixel_area_is_found(copy):
    change = {"low": 0.99}
    edit_json(
        copy / "pixels-capsule/seed-0/metrics.json", lambda m: m["pixel_auroc"]["flow"]["raw"].update(change)
    )
    write_manifest(copy)
    assert failures(copy) == ["pixels-capsule/seed-0: pixel AUROC, flow, raw, low"]


@pytest.mark.parametrize(
    ("file", "change", "found"),
    [
        (
            "local-capsule-256/seed-0/metrics.json",
            lambda m: m["maf"]["decisions"][1]["kinds"]["crack"].update(called=20),
            "local-capsule-256/seed-0: decisions, maf, 0.05",
        ),
        (
            "local-capsule-256/seed-0/metrics.json",
            lambda m: m["neighbours"]["detection"]["f1_max"].update(value=0.99),
            "local-capsule-256/seed-0: f1_max, neighbours",
        ),
        (
            "local-capsule-256/seed-0/config.json",
            lambda c: c.update(radius=1),
            "local-capsule-256/seed-0: settings, but for size and seed",
        ),
        (
            "local-selection/metrics.json",
            lambda m: m["neighbours"][9].update(taken=not m["neighbours"][9]["taken"]),
            "local-selection: settings chosen",
        ),
    ],
)
def test_a_changed_number_of_the_local_detector_is_found(tmp_path, file, change, found):
    for name in ("local-selection", "local-capsule-256/seed-0"):
        shutil.copytree(paper_root() / name, tmp_path / name)
    assert failures_of_numbers(tmp_path) == []
    edit_json(tmp_path / file, change)
    assert found in failures_of_numbers(tmp_path)


@pytest.mark.parametrize("white", [0.03, 0.5], ids=["some", "half"])
def test_any_pictures_move_as_far_as_their_disturbance(white):
    """Also those at the end of the range, where what would leave it is clipped."""
    generator = torch.Generator().manual_seed(0)
    x = 1.8 * torch.rand(16, 3, 64, 64, generator=generator) - 0.9
    x[..., : round(64 * white)] = 1.0
    rows = reconstruction_curve(lambda x: x, lambda z: z, x, (*PERTURBATIONS, *OCTAVES))
    table = DataFrame(rows).assign(epoch=1, direction="A")
    run = SimpleNamespace(config={"size": 64}, environment={"data": {"testA": 16}}, steganography=table)
    checks = [Check("run", *relation) for relation in disturbance_sizes(run)]
    assert len(checks) == 8
    # What is white is already rounded: there the quarter of a level is none.
    assert [check.what for check in checks if not check.holds and "rounding" not in check.what] == []
    assert all(check.holds for check in checks) == (white < 0.05)


def failures_of_numbers(root: Path) -> list[str]:
    write_manifest(root)
    return failures(root)


@pytest.mark.parametrize("damage", ["swap", "lose", "add"])
def test_pictures_are_held_by_the_manifest(copy, damage):
    path = copy / FLOW / "samples.png"
    if damage == "swap":
        shutil.copyfile(copy / "maf-capsule/seed-1/samples.png", path)
    elif damage == "lose":
        path.unlink()
    else:
        shutil.copyfile(path, path.with_name("more.png"))
    assert failures(copy) == [f"{FLOW}: {'more.png' if damage == 'add' else 'samples.png'}"]


def test_the_command_says_what_differs_and_ends_with_one(copy, monkeypatch):
    monkeypatch.setenv("HW2_RESULTS", str(copy))
    assert CliRunner().invoke(app, ["verify", "pixels-capsule"]).exit_code == 0
    (copy / MANIFEST).write_text("", "utf-8")
    result = CliRunner().invoke(app, ["verify", "pixels-capsule"])
    assert result.exit_code == 1
    assert "pixels-capsule/seed-0: pixels.csv: recorded not listed" in result.output


def test_a_run_made_again_is_judged_by_the_recorded_intervals(copy):
    """A finished run in the folder of the runs is not made again, so its numbers can be chosen here."""
    runs = copy / "runs"
    shutil.copytree(copy / FLOW, runs / FLOW)
    assert all(check.holds for check in retrain(FLOW, copy, runs, root=copy))
    edit_json(runs / FLOW / "metrics.json", lambda m: m["plain"]["auroc"]["all"].update(value=0.95))
    assert [c.what for c in retrain(FLOW, copy, runs, root=copy) if not c.holds] == ["plain, auroc, all"]
    edit_json(runs / FLOW / "metrics.json", lambda m: m["plain"].update(auroc=None))
    assert "plain, auroc, all" in [c.what for c in retrain(FLOW, copy, runs, root=copy) if not c.holds]


def test_a_run_that_is_kept_apart_is_made_again_by_its_job(tmp_path, monkeypatch):
    name = f"{MARKED}/cyclegan-apple2orange"
    shutil.copytree(paper_root() / name, tmp_path / name)
    calls = []
    job = Job((0,), "apples", (), lambda *call: bool(calls.append(call)))  # stops
    monkeypatch.setattr(verification, "JOBS", {"cyclegan-apple2orange": job})
    with pytest.raises(UserError, match="stopped"):
        list(retrain(name, tmp_path, tmp_path / "runs", root=tmp_path))
    assert calls == [("paper", 0, tmp_path / "apples", tmp_path / "runs" / name, "auto")]


def test_a_cyclegan_made_again_is_judged_by_the_intervals_in_its_lists(tmp_path):
    """The grids of its outputs stand in a list by epoch; an interval above 1 is no wider than it says."""
    name = "cyclegan-apple2orange-small-resize"
    for root in (tmp_path, tmp_path / "runs"):
        shutil.copytree(paper_root() / name, root / name)

    def found() -> list:
        return list(retrain(name, tmp_path, tmp_path / "runs", root=tmp_path))

    assert len(found()) == 16 and all(check.compared and check.holds for check in found())
    for root, high in ((tmp_path, 5.0), (tmp_path / "runs", 5.2)):
        grid = {"grid_2_A": {"value": high, "low": 4.0, "high": 5.0}}
        edit_json(root / name / "metrics.json", lambda m, g=grid: m["outputs"]["epochs"][2].update(g))
    assert [check.what for check in found() if not check.holds] == ["outputs, epochs, 2, grid_2_A"]


def test_a_run_made_again_that_nothing_can_judge_is_not_passed_over(tmp_path, monkeypatch):
    record = "toy-geometry/seed-4"
    for root in (tmp_path, tmp_path / "runs"):
        shutil.copytree(paper_root() / record, root / record)
    write_manifest(tmp_path)
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path))
    again = ["--retrain", "--data", str(tmp_path), "--runs", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, ["verify", record, *again])
    assert result.exit_code == 0 and f"{record}: not compared" in result.output
    assert result.output.rstrip().endswith("0 differ, 1 made again not compared")
    assert "not compared" not in CliRunner().invoke(app, ["verify", record]).output
