"""What a translation changes, where it is known because we changed it ourselves."""

import colorsys

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hw2lib.data import synthetic_unpaired
from hw2lib.translation.colour_statistics import (
    COLOURS,
    colour_classes,
    colour_kept,
    colour_transitions,
    filter_share,
    saturation_and_value,
)
from hw2lib.translation.distances import relative_spread
from hw2lib.translation.leaves import KINDS, green_by_eye, kept_by_kind

LEVEL = st.integers(0, 255)


@pytest.fixture(scope="module")
def images():
    return synthetic_unpaired("apple2orange", 32, "resize", train=2, test=4).images["testA"]


def name(red, green, blue):
    pixel = torch.tensor([red, green, blue], dtype=torch.uint8).view(1, 3, 1, 1)
    return COLOURS[int(colour_classes(pixel))]


def test_colours_have_their_names():
    named = {
        (200, 20, 20): "red",
        (220, 30, 90): "red",
        (250, 140, 20): "orange",
        (240, 230, 60): "yellow",
        (60, 160, 60): "green",
        (90, 140, 220): "blue",
        (245, 245, 250): "pale",
        (110, 115, 110): "grey",
        (30, 10, 10): "dark",
    }
    assert {colour: name(*colour) for colour in named} == named


@given(LEVEL, LEVEL, LEVEL)
def test_classes_follow_the_formula_but_for_the_levels_of_pillow(red, green, blue):
    hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    near = min(abs(360 * hue - end) for end in (0, 20, 50, 70, 170, 330, 360)) < 3
    if near or abs(saturation - 0.2) < 0.01 or abs(value - 0.2) < 0.01 or abs(value - 0.6) < 0.01:
        return
    if value < 0.2:
        expected = "dark"
    elif saturation < 0.2:
        expected = "pale" if value >= 0.6 else "grey"
    else:
        ends = {20: "red", 50: "orange", 70: "yellow", 170: "green", 330: "blue", 360: "red"}
        expected = next(word for end, word in ends.items() if 360 * hue < end)
    assert name(red, green, blue) == expected


def test_transitions_count_what_was_painted():
    before = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    before[0, 0] = 200  # one image red, the other dark
    after = before.clone()
    after[0, 1, :1] = 120  # a quarter of the red one turns orange
    found = colour_transitions(before, after)
    red, orange, dark = (COLOURS.index(word) for word in ("red", "orange", "dark"))
    assert float(found[red, orange]) == 1 / 8 and float(found[red, red]) == 3 / 8
    assert float(found[dark, dark]) == 1 / 2 and float(found.sum()) == 1


def test_a_filter_is_a_filter_and_paint_in_one_place_is_not(images):
    mixed = images.double().permute(0, 2, 3, 1) @ torch.tensor(
        [[0.5, 0.2, 0.1], [0.1, 0.6, 0.1], [0.2, 0.0, 0.5]], dtype=torch.float64
    )
    filtered = (mixed.permute(0, 3, 1, 2) + 20).round().to(torch.uint8)
    assert float(filter_share(images, filtered).min()) > 0.99
    painted = images.clone()
    painted[:, :, ::2] = 255 - painted[:, :, ::2]  # every other row becomes its negative
    # The best filter turns every pixel half way, and explains half of the change.
    assert float(filter_share(images, painted).max()) < 0.75
    assert filter_share(images, images).tolist() == [1.0] * len(images)


def test_an_image_of_one_colour_has_a_filter():
    grey = torch.full((1, 3, 4, 4), 90, dtype=torch.uint8)
    assert filter_share(grey, grey + 9).tolist() == pytest.approx([1.0])


def test_only_8_bit_images_are_taken(images):
    for measure in (colour_transitions, filter_share):
        with pytest.raises(ValueError, match="expected uint8"):
            measure(images.float(), images)


def test_green_that_stays_is_green_before_and_after(images):
    green = torch.tensor([60, 160, 60], dtype=torch.uint8).view(1, 3, 1, 1)
    first, second = images.clone(), images.clone()
    first[:, :, :8], second[:, :, 4:8, :16] = green, green
    before, after = (colour_classes(a) == COLOURS.index("green") for a in (first, second))
    kept = colour_kept(first, second)
    assert kept.tolist() == [float((b & a).double().mean()) for b, a in zip(before, after, strict=True)]
    assert (kept >= 4 * 16 / 32**2).all()


def test_white_has_no_saturation_and_the_highest_value():
    colours = torch.tensor([[255, 255, 255], [255, 0, 0], [0, 0, 0], [51, 51, 51]], dtype=torch.uint8)
    saturation, value = saturation_and_value(colours.view(4, 3, 1, 1).expand(4, 3, 2, 2))
    assert saturation.tolist() == [0, 1, 0, 0] and value.tolist() == pytest.approx([1, 1, 0, 0.2])


def test_a_generator_that_collapses_has_no_spread(images):
    assert relative_spread(images[:1].expand_as(images), images) == 0
    assert relative_spread(255 - images, images) == pytest.approx(1)
    assert relative_spread(images.double() / 4, images) == pytest.approx(0.25)


def test_no_apple_has_been_sorted_twice():
    table = green_by_eye()
    assert table["image"].is_monotonic_increasing and table["image"].is_unique and table["file"].is_unique
    assert set(table["green"]) == set(KINDS) and table["image"].between(0, 265).all()


def test_of_leaves_and_green_apples_each_has_its_own_share_that_stays():
    table = green_by_eye()
    rows = pd.DataFrame({"image": range(266), "green": 0.2, "green_kept": 0.1})
    leaves = table["image"][table["green"] == "leaves"]
    rows.loc[leaves, ["green", "green_kept"]] = [0.5, 0.4]
    rows.loc[leaves.iloc[0], "green_kept"] = 0.0
    found = kept_by_kind(rows)
    assert found["images"].sum() == len(table)
    assert found["kept"]["apples"] == pytest.approx(0.5)
    assert found["kept"]["leaves"] == pytest.approx(0.8 * (len(leaves) - 1) / len(leaves))
