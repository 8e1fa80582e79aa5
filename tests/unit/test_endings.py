"""The end of a training, of fabricated runs whose lowest validation loss is known."""

import numpy as np
import pytest

from hw2lib.errors import UserError
from hw2lib.figures import flow_endings as figures
from hw2lib.runs.endings import (
    Ending,
    blurred_away,
    gains_of_the_end,
    is_not_all_of_the_noise,
    no_reason_to_choose,
    noise_of_training,
    too_little_training_was_all,
)
from hw2lib.runs.folder import write_csv, write_json
from hw2lib.runs.reader import RecordedRun
from hw2lib.statistics import Estimate

SCORED = (50, 60, 70, 120, 200)


def ending(folder, lowest=60, unscored=None, image=(0.7, 0.6), pixels=0.8):
    """Validation falls to ``lowest`` and rises again; ``unscored`` is an epoch that is lower still.

    ``image``: the area at the end, and after epoch 50; elsewhere it is 0.65.
    """
    folder.mkdir()
    values = {epoch: 3 + abs(epoch - lowest) / 100 for epoch in range(1, 201)}
    if unscored:
        values[unscored] = 2.0
    rows = [{"epoch": e, "train_bpd": v / 2, "val_bpd": 9 - v, "val_bpd_ema": v} for e, v in values.items()]
    write_csv(folder / "losses.csv", rows)
    areas = []
    for epoch in SCORED:
        at_end = epoch == lowest
        for weights, defect, area in (
            ("plain", "all", 0.1),
            ("ema", "crack", 0.2),
            ("ema", "all", image[0] if at_end else image[1] if epoch == 50 else 0.65),
            ("ema", "pixels", pixels if at_end else 0.99),
        ):
            areas.append({"epoch": epoch, "weights": weights, "defect": defect, "auroc": area})
    write_csv(folder / "auroc.csv", areas)
    write_json(folder / "config.json", {"epochs": 200, "seed": 0})
    return Ending(RecordedRun(folder))


@pytest.mark.parametrize("lowest, reached", [(60, True), (120, True), (200, False)])
def test_the_end_is_the_scored_epoch_of_the_lowest_average(tmp_path, lowest, reached):
    end = ending(tmp_path / "run", lowest, unscored=65)
    assert (end.epoch, end.reached) == (lowest, reached)
    assert end.area() == 0.7 and end.area(epoch=70) == 0.65 and end.area("crack") == 0.2
    assert end.area("pixels") == 0.8
    with pytest.raises(UserError, match="auroc.csv has no poke of epoch"):
        end.area("poke")


def test_where_the_validation_still_falls_the_last_epoch_is_reported(tmp_path):
    end = ending(tmp_path / "run", lowest=120)
    write_json(end.run.path / "config.json", {"epochs": 150, "seed": 0})
    end = Ending(RecordedRun(end.run.path))
    assert not end.reached and end.epoch == 200


def test_fifty_epochs_after_the_end_are_needed(tmp_path):
    end = ending(tmp_path / "run", 120)
    write_json(end.run.path / "config.json", {"epochs": 170, "seed": 0})
    assert Ending(RecordedRun(end.run.path)).reached
    write_json(end.run.path / "config.json", {"epochs": 169, "seed": 0})
    assert not Ending(RecordedRun(end.run.path)).reached


@pytest.mark.parametrize(
    "ahead, where, stands",
    [(1, "image", True), (2, "image", False), (1, "pixels", True), (2, "pixels", False)],
)
def test_four_of_five_seeds_have_to_be_behind_in_both(tmp_path, ahead, where, stands):
    better = {"image": (0.9, 0.6)} if where == "image" else {"pixels": 0.97}
    ends = [ending(tmp_path / str(k), **(better if k < ahead else {})) for k in range(5)]
    assert no_reason_to_choose(ends, images=0.8, pixels=0.95) is stands


def test_a_seed_is_behind_where_it_is_in_both(tmp_path):
    better = [{"image": (0.9, 0.6)}, {"pixels": 0.97}, {}, {}, {}]
    ends = [ending(tmp_path / str(k), **each) for k, each in enumerate(better)]
    assert not no_reason_to_choose(ends, images=0.8, pixels=0.95)


@pytest.mark.parametrize(
    "last, gain, all_of_it",
    [(0.76, 0.12, True), (0.40, 0.0, False), (0.54, 0.14 / 3, False), (0.56, 0.16 / 3, True)],
)
def test_the_gain_is_from_epoch_fifty_to_the_end(tmp_path, last, gain, all_of_it):
    """The mean of three seeds, of which two gain 0.10."""
    areas = [(0.7, 0.6), (0.7, 0.6), (last, 0.6)]
    ends = [ending(tmp_path / str(k), image=image) for k, image in enumerate(areas)]
    assert gains_of_the_end(ends).mean() == pytest.approx(gain)
    assert too_little_training_was_all(ends) is all_of_it


def test_white_noise_is_blurred_away_and_a_slope_is_not():
    noise = np.random.default_rng(0).normal(size=(3, 64, 64, 3))
    slope = np.broadcast_to(np.linspace(0, 255, 64)[:, None, None], (3, 64, 64, 3)).astype(np.uint8)
    assert blurred_away(noise) > 0.95
    assert blurred_away(slope) < 0.05


@pytest.mark.parametrize(
    "at_the_end, part",
    [
        ([0.7] * 5, -1),
        ([0.7] * 4 + [0.95], -1),
        ([0.5] * 3 + [0.95] * 2, 0),  # lower by much on average, but in three seeds only
        ([0.81] * 5, 0),  # by 0.09 in each
        ([1.0] * 5, 1),
    ],
)
def test_the_noise_of_samples_by_its_rule(at_the_end, part):
    assert noise_of_training([0.9 - 1e-9] * 5, at_the_end) == part


@pytest.mark.parametrize("at_the_end, left", [([0.4, 0.7], True), ([0.4, 0.5], False), ([0.5, 0.5], False)])
def test_what_longer_training_leaves_of_the_noise(at_the_end, left):
    assert is_not_all_of_the_noise(at_the_end) is left


def test_the_figures_draw_every_seed_and_its_end(tmp_path):
    ends = [ending(tmp_path / str(k), lowest) for k, lowest in enumerate((60, 120))]
    left = figures.likelihoods(ends, lang="en").axes[0]
    assert [tuple(dot) for dot in left.collections[0].get_offsets()] == [(60, 3.0), (120, 3.0)]
    other = {m: Estimate(0.8, 0.7, 0.9) for m in ("pca_residual", "positionwise_gaussian")}
    image, pixels = figures.areas(ends, other, other, lang="en").axes
    for panel, at_end in ((image, 0.7), (pixels, 0.8)):
        assert [tuple(dot) for dot in panel.collections[0].get_offsets()] == [(60, at_end), (120, at_end)]
        assert sum(list(line.get_xdata()) == list(SCORED) for line in panel.lines) == 2
