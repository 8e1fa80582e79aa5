"""Schematics show the model: areas are masses, and the edges of a drawing are those of the masks."""

import numpy as np
import pytest
import sympy as sp

from hw2lib.figures import diagram
from hw2lib.figures.schematics_flows import stretched_intervals
from hw2lib.symbolic import Density, change_of_variables


def area(polygon):
    x, y = polygon.get_paths()[0].vertices[:-1].T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


@pytest.mark.parametrize("lang", ["fa", "en"])
def test_a_stretched_interval_keeps_its_area(lang):
    z, x = sp.Symbol("z", real=True), sp.Symbol("x", positive=True)
    base = Density(z, sp.Rational(1, 2), 0, 2)
    derivation = change_of_variables(base, inverse=sp.log(x), variable=x)
    pieces = [(0.2, 0.6), (1.4, 1.8)]
    fig = stretched_intervals(derivation, base, pieces, lang=lang)
    for ax in fig.axes:
        assert [area(fill) for fill in ax.collections] == pytest.approx([0.2, 0.2], rel=1e-3)


def test_arrows_are_found_by_name_and_links_keep_to_the_rims():
    _, ax = diagram.canvas(3, 1)
    diagram.link(ax, (0.5, 0.5), (2.5, 0.5), radius=0.25, name="a->b")
    diagram.arrow(ax, (0, 0), (1, 1))
    assert diagram.arrows(ax) == {"a->b"}
    assert [tuple(point) for point in ax.patches[0]._posA_posB] == [(0.75, 0.5), (2.25, 0.5)]
