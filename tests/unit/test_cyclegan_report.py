"""What a CycleGAN run measures and draws, for generators of which every output is known."""

import pytest
import torch
from torch import nn

from hw2lib.cyclegan import CycleGAN
from hw2lib.data.unpaired import UnpairedImages, to_uint8
from hw2lib.jobs.cyclegan import contact_sheet

# As a module: by itself, pytest would take the function test_metrics for a test.
from hw2lib.translation import similarity

COUNTS = {"testA": 2, "testB": 3}


class Affine(nn.Module):
    """x ↦ scale · x + shift."""

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.tensor(scale)), shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x + self.shift


@pytest.fixture
def net() -> CycleGAN:
    """G halves, F turns to the negative and adds ¼: done in the other order, the result is another."""
    return CycleGAN(Affine(0.5, 0.0), Affine(-1.0, 0.25), nn.Identity(), nn.Identity())


@pytest.fixture
def data() -> UnpairedImages:
    """Noise whose spread grows from image to image, so that each has measures of its own."""
    generator = torch.Generator().manual_seed(0)
    images = {}
    for split, count in COUNTS.items():
        spreads = torch.arange(1, count + 1).view(-1, 1, 1, 1) * 40
        noise = torch.rand(count, 3, 16, 16, generator=generator)
        images[split] = (128 + spreads * (noise - 0.5)).round().to(torch.uint8)
    return UnpairedImages("noise", 16, images, {}, "", [])


def signed(data: UnpairedImages, split: str) -> torch.Tensor:
    return data.images[split] / 127.5 - 1


def test_metrics_follow_their_formulas_in_both_domains(net, data):
    x, y = signed(data, "testA"), signed(data, "testB")
    cycled = {"A": (x, 0.25 - x / 2), "B": (y, (0.25 - y) / 2)}  # F(G(x)) and G(F(y))
    kept = {"A": (x, 0.25 - x), "B": (y, y / 2)}  # F(x) and G(y)
    expected = {}
    for domain, (image, output) in cycled.items():
        errors = ((output - image) ** 2).flatten(1).mean(1)
        # Images in [−1, 1] span 2; the mean is over decibels, not over errors.
        expected[f"cycle_psnr_{domain}"] = (10 * torch.log10(2**2 / errors)).mean()
        expected[f"cycle_ssim_{domain}"] = similarity.structural_similarity(output, image).mean()
        expected[f"cycle_l1_{domain}"] = (output - image).abs().mean()
    for domain, (image, output) in kept.items():
        expected[f"identity_l1_{domain}"] = (output - image).abs().mean()
    found = similarity.test_metrics(net, data)
    assert found == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-5)


def test_the_rows_of_a_sheet_are_g_f_of_g_f_and_g_of_f(net, data):
    x, y = signed(data, "testA")[[0, 1]], signed(data, "testB")[[0, 2]]  # the first and the last
    rows = [x / 2, 0.25 - x / 2, 0.25 - y, (0.25 - y) / 2]
    sheet = contact_sheet(net, data, columns=2)
    assert sheet.shape == (4 * 2, 3, 16, 16) and sheet.dtype == torch.uint8
    for found, expected in zip(sheet.split(2), rows, strict=True):
        assert torch.equal(found, to_uint8(expected))


def test_a_sheet_of_more_columns_than_images_repeats_them(net, data):
    sheet = contact_sheet(net, data).unflatten(0, (4, 6))
    assert torch.equal(sheet[0], to_uint8(signed(data, "testA")[[0, 0, 0, 1, 1, 1]] / 2))
    assert torch.equal(sheet[2], to_uint8(0.25 - signed(data, "testB")[[0, 0, 1, 1, 2, 2]]))
