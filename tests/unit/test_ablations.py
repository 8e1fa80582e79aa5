"""What a loss is for, judged from fabricated runs whose differences are known."""

import numpy as np
import pytest

from hw2lib.errors import UserError
from hw2lib.runs.ablations import VARIANTS, Ablations
from hw2lib.runs.folder import write_csv, write_json

JOB = "cyclegan-apple2orange-small"
IMAGES, ROWS = 40, 120
SEEDS = (0.5, 0.52, 0.54)  # of filter and shape, by seed


def write_run(out, seed=0, filter=0.5, shape=0.5, back=20.0, spread=1.0, grid=(1.0, 1.0), cycle=False):
    """A run of 40 test images per direction; a measure may be a pair, one value by direction."""
    out.mkdir(parents=True)
    rng, drawn = np.random.default_rng(7), np.random.default_rng(seed)
    filter, shape, back, spread = (np.broadcast_to(v, 2).tolist() for v in (filter, shape, back, spread))
    images = [
        {"epoch": epoch, "direction": d, "image": k, "filter_share": filter[i] + rng.normal(0, 0.01)}
        | {"ssim": shape[i] + rng.normal(0, 0.01), "taken": 1}
        for epoch in (1, 20)
        for i, d in enumerate("AB")
        for k in range(IMAGES)
    ]
    write_csv(out / "translations.csv", images)
    steps = np.arange(1, ROWS + 1)
    wave = np.sin(steps / 2) if cycle else drawn.normal(size=ROWS)
    write_csv(
        out / "losses.csv",
        [
            {"epoch": 1 + int(k > ROWS / 2), "step": int(k), "D_A": float(w), "D_B": float(-w)}
            for k, w in zip(steps, wave, strict=True)
        ],
    )
    photographs = {d: {f"grid_{p}": {"value": 1.0, "low": 0.9, "high": 1.1} for p in (2, 4)} for d in "AB"}
    last = {"epoch": 20} | {f"spread_{d}": spread[i] for i, d in enumerate("AB")}
    last |= {
        f"grid_{p}_{d}": {"value": g, "low": g, "high": g}
        for p, g in zip((2, 4), grid, strict=True)
        for d in "AB"
    }
    tests = [{"epoch": e} | {f"cycle_psnr_{d}": back[i] for i, d in enumerate("AB")} for e in (1, 20)]
    references: dict = {"source": {}, "real": {}}
    write_json(
        out / "metrics.json",
        {
            "test": tests,
            "translation": {"reference": references, "epochs": [{"epoch": e} for e in (1, 20)]},
            "outputs": {"photographs": photographs, "epochs": [last]},
        },
    )
    write_json(out / "config.json", {"seed": seed, "size": 64})


@pytest.fixture
def recorded(monkeypatch, tmp_path):
    """Write the runs, those of the variants changed as told, and read them."""
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path))

    def write(table=None, **variants):
        for seed, value in enumerate(SEEDS):
            write_run(tmp_path / JOB / f"seed-{seed}", seed, value, value, **(table or {}))
        for name in VARIANTS:
            write_run(tmp_path / f"{JOB}-{name}", **variants.get(name.replace("-", "_"), {}))
        return Ablations.recorded()

    return write


def test_a_run_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path))
    write_run(tmp_path / JOB / "seed-0")
    with pytest.raises(UserError, match=f"{JOB}-identity-0: no recorded run"):
        Ablations.recorded()


def test_the_measures_are_those_of_the_last_epoch(recorded):
    found = recorded(resize={"spread": (0.3, 0.4), "back": (11, 12)})
    assert found.of_the_table("filter", "A") == pytest.approx(SEEDS, abs=0.01)
    assert found.of("resize", "spread", "B") == 0.4 and found.of("resize", "back", "A") == 11
    assert len(found.measures) == 2 * (3 + len(VARIANTS))


@pytest.mark.parametrize(
    "filter, counted, true",
    [
        ((0.7, 0.7), [1, 1], True),
        ((0.7, 0.53), [1, 0], False),  # more than chance, but another seed does as much
        ((0.7, 0.5), [1, 0], False),  # the same as seed 0
        ((0.3, 0.7), [-1, 1], False),
    ],
)
def test_a_difference_counts_beyond_images_and_seeds(recorded, filter, counted, true):
    found = recorded(identity_0={"filter": filter})
    assert [found.counts("identity-0", "filter", d) for d in "AB"] == counted
    assert found.identity_loss_keeps_from_filtering is true


@pytest.mark.parametrize("back, kept", [((16.9, 16.9), True), ((16.9, 17.1), False)])
def test_content_is_lost_by_more_than_three_decibels_in_both_directions(recorded, back, kept):
    assert recorded(cycle_0={"back": back}).cycle_loss_keeps_content is kept


@pytest.mark.parametrize("variant", ["cycle_0", "cycle_and_identity_0", "identity_0"])
def test_a_collapse_is_looked_for_where_the_cycle_loss_is_missing(recorded, variant):
    found = recorded(**{variant: {"spread": (0.9, 0.4)}})
    assert found.collapses_without_cycle_loss is (variant != "identity_0")


def test_half_the_spread_is_no_collapse(recorded):
    assert not recorded(cycle_0={"spread": 0.5}).collapses_without_cycle_loss


def test_a_loss_keeps_the_shape_where_it_alone_does_better_than_neither(recorded):
    found = recorded(
        identity_0={"shape": 0.6}, cycle_0={"shape": (0.6, 0.4)}, cycle_and_identity_0={"shape": 0.4}
    )
    assert found.keeps_the_shape == {"cycle": True, "identity": False}


@pytest.mark.parametrize("without, with_pool", [(True, False), (True, True), (False, False)])
def test_the_pool_is_what_stops_an_oscillation_that_is_there_without_it(recorded, without, with_pool):
    found = recorded({"cycle": with_pool}, pool_0={"cycle": without})
    assert found.oscillates_without_pool_alone is (without and not with_pool)


def test_grids_stand_out_above_the_interval_of_the_photographs(recorded):
    found = recorded({"grid": (1.2, 1.0)}, resize={"grid": (1.05, 1.0)})
    assert found.grid_of_transposed and not found.grid_of_resize


@pytest.mark.parametrize("grid", [(1.2, 1.0), (1.0, 1.2)])
def test_either_grid_is_seen_with_resize_convolution(recorded, grid):
    found = recorded({"grid": (1.05, 2.0)}, resize={"grid": grid})
    assert not found.grid_of_transposed and found.grid_of_resize
