"""Figures to explore: what a cell stores, what a page gets of it, and that the numbers are right."""

import json
import re

import numpy as np
import pytest
import sympy as sp
import torch
from bilingual import edition_notebook
from sklearn.metrics import confusion_matrix, precision_score

from hw2lib.bilingual import EDITIONS, Text
from hw2lib.cyclegan import PatchDiscriminator
from hw2lib.experiments.receptive_fields import field_slice, field_table
from hw2lib.figures import anomaly, change_of_variables, cyclegan_networks, explore, flow_training, made
from hw2lib.figures.explore import Control, Explorable, Reading, axis, localized, shown
from hw2lib.figures.style import Picture
from hw2lib.flows import inverse_stages, spread_degrees, visible_inputs
from hw2lib.statistics import class_weights, count_alarms
from hw2lib.symbolic import Density

STILL = Picture("image/png", {"fa": b"fa", "en": b"en"})
LEVEL = Control("level", Text("سطح", "level"), [0.5, 1.0], 1, ".1f")
KIND = Control("kind", Text("نوع", "kind"), [Text("یک", "one"), Text("دو", "two")], choice=True)


def tiny(values=((0.126, np.nan), (0.5, 4.0)), by=("kind", "level")) -> Explorable:
    reading = Reading(Text("زمان", "time"), by, values, ".2f", "s")
    return Explorable(
        "tiny", [LEVEL, KIND], [reading], {"x": axis("x", 0, 1, [0.5], "g"), "p": 0.123456}, STILL
    )


def test_a_cell_stores_the_picture_and_rounded_numbers_once():
    bundle = tiny()._repr_mimebundle_()
    payload = bundle[explore.MIME]
    assert json.loads(json.dumps(payload)) == payload
    assert payload["readings"][0]["values"] == {
        "shown": [[0.13, None], [0.5, 4.0]],
        "format": ".2f",
        "unit": "s",
    }
    assert payload["drawing"]["p"] == 0.1235
    assert {"image/png", EDITIONS, "text/plain"} <= set(bundle)


def test_each_edition_has_its_words_and_digits():
    payload = tiny()._repr_mimebundle_()[explore.MIME]
    fa, en = localized(payload, "fa"), localized(payload, "en")
    assert fa["readings"] == [
        {
            "label": "زمان",
            "by": ["kind", "level"],
            "values": [["۰٫۱۳ ثانیه", "–"], ["۰٫۵۰ ثانیه", "۴٫۰۰ ثانیه"]],
        }
    ]
    assert en["controls"][0] == {
        "name": "level",
        "label": "level",
        "start": 1,
        "choice": False,
        "values": ["0.5", "1.0"],
    }
    assert [c["values"] for c in (fa["controls"][1], en["controls"][1])] == [["یک", "دو"], ["one", "two"]]
    assert fa["drawing"]["x"]["ticks"] == ["۰٫۵"] and fa["drawing"]["x"]["at"] == [0.5]


def test_the_table_shows_what_the_widget_will():
    table = tiny().table((0.5, Text("یک", "one")), (1.0, Text("دو", "two")))
    assert [line.split() for line in table.plain.splitlines()] == [
        ["level", "kind", "time"], ["0.5", "one", "0.13", "s"], ["1.0", "two", "4.00", "s"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "by"),
    [
        (((1.0, 2.0),), ("kind", "level")),
        ((1.0, 2.0, 3.0), ("level",)),
        (((1.0,), (1.0, 2.0)), ("kind", "level")),
    ],
)
def test_readings_that_do_not_fit_the_controls_are_refused(values, by):
    with pytest.raises(ValueError, match="time: . values for a control with 2 positions"):
        tiny(values, by)


def test_a_reading_may_stay_the_same():
    assert tiny(0.25, ()).table((0.5, Text("یک", "one"))).plain.split()[-2:] == ["0.25", "s"]


def test_a_page_has_the_widget_and_a_download_the_picture():
    data = tiny()._repr_mimebundle_()
    data[explore.MIME]["drawing"]["tag"] = "</script>"
    caption = {"fa": "شکل", "en": "A figure"}
    cell = {
        "cell_type": "code",
        "metadata": {"mystnb": {"figure": {"caption": caption}}},
        "outputs": [{"output_type": "execute_result", "data": data}],
    }
    text = json.dumps({"cells": [cell]})
    for lang, picture in (("fa", "ZmE="), ("en", "ZW4=")):
        page = json.loads(edition_notebook(text, lang, {}, on_page=True))["cells"][0]
        download = json.loads(edition_notebook(text, lang, {}))["cells"][0]
        for shown_cell in (page, download):
            assert shown_cell["outputs"][0]["data"]["image/png"] == picture
            assert explore.MIME not in json.dumps(shown_cell)
        assert download["metadata"]["mystnb"]["figure"]["caption"] == caption[lang]
        legend = page["metadata"]["mystnb"]["figure"]["caption"]
        assert legend.startswith(caption[lang]) and legend.count("</script>") == 1
        stored = json.loads(re.search("<script [^>]*>(.*)</script>", legend)[1])
        assert stored == localized(data[explore.MIME], lang)


