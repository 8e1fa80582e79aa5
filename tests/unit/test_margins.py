"""What another seed may turn round: margins whose answer is known, and measures counted from raw records."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hw2lib.errors import UserError
from hw2lib.runs.ablations import three_seeds
from hw2lib.runs.folder import write_json
from hw2lib.runs.margins import (
    FRUIT,
    SEASON,
    Margin,
    SeedMean,
    bounds_of_leaves,
    filtered,
    fruit_statements,
    leaves_kept,
    margins,
    margins_of_seeds,
    outcomes,
    photographs_over_grid,
    small_runs,
    turned_white,
)
from hw2lib.runs.messages import GreenMessage, over_seeds
from hw2lib.runs.paths import paper_root
from hw2lib.runs.reader import RecordedCycleGAN, marked_run, paper_run
from hw2lib.translation.leaves import green_by_eye


@pytest.mark.parametrize(
    "value, threshold, seeds, settled, above",
    [
        (0.53, 0.5, (0.40, 0.42, 0.41), True, True),  # what a seed moves counts, not where the seeds are
        (0.53, 0.5, (0.40, 0.44, 0.41), False, True),
        (0.53, 0.5, (0.40, 0.50, 0.41), False, True),
        (0.30, 0.5, (0.80, 0.90, 0.81), True, False),
        (0.30, 0.5, (0.80, 0.90, 0.60), False, False),
        (0.595, 0.5, (0.5, 0.6, 0.6), False, True),
        (0.605, 0.5, (0.5, 0.6, 0.6), True, True),
    ],
)
def test_a_value_is_settled_beyond_what_a_seed_moves(value, threshold, seeds, settled, above):
    margin = Margin(value, threshold, seeds)
    assert (margin.settled, margin.above) == (settled, above)
    assert margin.moved == pytest.approx(max(seeds) - min(seeds))


SURE, OPEN = Margin(0.9, 0.5, (0.9, 0.9, 0.8)), Margin(0.55, 0.5, (0.9, 0.8, 0.7))
UNSURE_BELOW = Margin(0.45, 0.5, (0.9, 0.8, 0.7))


@pytest.mark.parametrize(
    "threshold, settled, above", [(0.2, True, True), (0.45, False, True), (0.9, True, False)]
)
def test_a_mean_is_settled_where_its_interval_leaves_the_threshold_out(threshold, settled, above):
    mean = SeedMean((0.4, 0.5, 0.6, 0.5, 0.5), threshold)  # 0.41 to 0.59
    assert (mean.settled, mean.above) == (settled, above)
    assert len(outcomes(lambda above: above["mean"], {"mean": mean})) == 2 - settled


def test_a_verdict_depends_where_an_open_comparison_turns_it():
    def both(above):
        return above["a"] and above["b"]

    assert outcomes(both, {"a": SURE, "b": SURE}) == {True}
    assert outcomes(both, {"a": SURE, "b": OPEN}) == {True, False}
    assert outcomes(both, {"a": OPEN, "b": UNSURE_BELOW}) == {True, False}  # both turned at once as well
    assert outcomes(lambda above: above["a"], {"a": SURE, "b": OPEN}) == {True}


@pytest.mark.parametrize(
    "seeds, found",
    [((True, True, True), {True}), ((False,) * 3, {False}), ((True, False, True), {True, False})],
)
def test_seeds_that_disagree_leave_a_statement_open(seeds, found):
    assert outcomes(lambda above: above["leaves"], {}, {"leaves": seeds}) == found
    assert outcomes(lambda above: above["a"] or above["leaves"], {"a": SURE}, {"leaves": seeds}) == {True}


@pytest.fixture
def smaller(monkeypatch, tmp_path):
    """Write the settings of the smaller runs of summer2winter, by folder."""
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path))

    def write(*settings):
        for k, each in enumerate(settings):
            folder = tmp_path / "cyclegan-summer2winter-small" / f"seed-{k}"
            folder.mkdir(parents=True)
            write_json(folder / "config.json", {"seed": k, "size": 64} | each)

    return write


RUN = paper_run("cyclegan-summer2winter")  # read before the tests look elsewhere


def test_without_smaller_runs_there_is_no_margin(smaller):
    with pytest.raises(UserError, match="cyclegan-summer2winter-small: no recorded runs"):
        small_runs(RUN)


@pytest.mark.parametrize("settings", [[{}], [{}, {}], [{}, {}, {"seed": 1}], [{}, {}, {"size": 32}]])
def test_the_smaller_runs_are_three_seeds_of_the_same(smaller, settings):
    smaller(*settings)
    with pytest.raises(UserError, match="expected seeds 0, 1 and 2 of the same settings"):
        small_runs(RUN)


def test_a_margin_holds_what_is_measured_of_each_run(smaller):
    smaller({}, {}, {})
    assert RUN.config["size"] == 128
    found = margins(RUN, {"size": (lambda each: each.config["size"] + 10 * each.config["seed"], 100)})
    assert found == {"size": Margin(128, 100, (64, 74, 84))}


def test_the_thresholds_are_those_of_the_claims():
    assert {name: threshold for name, (_, threshold) in FRUIT.items()} == {
        "accepted_1": 0.5,
        "changed": 0.5,
        "grid_2": 2,
        "photographs_2": 0.5,
        "grid_4": 2,
        "photographs_4": 0.5,
        "painted": 0.25,
        "painted_on": 0.5,
        "orange_10": 0.5,
        "red_10": 0.5,
        "orange_20": 0.5,
        "accepted_20": 0.5,
    }
    assert {name: threshold for name, (_, threshold) in SEASON.items()} == {
        "white": 0.5,
        "colourless": 0.5,
        "green_over_blue": 0.5,
        "filtered": 0.1,
        "gain": 1,
        "growth": 0.5,
    }


def test_a_run_that_measured_its_own_photographs_is_held_against_these(monkeypatch, tmp_path):
    grids = {
        d: {f"grid_{k}": {"low": 0.1, "value": v + k, "high": 9} for k in (2, 4)}
        for d, v in (("A", 0.3), ("B", 0.2))
    }
    monkeypatch.setattr(RecordedCycleGAN, "metrics", {"outputs": {"photographs": grids}})
    monkeypatch.setattr(RecordedCycleGAN, "grid_excess", lambda run, epoch, period: 10 * epoch * period)
    run = RecordedCycleGAN(tmp_path)
    assert [photographs_over_grid(run, k) for k in (2, 4)] == pytest.approx([2.3 / 20, 4.3 / 40])


@pytest.mark.parametrize("rounded, noisy, growth", [(12, 11, 0.2), (11, 14, 0.4), (9, 8, -0.1)])
def test_the_growth_is_of_the_worse_of_noise_and_rounding(monkeypatch, tmp_path, rounded, noisy, growth):
    rows = [
        {"kind": kind, "level": level, "error": error, "moved": 1.0, "size": 2.0}
        for kind, level, error in (("noise", 0.0, 10), ("noise", 2.0, noisy), ("rounding", 0.0, rounded))
    ]
    table = pd.DataFrame([{"epoch": 20, "direction": "A"} | row for row in rows])
    monkeypatch.setattr(RecordedCycleGAN, "metrics", {"test": [{"epoch": 20}]})
    monkeypatch.setattr(RecordedCycleGAN, "steganography", table)
    measure, _ = SEASON["growth"]
    assert measure(RecordedCycleGAN(tmp_path)) == pytest.approx(growth)


def counted(run, epoch, direction):
    """By colour before and after, the share of pixels, from the file itself."""
    rows = json.loads((run.path / "metrics.json").read_text())["colours"]
    of = [row for row in rows if (row["epoch"], row["direction"]) == (epoch, direction)]
    return {(row["before"], row["after"]): row["share"] for row in of}


def share(table, before, after):
    of = {pair: value for pair, value in table.items() if pair[0] in before}
    return sum(value for pair, value in of.items() if pair[1] in after) / sum(of.values())


FRUITS = [marked_run("cyclegan-apple2orange"), *three_seeds("cyclegan-apple2orange-small")]


@pytest.mark.parametrize("run", FRUITS, ids=lambda run: run.path.name)
def test_the_comparisons_of_fruit_are_those_of_the_record(run):
    value = {name: measure(run) for name, (measure, _) in FRUIT.items()}
    a, last, b = counted(run, 10, "A"), counted(run, 20, "A"), counted(run, 10, "B")
    assert value["orange_10"] == pytest.approx(share(a, ["red"], ["orange", "yellow"]))
    assert value["orange_20"] == pytest.approx(share(last, ["red"], ["orange", "yellow"]))
    assert value["red_10"] == pytest.approx(share(b, ["orange"], ["red"]))
    around = ["blue", "pale", "grey", "dark"]
    kept = {}
    for epoch in (1, 20):
        table = counted(run, epoch, "A")
        total = sum(v for pair, v in table.items() if pair[0] in around)
        kept[epoch] = sum(table.get((colour, colour), 0) for colour in around) / total
    assert value["painted"] == pytest.approx(1 - kept[1])
    assert value["painted_on"] == pytest.approx((1 - kept[20]) / (1 - kept[1]))
    with (run.path / "translations.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["direction"] == "A"]
    of = {e: [row for row in rows if row["epoch"] == str(e)] for e in (1, 20)}
    changed = {e: np.mean([float(row["changed"]) for row in these]) for e, these in of.items()}
    assert value["changed"] == pytest.approx(changed[1] / changed[20])
    for epoch in (1, 20):
        taken = np.mean([int(row["taken"]) for row in of[epoch]])
        assert value[f"accepted_{epoch}"] == pytest.approx(taken, abs=1e-5)
    photographs = json.loads((paper_root() / "photographs-grid" / "metrics.json").read_text())["apple2orange"]
    own = json.loads((run.path / "metrics.json").read_text()).get("outputs")  # at the size of the run
    for period in (2, 4):
        at = {d: photographs[d][str(period)] for d in "AB"}
        if own:
            at = {d: own["photographs"][d][f"grid_{period}"] for d in "AB"}
        highest = max(at[d]["value"] for d in "AB")
        assert value[f"photographs_{period}"] == pytest.approx(highest / value[f"grid_{period}"])


def test_the_mean_of_the_seeds_stands_for_a_run_at_full_size():
    values = {"a": [0.9, 0.6, 0.6], "b": [0.2, 0.25, 0.3]}
    small = [SimpleNamespace(a=a, b=b) for a, b in zip(*values.values(), strict=True)]
    found = margins_of_seeds(small, {"a": (lambda run: run.a, 0.5), "b": (lambda run: run.b, 0.5)})
    assert found["a"] == Margin(pytest.approx(0.7), 0.5, (0.9, 0.6, 0.6)) and not found["a"].settled
    assert found["b"] == Margin(pytest.approx(0.25), 0.5, (0.2, 0.25, 0.3)) and found["b"].settled


def test_the_comparisons_of_seasons_are_those_of_the_record():
    run = paper_run("cyclegan-summer2winter")
    value = {name: measure(run) for name, (measure, _) in SEASON.items()}
    table = counted(run, 20, "A")
    assert value["white"] == pytest.approx(share(table, ["green"], ["pale"]))
    assert value["colourless"] == pytest.approx(share(table, ["green"], ["pale", "grey"]))
    kept = {colour: share(table, [colour], [colour]) for colour in ("green", "blue")}
    assert value["green_over_blue"] == pytest.approx(kept["green"] / kept["blue"])
    with (run.path / "translations.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if (r["epoch"], r["direction"]) == ("20", "A")]
    green = sorted(float(row["green"]) for row in rows if float(row["green"]) >= 0.001)
    third = [row for row in rows if float(row["green"]) >= np.quantile(green, 2 / 3)]
    filters = [float(row["filter_share"]) >= 0.9 for row in third]
    assert value["filtered"] == pytest.approx(sum(filters) / len(third)) and len(third) == 69
    hidden = json.loads((run.path / "metrics.json").read_text())["steganography"]
    at = {(r["kind"], r["level"]): r for r in hidden if (r["epoch"], r["direction"]) == (20, "A")}
    noise, alone = at["noise", 2.0], at["noise", 0.0]
    assert value["gain"] == pytest.approx(noise["moved"] / noise["size"])
    worst = max(noise["error"], at["rounding", 0.0]["error"])
    assert value["growth"] == pytest.approx(worst / alone["error"] - 1)


def test_leaves_are_counted_without_apples(monkeypatch, tmp_path):
    kept = {"leaves": 0.3, "apples": 0.7, "both": 0.8, "neither": 0.5, "unsure": 0.9}
    rows = translations(green_by_eye(), kept)
    monkeypatch.setattr(RecordedCycleGAN, "last_translations", lambda run, direction: rows)
    assert leaves_kept(RecordedCycleGAN(tmp_path)) == pytest.approx(0.3)


@pytest.mark.parametrize("leaves, others", [(0.7, 0.2), (0.0, 0.5), (1.0, 0.9), (0.2, 1.0)])
def test_the_share_of_leaves_lies_within_its_bounds(monkeypatch, tmp_path, leaves, others):
    kept = dict.fromkeys(("apples", "both", "neither", "unsure"), others) | {"leaves": leaves}
    rows = translations(green_by_eye(), kept)
    of_all = rows["green_kept"].sum() / rows["green"].sum()
    monkeypatch.setattr(RecordedCycleGAN, "last_translations", lambda run, direction: rows)
    monkeypatch.setattr(RecordedCycleGAN, "colour_share", lambda *place: of_all)
    share_, (low, high) = bounds_of_leaves(RecordedCycleGAN(tmp_path))
    assert share_ == pytest.approx(
        rows["green"][green_by_eye()["green"] == "leaves"].sum() / rows["green"].sum()
    )
    assert low - 1e-9 <= leaves <= high + 1e-9 and 0 <= low <= high <= 1
    # Each bound is where the other green has stayed altogether, or not at all.
    assert low == pytest.approx(max(0, of_all - (1 - share_)) / share_)
    assert high == pytest.approx(min(1, of_all / share_))


HIGH = dict.fromkeys([*FRUIT, "leaves"], True)
RATIOS = {"changed": False, "photographs_2": False, "photographs_4": False, "painted_on": False}
TRUE = HIGH | RATIOS | {"accepted_1": False}  # of which every statement is true


@pytest.mark.parametrize(
    "turned, lost",
    [
        ("", ""),
        ("accepted_1", "identity"),
        ("changed", "identity"),
        ("grid_2 grid_4", "noise"),
        ("painted", "blotches"),
        ("painted grid_2", "blotches"),  # of either grid
        ("painted grid_4", "blotches"),
        ("painted grid_2 grid_4", "noise blotches"),
        ("painted_on photographs_2 grid_4", "noise blotches"),
        ("painted photographs_2 photographs_4", "noise blotches"),
        ("orange_10", "colours"),
        ("red_10", "colours"),
        ("orange_20", "apples"),
        ("accepted_20", "apples"),
        ("leaves", "leaves"),
    ],
)
def test_the_statements_on_fruit_hang_on_these_comparisons(turned, lost):
    above = TRUE | {name: not TRUE[name] for name in turned.split()}
    assert {name for name, true in fruit_statements(above).items() if not true} == {*lost.split()}


def translations(by_eye, kept):
    """Translations in which of the green of each kind this share stays."""
    shares = np.linspace(0.01, 0.3, len(by_eye))
    return pd.DataFrame(
        {"image": by_eye["image"], "green": shares, "green_kept": shares * by_eye["green"].map(kept)}
    )


def message(nothing=0.8, images=9, **others):
    """Disturbances by name: the share that comes back, and their size in levels."""
    rows = [{"kind": "noise", "level": 0.0, "images": images, "share": nothing, "size": 0.0}]
    level = {"blur": 1.0, "jpeg": 50.0}
    for kind, (share_, size) in others.items():
        row = {"kind": kind, "level": level.get(kind, 0.0), "images": images, "share": share_, "size": size}
        rows.append(row)
    return GreenMessage(pd.DataFrame(rows).set_index(["kind", "level"]))


@pytest.mark.parametrize(
    "rows, found",
    [
        (dict(grey=(0.4, 20.0)), "encoded"),  # half of 0.8
        (dict(grey=(0.41, 20.0)), "neither"),
        (dict(grey=(0.3, 20.0), blur=(0.3, 7.9)), "hidden"),
        (dict(grey=(0.3, 8.0)), "encoded"),
        (dict(grey=(0.7, 2.0)), "neither"),  # too small to see, and it takes nothing away
        (dict(nothing=0.49, grey=(0.0, 2.0)), "neither"),  # forgotten: half of nothing is nothing
        (dict(nothing=0.5, grey=(0.25, 2.0)), "hidden"),
        (dict(swap=(0.1, 9.0)), "encoded"),
        (dict(images=1, swap=(0.1, 9.0)), "neither"),
        (dict(images=1, swap=(0.1, 9.0), grey=(0.1, 9.0)), "encoded"),
    ],
)
def test_a_message_is_what_its_loss_takes_away(rows, found):
    assert message(**rows).found == found


def test_a_run_in_which_no_image_turned_has_no_message(monkeypatch, tmp_path):
    row = {"kind": "noise", "level": 0.0, "images": 3, "share": 0.9, "size": 0.0}
    grey = {"kind": "grey", "level": 0.0, "images": 3, "share": 0.2, "size": 3.0}
    rows = [{"epoch": e, "direction": d} | r for e, d in ((20, "A"), (1, "A")) for r in (row, grey)]
    rows[2]["share"] = rows[3]["share"] = 0.0  # of epoch 1
    metrics = {"test": [{"epoch": 1}, {"epoch": 20}], "returns": rows}
    monkeypatch.setattr(RecordedCycleGAN, "metrics", metrics)
    run = RecordedCycleGAN(tmp_path)
    assert GreenMessage.of(run).found == "hidden" and GreenMessage.of(run, "B").found == "neither"


@pytest.mark.parametrize(
    "seeds, found",
    [
        ("hhh", "hidden"),
        ("eee", "encoded"),
        ("hee", "some"),  # hidden in some seeds alone
        ("een", "some"),
        ("hnn", "some"),
        ("nnn", "neither"),
    ],
)
def test_what_is_so_in_some_seeds_depends_on_them(seeds, found):
    grey = {"h": (0.1, 2.0), "e": (0.1, 20.0), "n": (0.8, 20.0)}
    assert over_seeds([message(grey=grey[seed]) for seed in seeds]) == found


def test_a_white_filter_is_brighter_and_has_less_colour(monkeypatch, tmp_path):
    rows = [
        # green, filter_share, value, saturation
        (0.9, 0.95, 0.1, -0.1),
        (0.9, 0.95, 0.1, 0.1),
        (0.9, 0.95, -0.1, -0.1),
        (0.9, 0.90, 0.2, -0.2),
        (0.9, 0.89, 0.1, -0.1),  # no filter
        *[(0.1, 0.95, 0.1, -0.1)] * 10,  # no forest
        *[(0.0, 0.95, 0.1, -0.1)] * 40,  # no green at all
    ]
    table = pd.DataFrame(rows, columns=["green", "filter_share", "value", "saturation"])
    monkeypatch.setattr(RecordedCycleGAN, "last_translations", lambda run, direction: table)
    found = filtered(RecordedCycleGAN(tmp_path))
    assert len(found) == 4 and turned_white(found).sum() == 2
