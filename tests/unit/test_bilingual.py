"""What a notebook shows in both languages: words, numbers, tables, facts."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from hw2lib.bilingual import (
    EDITIONS,
    UNITS,
    Column,
    Condition,
    Interval,
    Number,
    Text,
    above,
    as_data,
    below,
    check_places,
    facts,
    fill,
    localize,
    table,
)


@pytest.mark.parametrize(
    "value, fa, en",
    [
        (49152, "۴۹٬۱۵۲", "49,152"),
        (-3, "\u2066−۳\u2069", "−3"),
        (Number(1234.56, ",.1f"), "۱٬۲۳۴٫۶", "1,234.6"),
        (Number(-0.5, ".2f"), "\u2066−۰٫۵۰\u2069", "−0.50"),
        (Number(-0.001, ".2f"), "۰٫۰۰", "0.00"),
        (Number(-0.0001, ".0%"), "۰\u200f٪", "0%"),
        (Number(0.834, ".0%"), "۸۳\u200f٪", "83%"),
        (Number(1e-10, ".0e"), "\u2066۱۰⁻¹⁰\u2069", "10⁻¹⁰"),
        (Number(4.02e13, ".1e"), "\u2066۴٫۰ × ۱۰¹³\u2069", "4.0 × 10¹³"),
        (Number(0.08, ".2f", "s"), "۰٫۰۸ ثانیه", "0.08 s"),
        (Number(float("inf"), ".1f"), "\u2066∞\u2069", "∞"),
        (Number(float("nan"), ".1f"), "–", "–"),
        (Number(np.float64(2.5), ".1f"), "۲٫۵", "2.5"),
        (np.int64(7), "۷", "7"),
        (torch.tensor(7), "۷", "7"),
        (Interval(0.571, 0.8, ".2f", "nats"), "۰٫۵۷ تا ۰٫۸۰ نات", "0.57 to 0.80 nats"),
        (Interval(0.6, 0.8, ".1f", value=0.7), "۰٫۷ (۰٫۶ تا ۰٫۸)", "0.7 (0.6 to 0.8)"),
        (True, "بله", "yes"),
        (np.bool_(False), "نه", "no"),
        (torch.tensor(2.0) > 1, "بله", "yes"),
        (Condition(False, "x", Text("جدا", "apart")), "جدا", "apart"),
        (below(1e-12, 1e-10), "کمتر از \u2066۱۰⁻¹⁰\u2069", "below 10⁻¹⁰"),
        (below(1.0, 0.5), "نه کمتر از ۰٫۵", "not below 0.5"),
        (above(0.25, 0.2, ".0%"), "بیش از ۲۰\u200f٪", "above 20%"),
        ("hidden_features", "hidden_features", "hidden_features"),
        ([Text("یک", "one"), 2, "c"], "یک، ۲، c", "one, 2, c"),
        (None, "–", "–"),
    ],
)
def test_a_value_is_shown_in_each_language(value, fa, en):
    assert (localize(value, "fa"), localize(value, "en")) == (fa, en)
    data = as_data(value)
    assert (data["fa"], data["en"]) == (fa, en) and json.loads(json.dumps(data)) == data


@pytest.mark.parametrize("value", [0.5, Number(0.5), Interval(1, 0.5), np.float32(1), object()])
def test_a_number_without_its_rounding_is_refused(value):
    with pytest.raises(ValueError):
        localize(value, "en")


def test_unknown_languages_and_units_are_named():
    with pytest.raises(ValueError, match="lang='de'"):
        localize(1, "de")
    with pytest.raises(ValueError, match="unit 'parsec'"):
        Number(1, "", "parsec")


def test_every_unit_is_persian_and_english():
    for unit in UNITS.values():
        assert all("\u0600" <= c or c in " \u200c" for c in unit.fa) and unit.en.isascii()


def test_programs_read_the_rounded_value():
    assert as_data(Number(0.0812, ".2f", "s")) == {
        "fa": "۰٫۰۸ ثانیه",
        "en": "0.08 s",
        "value": 0.08,
        "unit": "s",
    }
    assert as_data(Number(0.834, ".0%"))["value"] == 0.83
    assert as_data(Number(1234567.8, ",.0f"))["value"] == 1234568
    assert as_data(Number(5.3e-14, ".0e"))["value"] == 5e-14
    assert as_data(below(1, 2))["holds"] is True and as_data(7)["value"] == 7


ROWS = [
    (Text("کلی", "general"), 176, 0.5, True, None),
    (Text("مثلثی", "triangular"), 8, Number(0.25, ".2f"), False, "a|b"),
]
COLUMNS = [
    "$d$",
    Text("شمار", "count"),
    Column(Text("زمان", "time"), ".1f", "s"),
    Column(Text("درست", "right"), true=Text("یکی", "agree"), false=Text("جدا", "differ")),
    "x",
]


@pytest.mark.parametrize("rows", [ROWS, iter(ROWS), pd.DataFrame(ROWS)], ids=["list", "iterator", "frame"])
def test_a_table_in_both_languages(rows):
    shown = table(rows, COLUMNS)
    assert shown.plain.splitlines()[0].split() == ["$d$", "count", "time", "(s)", "right", "x"]
    assert shown.plain.splitlines()[1].split() == ["general", "176", "0.5", "agree", "–"]
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == shown.plain
    assert bundle["text/markdown"].splitlines() == [
        "| $d$ | count | time (s) | right | x |",
        "| :--- | ---: | ---: | :--- | :--- |",
        "| general | 176 | 0.5 | agree | – |",
        r"| triangular | 8 | 0.25 | differ | a\|b |",
    ]
    persian = bundle[EDITIONS]["fa"]["text/markdown"].splitlines()
    assert persian[0] == "| $d$ | شمار | زمان (ثانیه) | درست | x |"
    assert persian[3] == r"| مثلثی | ۸ | ۰٫۲۵ | جدا | a\|b |"


def test_a_table_of_other_columns_is_refused():
    with pytest.raises(ValueError):
        table([(1, 2)], ["one"])
    with pytest.raises(ValueError, match="needs a format"):
        table([(0.5,)], ["one"])


def test_facts_in_both_languages():
    shown = facts({Text("گام", "steps"): 3, Text("اختلاف", "gap"): below(0, 1)})
    assert repr(shown) == "steps: 3\ngap: below 1"
    assert shown.markdown == Text("- گام: ۳\n- اختلاف: کمتر از ۱", "- steps: 3\n- gap: below 1")


def test_places_of_a_sentence():
    sentence = Text("{a} و {eq}`b` و $x_{c}$ و `{d}`", "{a} and {eq}`b` and $x_{c}$ and `{d}`")
    check_places(sentence, ["a", "d"])
    assert fill(sentence.en, {"a": "1", "d": "x"}) == "1 and {eq}`b` and $x_{c}$ and `x`"
    for names in (["a"], ["a", "d", "e"]):
        with pytest.raises(ValueError):
            check_places(sentence, names)
    with pytest.raises(ValueError, match="in fa"):
        check_places(Text("بی جا", "{a}"), ["a"])
