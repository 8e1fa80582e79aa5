"""The figures of chapter 8 say what they are given, in both languages."""

import numpy as np
import pandas as pd
import pytest

from hw2lib.anomaly.local import LocalConfig, line_filters
from hw2lib.bilingual import localize
from hw2lib.figures import diagram
from hw2lib.figures import local as figures
from hw2lib.statistics import Estimate

LANGUAGES = pytest.mark.parametrize("lang", ["fa", "en"])


@LANGUAGES
def test_the_sum_and_its_largest_group_are_drawn_where_they_are(lang):
    simulated, curve = {16: (0.5, 0.8), 64: (0.6, 1.0)}, {1.0: 0.5, 100.0: 0.7}
    (ax,) = figures.diluted(simulated, curve, lang=lang).axes
    lines = [list(line.get_ydata()) for line in ax.get_lines()]
    assert lines[:3] == [[0.5, 0.7], [0.5, 0.6], [0.8, 1.0]]
    assert ax.get_xscale() == "log"


@LANGUAGES
def test_filters_stand_in_pairs_by_direction(lang):
    bank = line_filters(LocalConfig(widths=(2.0,), lengths=(8.0,)))
    axes = figures.filters(bank, 8, lang=lang).axes
    assert len(axes) == 16
    for k, ax in enumerate(axes):
        np.testing.assert_array_equal(ax.images[0].get_array(), bank[2 * (k % 8) + k // 8])
    assert [axes[k].get_title() for k in (0, 1, 4)] == (
        ["0°", "22.5°", "90°"] if lang == "en" else ["۰°", "۲۲٫۵°", "۹۰°"]
    )


@LANGUAGES
def test_the_pipeline_goes_from_the_image_to_one_number(lang):
    (ax,) = figures.pipeline(lang=lang).axes
    assert diagram.arrows(ax) == {f"{k}->{k + 1}" for k in range(5)}
    shapes = "3×256×256", "35×64×64", "1"
    texts = [text.get_text() for text in ax.texts]
    assert {shape if lang == "en" else diagram.style.digits(shape, "fa") for shape in shapes} <= set(texts)


@LANGUAGES
def test_a_density_shades_what_it_calls_usual(lang):
    axis = np.linspace(-2, 2, 9)
    values = np.add.outer(axis**2, axis**2)
    planes = {"gaussian": (values, (1.0, 2.0, 3.0)), "maf": (values, (1.0, 2.0, 3.0))}
    axes = figures.one_cell(np.zeros((5, 2)), (axis, axis), planes, lang=lang).axes
    assert [ax.get_title() for ax in axes] == [localize(figures.METHODS[name], lang) for name in planes]
    assert all(len(ax.get_lines()[0].get_xdata()) == 5 for ax in axes)


@LANGUAGES
def test_shares_of_nothing_are_left_out_of_a_logarithmic_axis(lang):
    (ax,) = figures.calibration({"neighbours": {0.1: 0.09, 0.01: 0.0}}, lang=lang).axes
    assert ax.get_lines()[0].get_ydata().tolist() == [0.09]


@LANGUAGES
def test_every_measure_has_its_interval(lang):
    found = {name: Estimate(0.5, 0.4, 0.6) for name in figures.MEASURES}
    (ax,) = figures.measures({"maf": found, "location_only": {"pixel_auroc": found["all"]}}, lang=lang).axes
    assert len(ax.get_lines()) == 2 * (len(figures.MEASURES) + 1)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        localize(figures.METHODS["maf"], lang),
        localize(figures.LOCATION_ONLY, lang),
    ]


@LANGUAGES
def test_missed_defects_are_ringed(lang):
    defects = pd.DataFrame(
        {"defect": ["crack", "poke"], "row": [10.0, 20.0], "column": [1.0, 2.0], "missed": [False, True]}
    )
    alarms = pd.DataFrame({"peak_row": [30.0], "peak_column": [40.0]})
    (ax,) = figures.places(defects, alarms, 64, lang=lang).axes
    ring, cross = ax.get_lines()[-2:]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (2.0, 20.0)
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (40.0, 30.0)
