"""Disturbing what a generator made, with generators of which we know where they keep the input."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hw2lib.data.unpaired import to_signed, to_uint8
from hw2lib.translation.colour_statistics import COLOURS, colour_classes
from hw2lib.translation.steganography import (
    COLOUR,
    LEVEL,
    OCTAVES,
    PERTURBATIONS,
    Perturbation,
    colour_returns,
    reconstruction_curve,
)


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(4, 3, 16, 16, generator=generator, dtype=torch.float64) - 0.5


def curve(forward, backward, x):
    return {(row["kind"], row["level"]): row for row in reconstruction_curve(forward, backward, x)}


def hiding(share):
    """A pair that shows the same grey for every input and keeps the input in a small difference from it."""
    return lambda x: 0.1 + share * x, lambda z: (z - 0.1) / share


def test_the_identity_passes_every_disturbance_on(images):
    rows = curve(lambda x: x, lambda z: z, images)
    assert len(rows) == len(PERTURBATIONS)
    for row in rows.values():
        assert row["error"] == pytest.approx(row["size"]) and row["moved"] == pytest.approx(row["size"])
    for sigma in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0):
        assert rows["noise", sigma]["size"] == pytest.approx(sigma * math.sqrt(2 / math.pi), rel=0.05)
    assert rows["noise", 0.0]["size"] == 0
    # Rounding is off by a quarter of a level on average.
    assert rows["rounding", 0.0]["size"] == pytest.approx(0.25, rel=0.05)


def test_a_hidden_image_is_amplified_noise_and_dies_by_rounding(images):
    share = 0.5 / 255  # the input moves what is shown by at most a quarter of a level
    rows = curve(*hiding(share), images)
    assert rows["noise", 0.0]["error"] < 1e-9
    for sigma in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0):
        row = rows["noise", sigma]
        assert row["moved"] / row["size"] == pytest.approx(1 / share)
    # After rounding the reconstruction is one colour: it is as far from x as a constant is.
    assert rows["rounding", 0.0]["size"] < 0.51
    assert rows["rounding", 0.0]["error"] > images.abs().mean() / LEVEL


def test_what_is_shown_openly_survives_rounding(images):
    rows = curve(*hiding(0.8), images)
    assert rows["rounding", 0.0]["moved"] / rows["rounding", 0.0]["size"] == pytest.approx(1 / 0.8)
    assert rows["rounding", 0.0]["error"] < 0.5


def test_the_low_bits_carry_a_whole_image_only_until_they_are_noisy():
    """The classic hiding place: the four low bits of a cover hold the four high bits of the input."""
    levels = torch.arange(256, dtype=torch.float64).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    x = (levels * LEVEL - 1).contiguous()

    def forward(x):
        high = (((x + 1) / LEVEL).round() // 16).clamp(0, 15)
        return (128 + high) * LEVEL - 1

    def backward(z):
        low = ((z + 1) / LEVEL).round() % 16
        return (low * 16 + 8) * LEVEL - 1

    rows = curve(forward, backward, x)
    assert rows["noise", 0.0]["error"] == rows["rounding", 0.0]["error"] == pytest.approx(4, abs=0.1)
    assert rows["noise", 4.0]["error"] > 10 * rows["noise", 4.0]["size"]
    assert rows["jpeg", 50.0]["error"] > 3 * rows["jpeg", 50.0]["size"]


def test_a_constant_answer_does_not_move(images):
    rows = curve(lambda x: x, lambda z: torch.zeros_like(z), images)
    assert all(row["moved"] == 0 for row in rows.values())
    assert all(row["error"] == pytest.approx(images.abs().mean() / LEVEL) for row in rows.values())


@given(st.sampled_from(sorted({*PERTURBATIONS, *OCTAVES, *COLOUR}, key=str)), st.integers(0, 5))
def test_a_disturbed_image_is_an_image(perturbation, seed):
    x = 2 * torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) - 1
    first, again = perturbation(x, seed), perturbation(x, seed)
    assert torch.equal(first, again) and first.shape == x.shape and first.dtype == x.dtype
    assert float(first.abs().max()) <= 1 + 1e-6


def test_images_of_whole_levels_are_not_rounded():
    x = to_signed(torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16))
    assert torch.equal(Perturbation("rounding")(x), x)
    assert torch.equal(Perturbation("blur", 0)(x), x)


def test_more_blur_and_less_quality_change_more(images):
    rows = curve(lambda x: x, lambda z: z, images)
    assert rows["blur", 1.0]["size"] > rows["blur", 0.5]["size"] > 0
    assert rows["jpeg", 50.0]["size"] > rows["jpeg", 75.0]["size"] > rows["jpeg", 95.0]["size"] > 0


@pytest.mark.parametrize(
    "kind, level, message",
    [
        ("fog", 1, "kind='fog'"),
        ("grey", 1, "level=1"),
        ("octave", 0, "level=0"),
        ("noise", -1, "level=-1"),
        ("jpeg", 0, "level=0"),
        ("rounding", 2, "level=2"),
    ],
)
def test_unknown_disturbances_are_refused(kind, level, message):
    with pytest.raises(ValueError, match=message):
        Perturbation(kind, level)


def luma(x):
    return (torch.tensor([0.299, 0.587, 0.114], dtype=x.dtype).view(3, 1, 1) * x).sum(1, keepdim=True)


def test_grey_keeps_the_luma_and_swap_takes_the_colours_of_the_next_image(images):
    grey, swapped = Perturbation("grey")(images / 2), Perturbation("swap")(images / 2)
    assert torch.allclose(luma(grey), luma(images / 2)) and torch.equal(grey[:, 0], grey[:, 2])
    assert torch.allclose(luma(swapped), luma(images / 2))
    colours, others = swapped - luma(swapped), images / 2 - luma(images / 2)
    assert torch.allclose(colours, others.roll(-1, 0))


def test_an_octave_of_noise_has_its_frequencies_and_no_others():
    still = torch.zeros(2, 3, 32, 32, dtype=torch.float64)
    rows, columns = torch.fft.fftfreq(32).abs(), torch.fft.rfftfreq(32)
    frequency = torch.maximum(rows[:, None], columns)
    for octave in OCTAVES:
        noise = octave(still)
        assert noise.std((2, 3)).mean() == pytest.approx(2 * LEVEL)
        power = torch.fft.rfft2(noise).abs().square().mean((0, 1))
        inside = (frequency > 0.5 ** (octave.level + 1)) & (frequency <= 0.5**octave.level)
        assert power[~inside].sum() < 1e-20 * power[inside].sum()


def summers():
    """Four meadows, each in a corner of its own, beneath a grey sky."""
    levels = torch.full((4, 3, 16, 16), 128, dtype=torch.uint8)
    for k, (rows, columns) in enumerate([(0, 0), (0, 8), (8, 0), (8, 8)]):
        levels[k, :, rows : rows + 8, columns : columns + 8] = torch.tensor([60, 160, 60]).view(3, 1, 1)
    return to_signed(levels).double()


def test_a_meadow_that_is_kept_as_a_faint_tinge_is_gone_without_its_colour():
    share = 0.05  # of the colour is left: two or three levels

    def forward(x):
        return luma(x) + share * (x - luma(x))

    def backward(z):
        return (luma(z) + (z - luma(z)) / share).clamp(-1, 1)

    x = summers()
    rows = {(row["kind"], row["level"]): row for row in colour_returns(x, forward(x), backward)}
    assert set(rows) == {(p.kind, p.level) for p in COLOUR}
    assert all(row["images"] == 4 for row in rows.values())
    assert rows["noise", 0]["share"] == 1 and rows["noise", 0]["size"] == 0
    assert rows["grey", 0]["share"] == 0 and 0 < rows["grey", 0]["size"] < 8
    # The meadow of the next image comes back, in another corner.
    assert rows["swap", 0]["share"] == 0
    green = colour_classes(to_uint8(backward(Perturbation("swap")(forward(x))))) == COLOURS.index("green")
    assert torch.equal(green, colour_classes(to_uint8(x)).roll(-1, 0) == COLOURS.index("green"))


def test_a_meadow_that_can_be_guessed_from_its_shade_needs_no_message():
    """The sky is 128, the meadow's luma about 119: who knows that paints it green without any colour."""

    def backward(z):
        meadow = (luma(z) < to_signed(torch.tensor(124, dtype=torch.uint8))).to(z)
        return meadow * to_signed(torch.tensor([60, 160, 60], dtype=torch.uint8)).view(3, 1, 1).to(z)

    x = summers()
    rows = {row["kind"]: row for row in colour_returns(x, luma(x).expand_as(x), backward)}
    assert rows["noise"]["share"] == rows["grey"]["share"] == rows["swap"]["share"] == 1
    assert rows["swap"]["size"] == pytest.approx(0, abs=1e-9)


def test_images_whose_green_turns_are_looked_at_and_no_others():
    """The second meadow stays, the third is too small: the next of the first is the fourth."""
    x = summers()
    x[2, :, 9:] = 0

    def forward(x):
        grey = luma(x).expand_as(x).clone()
        grey[1] = x[1]
        return grey + 0.05 * (x - luma(x))

    asked = []

    def backward(z):
        asked.append(z)
        return z

    rows = colour_returns(x, forward(x), backward, perturbations=[Perturbation("swap")])
    assert rows[0]["images"] == 2 and len(asked[-1]) == 2
    first, last = forward(x)[[0, 3]]
    assert torch.allclose(asked[-1][0] - luma(asked[-1][:1])[0], last - luma(last[None])[0])
    assert torch.allclose(luma(asked[-1][:1]), luma(first[None]))


def test_a_colour_that_nothing_takes_away_cannot_come_back():
    assert colour_returns(summers(), summers(), lambda z: z) == []