def test_numbers_without_a_format_are_refused():
    with pytest.raises(ValueError, match="format"):
        shown([0.5])


def read(widget: Explorable, label: str):
    """The values of the reading with this English label."""
    return next(reading.values for reading in widget.readings if reading.label.en == label)


def test_alarms_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    anomalous = rng.random(60) < 0.4
    scores = np.round(rng.normal(size=60) + anomalous, 2)
    for threshold in (-1.0, 0.25, 1.5):
        alarms, called = count_alarms(anomalous, scores, threshold), scores >= threshold
        counted = confusion_matrix(anomalous, called).ravel()
        assert [alarms.quiet, alarms.false, alarms.missed, alarms.found] == counted.tolist()
        for share in (0.5, 0.01):
            weights = class_weights(anomalous, share)
            expected = precision_score(anomalous, called, sample_weight=weights)
            assert alarms.precision(share) == pytest.approx(expected)
    assert np.isnan(count_alarms(anomalous, scores, 99.0).precision(0.5))
    widget = anomaly.threshold(anomalous, scores, [0.0, 0.5], 0.5, (0.5, 0.1))
    assert read(widget, "defects found") == [int((scores[anomalous] >= t).sum()) for t in (0.0, 0.5)]


def test_an_output_sees_what_its_degrees_allow():
    degrees = [torch.tensor([1, 1, 3, 5]), torch.tensor([2, 2, 3, 5])]
    widget = made.wiring({Text("یک", "one"): degrees, Text("دو", "two"): [spread_degrees(6, 4)] * 2}, 6, 3)
    seen = [visible_inputs(d, 6).tolist() for d in (degrees, [spread_degrees(6, 4)] * 2)]
    assert read(widget, "inputs that it sees") == seen
    assert seen[0] != seen[1]


def test_the_stages_fill_every_dimension():
    degrees = [spread_degrees(24, 8)] * 2
    widget = flow_training.inverse(inverse_stages(degrees, 24), degrees)
    assert read(widget, "passes of the simple way") == [1, 4, 7, 10, 14, 17, 20, 23, 24]
    assert [text.en for text in read(widget, "dimensions filled in")][:3] == ["1", "2 to 4", "5 to 7"]
    assert sum(read(widget, "hidden units computed")) == 16


def test_fields_are_those_of_the_discriminator():
    network, size = PatchDiscriminator(), 128
    widget = cyclegan_networks.receptive({"one": field_table(network)}, size, places=3)
    first, outside = read(widget, "first pixel")[0][-1], read(widget, "share outside the image")[0][-1]
    with torch.no_grad():
        count = network(torch.zeros(1, 3, size, size)).shape[-1]
    assert read(widget, "outputs along a side")[0][-1] == count
    for place, index in enumerate((0, round(0.5 * (count - 1)), count - 1)):
        inside = field_slice(network, index, size)
        assert max(first[place], 0) == inside.start
        assert outside[place] == pytest.approx(1 - ((inside.stop - inside.start) / 70) ** 2)


def test_a_stretched_density_is_lower_by_the_slope():
    z = sp.Symbol("z", real=True)
    normal = Density(z, sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi), -sp.oo, sp.oo)
    bases = {"uniform": Density(z, 1, 0, 1), "normal": normal}
    widget = change_of_variables.affine(bases, [-2, 0.5], [-1, 0], (0.5, 0))
    assert widget.drawing["scales"] == [pytest.approx([0.5, 2.0])] * 2
    assert [[text.en for text in row] for row in read(widget, "support of x")[0]] == [
        ["−3.00 to −1.00", "−2.00 to 0.00"], ["−1.00 to −0.50", "0.00 to 0.50"]
    ]  # fmt: skip
    assert read(widget, "highest density of x")[1] == pytest.approx([0.1995, 0.7979], abs=1e-4)
    assert read(widget, "probability of the marked piece") == pytest.approx([0.25, 0.0819], abs=1e-4)
