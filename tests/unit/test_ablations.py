"""What a loss is for, judged from fabricated runs whose differences are known."""

from zlib import crc32

import numpy as np
import pytest

from hw2lib.errors import UserError
from hw2lib.runs.ablations import VARIANTS, Ablations
from hw2lib.runs.folder import write_csv, write_json

JOB = "cyclegan-apple2orange-small"
IMAGES, ROWS = 40, 120
CONFIG = {"seed": 0, "size": 64, "cycle": 10.0, "identity": 5.0, "pool": 50, "upsampling": "transposed"}
# What the table's runs have, by seed; of seed 1 the least, so that the first is neither least nor largest.
TABLE = [
    {"filter": 0.52, "shape": 0.52, "back": 21.0, "spread": 1.0},
    {"filter": 0.50, "shape": 0.50, "back": 20.0, "spread": 0.9},
    {"filter": 0.54, "shape": 0.54, "back": 22.0, "spread": 1.1},
]
HIGH = {"A": 1.1, "B": 1.4}  # upper ends of the photographs' grids


def write_run(out, noise=0.01, oscillates=(), grid=(1.0, 1.0), config=None, shuffled=False, **measures):
    """A run of 40 test images per direction; a measure may be a pair, one value by direction.

    The mean over the images is the measure to the bit, and epoch 1 has other values.
    """
    out.mkdir(parents=True)
    # Of its name and not of where tests run; with this seed no noise comes near to an oscillation.
    rng = np.random.default_rng([2, crc32(out.as_posix().split(JOB)[1].encode())])
    pair = {k: np.broadcast_to(v, 2).tolist() for k, v in (TABLE[0] | measures).items()}

    def around(mean):
        values = rng.normal(0, noise, IMAGES)
        return mean + values - values.mean()

    images = [
        {"epoch": epoch, "direction": d, "image": k, "filter_share": f, "ssim": s, "changed": 30.0}
        for epoch in (1, 20)
        for i, d in enumerate("AB")
        for k, f, s in zip(
            range(IMAGES),
            around(pair["filter"][i] if epoch == 20 else 0.1),
            around(pair["shape"][i] if epoch == 20 else 0.9),
            strict=True,
        )
    ]
    write_csv(out / "translations.csv", images[::-1] if shuffled else images)
    steps = np.arange(1, ROWS + 1)
    losses = {
        name: 2 + (np.sin(steps / 2) if name in oscillates else rng.normal(size=ROWS))
        for name in ("D_A", "D_B")
    }
    rows = ({"epoch": 1, "step": int(k)} | {n: float(v[k - 1]) for n, v in losses.items()} for k in steps)
    write_csv(out / "losses.csv", list(rows))
    photographs = {
        d: {f"grid_{p}": {"value": 1.0, "low": 0.9, "high": high + (p - 2)} for p in (2, 4)}
        for d, high in HIGH.items()
    }
    last = {"epoch": 20} | {f"spread_{d}": pair["spread"][i] for i, d in enumerate("AB")}
    for period, values in zip((2, 4), grid, strict=True):
        for d, value in zip("AB", np.broadcast_to(values, 2).tolist(), strict=True):
            last[f"grid_{period}_{d}"] = {"value": value, "low": value - 5, "high": value + 5}
    back = [{"epoch": 1, "cycle_psnr_A": 5.0, "cycle_psnr_B": 5.0}]
    back += [{"epoch": 20} | {f"cycle_psnr_{d}": pair["back"][i] for i, d in enumerate("AB")}]
    references: dict = {"source": {}, "real": {}}
    translation = {"reference": references, "epochs": [{"epoch": e} for e in (1, 20)]}
    outputs = {"photographs": photographs, "epochs": [{"epoch": 1}, last]}
    write_json(out / "metrics.json", {"test": back, "translation": translation, "outputs": outputs})
    write_json(out / "config.json", CONFIG | (config or {}))


