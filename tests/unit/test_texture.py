"""Skins whose texture we made: smooth or dimpled, in any colour and light."""

import numpy as np
import pytest
import torch

from hw2lib.data import synthetic_unpaired
from hw2lib.translation.colour_statistics import COLOURS, colour_classes
from hw2lib.translation.texture import RINGS, SIDE, Skins, SkinTest, fruit_windows, textures


def skins(dimples, n=40, seed=0, colour=(200.0, 60.0, 50.0), contrast=10.0, slope=0.0):
    """Images of 32 × 32 that are all skin: dimples are of the finest frequencies, spots of the coarsest."""
    noise = torch.randn(n, 1, 32, 32, generator=torch.Generator().manual_seed(seed))
    coarse = torch.nn.functional.avg_pool2d(noise, 5, 1, 2)
    grain = noise - coarse if dimples else 3 * coarse
    light = slope * torch.linspace(-1, 1, 32)
    return (torch.tensor(colour).view(3, 1, 1) + contrast * grain + light).clamp(0, 255).to(torch.uint8)


def everywhere(images):
    return torch.ones(len(images), 2, 2, dtype=torch.bool)


def test_windows_are_those_of_a_fruit_s_colours():
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    images[0, :, :, :16] = torch.tensor([200, 30, 30]).view(3, 1, 1)
    images[0, :, 16:18, :16] = torch.tensor([60, 160, 60]).view(3, 1, 1)  # one pixel in eight is green
    assert fruit_windows(images).tolist() == [[[True, False], [False, False]]]


def test_energy_lies_in_the_ring_of_its_frequency():
    place = torch.arange(32)
    for j in range(1, SIDE // 2 + 1):
        wave = 128 + 60 * torch.cos(2 * np.pi * (j / SIDE * place + 0.1))
        image = wave.expand(1, 3, 32, 32).to(torch.uint8)
        expected = int(np.ceil(j / SIDE * 2 * RINGS)) - 1
        assert (textures(image, everywhere(image)).argmax(1) == expected).all()


def test_colour_contrast_and_the_slope_of_light_are_no_texture():
    plain = textures(skins(True, contrast=20), everywhere(skins(True)))
    for changed in ({"colour": (230.0, 150.0, 40.0)}, {"contrast": 10.0}, {"slope": 15.0}):
        images = skins(True, **({"contrast": 20} | changed))
        assert np.abs(textures(images, everywhere(images)) - plain).mean() < 0.1


def test_a_skin_that_was_dimpled_is_taken_for_the_dimpled_fruit():
    apples, oranges = skins(False, seed=1), skins(True, seed=2)
    test = SkinTest.fit(*(textures(i, everywhere(i)) for i in (apples, oranges)))
    shares = [
        test.share_orange(textures(i, everywhere(i))) for i in (skins(False, seed=3), skins(True, seed=4))
    ]
    assert shares[0] < 0.05 and shares[1] > 0.95
    orange_in_colour_alone = skins(False, seed=5, colour=(240.0, 150.0, 40.0))
    assert test.share_orange(textures(orange_in_colour_alone, everywhere(orange_in_colour_alone))) < 0.05


def test_the_windows_of_a_translation_are_those_of_its_photograph():
    data = synthetic_unpaired("apple2orange", 64, "resize", train=40, test=20)
    found = Skins.of(data)
    assert found is not None
    assert found.told == pytest.approx((1 - found.shares["A"] + found.shares["B"]) / 2)
    assert found.share_orange(data.images["testA"], "A") == found.shares["A"]
    blue = torch.zeros_like(data.images["testA"])
    blue[:, 2] = 200
    assert (colour_classes(blue) == COLOURS.index("blue")).all()
    assert 0 <= found.share_orange(blue, "A") <= 1


def test_a_set_without_fruit_has_no_skins():
    assert Skins.of(synthetic_unpaired("summer2winter", 64, "resize", train=4, test=2)) is None
