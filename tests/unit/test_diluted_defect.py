"""A defect in a sum of many terms: the formula against draws, also of terms that are correlated."""

import numpy as np
import pytest

from hw2lib.experiments.diluted_defect import area_of_sum, simulated_areas
from hw2lib.statistics import auroc


def test_the_formula_is_what_draws_give():
    found = simulated_areas(4096, [16, 64], 1.0, images=1500)
    for k, (of_sum, of_group) in found.items():
        # Four standard errors of an area of 1,500 against 1,500.
        assert of_sum == pytest.approx(area_of_sum(4096, k, 1.0), abs=4 * 0.0106)
        assert of_group > of_sum + 0.1


@pytest.mark.parametrize("correlation", [0.0, 0.05])
def test_correlation_spreads_the_sum(correlation):
    rng, terms, moved, images = np.random.default_rng(1), 200, 40, 4000
    common = np.sqrt(correlation) * rng.standard_normal((2 * images, 1))
    sums = (common + np.sqrt(1 - correlation) * rng.standard_normal((2 * images, terms))).sum(1)
    defective = np.arange(2 * images) >= images
    found = auroc(defective, sums + moved * 0.5 * defective)
    assert found == pytest.approx(area_of_sum(terms, moved, 0.5, correlation), abs=4 * 0.0065)