@pytest.fixture
def recorded(monkeypatch, tmp_path):
    """Write the runs, changed as told (``table``: by seed), and read them."""
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path))

    def write(table=(), **variants):
        for seed, values in enumerate(TABLE):
            changed = dict(enumerate(table)).get(seed, {})
            settings = {"config": {"seed": seed}}
            write_run(tmp_path / JOB / f"seed-{seed}", **settings | values | changed)
        for name, settings in VARIANTS.items():
            changed = {"config": settings} | variants.get(name.replace("-", "_"), {})
            write_run(tmp_path / f"{JOB}-{name}", **changed)
        return Ablations.recorded()

    return write


def test_a_run_that_is_missing_is_named(recorded, tmp_path):
    recorded()
    (tmp_path / f"{JOB}-resize" / "config.json").unlink()
    with pytest.raises(UserError, match=f"{JOB}-resize: no recorded run"):
        Ablations.recorded()
    (tmp_path / JOB / "seed-2" / "config.json").unlink()
    write_json(tmp_path / f"{JOB}-resize" / "config.json", CONFIG | VARIANTS["resize"])
    with pytest.raises(UserError, match="2 seeds are recorded, not 3"):
        Ablations.recorded()


@pytest.mark.parametrize("settings", [{"pool": 0, "cycle": 0.0}, {"pool": 0, "seed": 1}, {}])
def test_a_run_with_other_settings_than_its_name_says_is_refused(recorded, settings):
    with pytest.raises(UserError, match=f"{JOB}-pool-0: differs .* in other settings"):
        recorded(pool_0={"config": settings})


@pytest.mark.parametrize("settings", [{"seed": 1}, {"seed": 2, "size": 32}])
def test_the_seeds_of_the_table_differ_in_nothing_else(recorded, settings):
    with pytest.raises(UserError, match="seed-2: differs .* in other settings"):
        recorded([{}, {}, {"config": settings}])


def test_the_measures_are_those_of_the_last_epoch(recorded):
    found = recorded(resize={"spread": (0.3, 0.4), "back": (11, 12), "filter": (0.2, 0.3), "shape": 0.7})
    for measure in ("filter", "shape", "back", "spread"):
        assert found.of_the_table(measure, "B") == pytest.approx([row[measure] for row in TABLE])
    assert found.of("resize", "spread", "B") == 0.4 and found.of("resize", "back", "A") == 11
    assert found.of("resize", "filter", "B") == pytest.approx(0.3)
    assert found.of("resize", "shape", "A") == pytest.approx(0.7)
    assert len(found.measures) == 2 * (3 + len(VARIANTS))


@pytest.mark.parametrize(
    "filter, counted",
    [
        ((0.7, 0.7), [1, 1]),
        ((0.7, 0.53), [1, 0]),  # more than chance, but another seed does as much
        ((0.7, 0.2), [1, -1]),
        ((0.51, 0.49), [0, -1]),
    ],
)
def test_a_difference_counts_beyond_images_and_seeds(recorded, filter, counted):
    found = recorded(identity_0={"filter": filter})
    assert [found.counts("identity-0", "filter", d) for d in "AB"] == counted
    assert found.identity_loss_keeps_from_filtering is (counted == [1, 1])


@pytest.mark.parametrize("filter", [0.56, 0.48])
def test_what_may_be_chance_among_the_images_does_not_count(recorded, filter):
    found = recorded(identity_0={"filter": filter, "noise": 0.4})
    assert not found.difference("identity-0", "filter", "A").low > 0
    assert not found.difference("identity-0", "filter", "A").high < 0
    assert found.counts("identity-0", "filter", "A") == 0


def test_images_are_paired_by_their_number(recorded):
    found = recorded(identity_0={"filter": 0.6, "noise": 0.4, "shuffled": True})
    values = [
        run.last_translations("A").sort_values("image")["filter_share"].to_numpy()
        for run in (found.variants["identity-0"], found.table[0])
    ]
    bound = 4 * (values[0] - values[1]).std() / IMAGES**0.5
    interval = found.difference("identity-0", "filter", "A")
    assert interval.value == pytest.approx(0.08) and interval.high - interval.low < bound


