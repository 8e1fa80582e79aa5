"""The published architecture, and an instance norm that is torch's."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hw2lib.cyclegan import (
    InstanceNorm,
    PatchDiscriminator,
    ResnetGenerator,
    UnetGenerator,
    receptive_field,
)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("layers", "side"), [(1, 30), (2, 14), (3, 6)])
def test_every_layer_of_the_patchgan_halves_the_map(layers, side):
    assert PatchDiscriminator(2, layers)(torch.zeros(1, 3, 64, 64)).shape == (1, 1, side, side)


def test_a_patchgan_has_a_layer():
    with pytest.raises(ValueError, match="layers=0: expected at least one"):
        PatchDiscriminator(layers=0)


def test_receptive_field_of_the_patchgan_is_70():
    assert receptive_field(PatchDiscriminator()) == 70


def test_receptive_field_is_what_moves_an_output():
    network = PatchDiscriminator(features=2).double()
    # Instance norm lets every pixel move every output, so the convolutions alone are asked.
    convolutions = nn.Sequential(*(layer for layer in network.layers if isinstance(layer, nn.Conv2d)))
    x = torch.randn(1, 3, 128, 128, dtype=torch.float64, requires_grad=True)
    scores = convolutions(x)
    (gradient,) = torch.autograd.grad(scores[0, 0, 7, 7], x)
    rows = gradient.abs().sum((0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (ResnetGenerator(blocks=6), 7_837_699),
        (ResnetGenerator(blocks=9), 11_378_179),
        (PatchDiscriminator(), 2_764_737),
    ],
)
def test_parameter_counts_match_the_published_architecture(network, count):
    assert parameters(network) == count


def test_layer_shapes_of_the_resnet_generator():
    shapes = [tuple(p.shape) for p in ResnetGenerator(blocks=6).parameters() if p.dim() == 4]
    blocks = [(256, 256, 3, 3)] * 12
    down = [(64, 3, 7, 7), (128, 64, 3, 3), (256, 128, 3, 3)]
    assert shapes == [*down, *blocks, (256, 128, 3, 3), (128, 64, 3, 3), (3, 64, 7, 7)]


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_generators_keep_the_shape_and_range(upsampling):
    x = torch.randn(2, 3, 32, 32)
    for network in (ResnetGenerator(2, 8, upsampling), UnetGenerator(downs=5, features=8)):
        y = network(x).detach()
        assert y.shape == x.shape and float(y.abs().max()) <= 1


def test_unknown_upsampling_is_refused():
    with pytest.raises(ValueError, match="upsampling='bilinear'"):
        ResnetGenerator(upsampling="bilinear")


def test_weights_are_drawn_from_a_normal_of_002():
    weights = torch.cat(
        [p.flatten() for p in ResnetGenerator(blocks=1).parameters() if p.dim() == 4]
    ).detach()
    assert abs(float(weights.std()) - 0.02) < 1e-4 and abs(float(weights.mean())) < 1e-4


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("batch", [1, 2])
def test_instance_norm_is_torch_s_in_every_layout(batch, layout):
    """torch.nn.InstanceNorm2d fails this for one image in channels_last between two convolutions on a CPU."""
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 8, 3).double(), nn.Conv2d(8, 4, 3).double()
    x = torch.randn(batch, 3, 16, 16, dtype=torch.float64)
    expected = torch.autograd.grad(
        second(F.instance_norm(first(x))).square().sum(), [*first.parameters(), *second.parameters()]
    )
    first.to(memory_format=layout), second.to(memory_format=layout)
    images = x.contiguous(memory_format=layout)
    loss = second(InstanceNorm()(first(images))).square().sum()
    found = torch.autograd.grad(loss, [*first.parameters(), *second.parameters()])
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
