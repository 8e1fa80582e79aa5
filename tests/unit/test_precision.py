"""The run in 32 bits beside three seeds: values whose place is known, and chance by another calculation."""

import shutil

import pytest
from scipy import integrate, stats

from hw2lib.errors import UserError
from hw2lib.runs.folder import read_json, write_json
from hw2lib.runs.paths import paper_root
from hw2lib.runs.precision import Held, held_in_32_bits, outside_by_chance

JOB = "cyclegan-apple2orange-small"


@pytest.mark.parametrize(
    "value, seeds, outside",
    [
        (0.11, (0.3, 0.2, 0.25), False),
        (0.09, (0.3, 0.2, 0.25), True),
        (0.39, (0.3, 0.2, 0.25), False),
        (0.41, (0.3, 0.2, 0.25), True),
        (1.0, (1.0, 1.0, 1.0), False),
        (0.99, (1.0, 1.0, 1.0), True),
    ],
)
def test_the_range_of_the_seeds_is_widened_by_its_width(value, seeds, outside):
    held = Held(value, seeds)
    assert held.outside is outside and not held.turned


@pytest.mark.parametrize(
    "value, seeds, turned",
    [
        (0.4, (0.6, 0.7, 0.9), True),
        (0.51, (0.6, 0.7, 0.9), False),
        (0.6, (0.4, 0.3, 0.1), True),
        (0.5, (0.4, 0.3, 0.1), False),
        (0.6, (0.4, 0.3, 0.7), False),  # the seeds themselves do not agree
        (0.4, (0.4, 0.3, 0.7), False),
    ],
)
def test_a_verdict_is_turned_where_all_seeds_are_on_the_other_side(value, seeds, turned):
    assert Held(value, seeds, threshold=0.5).turned is turned


def test_chance_is_what_an_integral_says():
    """Over the least a and the most b of three normals, with density 6 φ(a) φ(b) (Φ(b) − Φ(a))."""
    phi, cdf = stats.norm.pdf, stats.norm.cdf

    def density(b, a):
        out = cdf(2 * a - b) + stats.norm.sf(2 * b - a)
        return 6 * phi(a) * phi(b) * (cdf(b) - cdf(a)) * out

    expected, _ = integrate.dblquad(density, -8, 8, lambda a: a, 8, epsabs=1e-4)
    assert outside_by_chance() == pytest.approx(expected, abs=0.004)
    assert 0.05 < expected < 0.3


@pytest.fixture
def control(tmp_path, monkeypatch):
    """A checkout whose run in 32 bits is that of seed 0."""
    for seed in range(3):
        shutil.copytree(paper_root() / JOB / f"seed-{seed}", tmp_path / JOB / f"seed-{seed}")
    folder = tmp_path / f"{JOB}-float32"
    shutil.copytree(paper_root() / JOB / "seed-0", folder)
    shutil.copytree(paper_root() / "photographs-grid", tmp_path / "photographs-grid")
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path))
    return folder


def test_a_run_that_is_one_of_the_seeds_is_nowhere_outside_of_them(control):
    config = read_json(control / "config.json")
    write_json(control / "config.json", config | {"bfloat16": False})
    held = held_in_32_bits()
    assert len(held) == 21
    assert all(each.value == each.seeds[0] for each in held.values())
    assert not any(each.outside or each.turned for each in held.values())
    with_threshold = [name for name, each in held.items() if each.threshold is not None]
    assert len(with_threshold) == 15 and ("filter", "A") in with_threshold


@pytest.mark.parametrize("changed", [{"bfloat16": True}, {"bfloat16": False, "seed": 1}])
def test_another_setting_that_differs_is_refused(control, changed):
    config = read_json(control / "config.json")
    write_json(control / "config.json", config | changed)
    with pytest.raises(UserError, match="in more than the precision"):
        held_in_32_bits()
