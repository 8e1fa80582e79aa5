"""The jobs that chapters 10 to 12 read: toy trainings by seed, and the grids of photographs."""

import pytest
import torch
import yaml

from hw2lib.claims import ROOT
from hw2lib.data.synthetic.unpaired import synthetic_unpaired
from hw2lib.experiments import geometry
from hw2lib.jobs import photographs, reproduce, toys
from hw2lib.runs.folder import read_json
from hw2lib.runs.paths import is_from_uncommitted_code
from hw2lib.runs.reader import paper_root, paper_runs
from hw2lib.statistics import Estimate
from hw2lib.training.settings import CYCLEGAN_PROFILES
from hw2lib.translation.spectra import grid_energies, grid_excess, grid_interval

RULES = {rule["id"]: rule for rule in yaml.safe_load((ROOT / "book" / "protocol.yml").read_text("utf-8"))}


@pytest.fixture
def short(monkeypatch):
    """Translations that are their right answers, but for the mirror without the identity loss."""

    def translate(task, steps, objective, seed):
        unseen = geometry.rectangles(8, torch.Generator().manual_seed(seed), red=True)
        answers = geometry.TASKS[task](unseen)
        wrong = task == "mirror" and not objective.identity
        return geometry.Translation(unseen, -answers if wrong else answers, unseen, answers)

    monkeypatch.setattr(geometry, "translate", translate)


def test_each_choice_of_losses_has_its_own_agreement(short, tmp_path):
    assert toys.run_geometry(toys.ToyConfig(seed=3, steps=12), tmp_path)
    found = read_json(tmp_path / "metrics.json")["agreement"]
    assert read_json(tmp_path / "config.json") == {"seed": 3, "steps": 12}
    for losses, tasks in found.items():
        assert tasks["recolour"] == pytest.approx(1)
        assert tasks["mirror"] == pytest.approx(-1 if losses in ("no identity", "neither") else 1)


def test_one_loss_is_taken_away_at_a_time():
    weights = {name: (each.cycle, each.identity) for name, each in toys.OBJECTIVES.items()}
    assert weights == {"both": (10, 5), "no identity": (10, 0), "no cycle": (0, 5), "neither": (0, 0)}


def test_moves_are_learned_from_pairs_and_a_seed_gives_the_same_twice(tmp_path):
    config = toys.ToyConfig(seed=1, steps=4)
    for name in ("first", "again"):
        toys.run_moves(config, tmp_path / name)
    first, again = (read_json(tmp_path / name / "metrics.json") for name in ("first", "again"))
    assert first == again
    assert {*first["errors"]} == {"ResNet", "U-Net"} and {*first["nearer"]} == {*geometry.TASKS}


@pytest.mark.parametrize(("share", "skips_win"), [(0.1, True), (0.9, False)])
def test_what_the_skip_connections_carry_makes_the_output_nearer_to_their_image(
    monkeypatch, share, skips_win
):
    """``share`` of the output is the answer of the innermost level's image."""
    images = geometry.rectangles(8, torch.Generator().manual_seed(0), red=True)

    def transplant(_, through_bottleneck, through_skips):
        return -(share * through_bottleneck + (1 - share) * through_skips)

    monkeypatch.setattr(geometry, "transplant", transplant)
    assert (geometry.nearer_to_skips(None, "recolour", images) > 2) is skips_win


def test_the_photographs_of_a_set_are_measured_with_an_interval(tmp_path):
    config = CYCLEGAN_PROFILES["quick"]
    assert photographs.run_photographs(config, None, tmp_path)
    found = read_json(tmp_path / "metrics.json")
    fruit = synthetic_unpaired("apple2orange", config.size, config.recipe).images["testA"].double()
    for period in photographs.PERIODS:
        each = found["apple2orange"]["A"][str(period)]
        assert each["low"] <= each["value"] <= each["high"]
        assert each["value"] == pytest.approx(grid_excess(fruit, period))


def test_a_grid_is_seen_in_the_image_that_has_it():
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    images[2, :, ::2] += 1
    on, beside = grid_energies(images, 2).T
    assert int((on / beside).argmax()) == 2 and float((on / beside)[2]) > 10


def test_flat_images_have_no_grid():
    flat = torch.full((3, 3, 32, 32), 7.0, dtype=torch.float64)
    assert grid_excess(flat, 2) == 1 and grid_interval(flat, 4) == Estimate(1, 1, 1)


@pytest.mark.parametrize("name", ["toy-geometry", "toy-moves"])
def test_what_is_recorded_is_what_the_protocol_asks_for(monkeypatch, name):
    monkeypatch.delenv("HW2_RESULTS", raising=False)
    runs = paper_runs(name)
    assert tuple(run.seed for run in runs) == reproduce.JOBS[name].seeds
    assert name in RULES[name]["records"]
    for run in runs:
        assert not is_from_uncommitted_code(run.path)
        if name == "toy-moves" and max(e["recolour"] for e in run.metrics["errors"].values()) >= 0.25:
            assert run.config["steps"] == 1600, "the rule asks for longer training"


def test_no_photograph_is_recorded(monkeypatch):
    monkeypatch.delenv("HW2_RESULTS", raising=False)
    names = {path.name for path in (paper_root() / "photographs-grid").iterdir()}
    assert names == {*photographs.RECORDED_FILES}