@pytest.mark.parametrize("back, kept", [((16.9, 16.9), True), ((16.9, 17.1), False), ((17.1, 16.9), False)])
def test_content_is_lost_by_more_than_three_decibels_from_the_worst_seed(recorded, back, kept):
    assert recorded(cycle_0={"back": back}).cycle_loss_keeps_content is kept


@pytest.mark.parametrize("share, kept", [((0.51, 0.51), True), ((0.49, 0.51), False), ((0.6, -0.2), False)])
def test_the_cycle_loss_alone_keeps_half_of_the_least_similarity(recorded, share, kept):
    least = min(row["shape"] for row in TABLE)
    found = recorded(identity_0={"shape": tuple(each * least for each in share)})
    assert found.cycle_loss_alone_keeps_content is kept


@pytest.mark.parametrize("variant", ["cycle_0", "cycle_and_identity_0", "identity_0"])
@pytest.mark.parametrize("spread", [(0.9, 0.44), (0.44, 0.9)])
def test_a_collapse_is_looked_for_where_the_cycle_loss_is_missing(recorded, variant, spread):
    found = recorded(**{variant: {"spread": spread}})
    assert found.collapses_without_cycle_loss is (variant != "identity_0")


def test_half_the_spread_of_the_narrowest_seed_is_no_collapse(recorded):
    assert not recorded(cycle_0={"spread": 0.46}).collapses_without_cycle_loss


@pytest.mark.parametrize("shape, kept", [((0.6, 0.6), True), ((0.6, 0.41), False), ((0.38, 0.6), False)])
def test_a_loss_keeps_the_shape_where_it_alone_does_better_than_neither(recorded, shape, kept):
    """0.41 against 0.40 is better, and not by more than the images scatter."""
    neither = {"shape": 0.4, "noise": 0.1}
    found = recorded(identity_0={"shape": shape}, cycle_0={"shape": 0.3}, cycle_and_identity_0=neither)
    assert found.keeps_the_shape == {"cycle": kept, "identity": False}


BOTH = {"oscillates": ("D_A", "D_B")}


@pytest.mark.parametrize(
    "without, table, true",
    [
        (BOTH, [], True),
        (BOTH, [{}, {"oscillates": ("D_B",)}], True),  # one of six, as chance has it
        (BOTH, [{}, {"oscillates": ("D_B",)}, {"oscillates": ("D_A",)}], False),
        ({"oscillates": ("D_A",)}, [], False),
        ({}, [], False),
    ],
)
def test_the_pool_is_what_stops_an_oscillation_that_is_there_without_it(recorded, without, table, true):
    assert recorded(table, pool_0=without).oscillates_without_pool_alone is true


@pytest.mark.parametrize(
    "grids, true",
    [
        ([1.5, 1.5, 1.5], True),
        ([1.5, 1.5, 1.3], False),  # above the photographs of A, not above those of B
        ([1.5, (1.5, 1.3), 1.5], False),
        ([(1.3, 1.5), 1.5, 1.5], False),
    ],
)
def test_the_grid_of_transposed_convolution_stands_out_in_every_seed_and_direction(recorded, grids, true):
    found = recorded([{"grid": (two, 1.0)} for two in grids])
    assert found.grid_of_transposed is true and not found.grid_of_resize


@pytest.mark.parametrize(
    "grid, seen",
    [((1.5, 3.0), True), ((1.0, (3.0, 3.5)), True), (((1.5, 1.0), 3.0), True), ((1.3, 3.3), False)],
)
def test_either_grid_of_resize_convolution_is_seen_in_either_direction(recorded, grid, seen):
    found = recorded([{"grid": (1.0, 2.0)}], resize={"grid": grid, "config": VARIANTS["resize"]})
    assert found.grid_of_resize is seen and not found.grid_of_transposed
