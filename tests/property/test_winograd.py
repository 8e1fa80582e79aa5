"""Winograd's convolution is the plain one: outputs and both gradients, in either memory layout."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from hw2lib.cyclegan import Conv3x3, winograd, winograd_conv2d

LAYOUTS = [torch.contiguous_format, torch.channels_last]
sizes = st.integers(1, 4)
widths = st.sampled_from([1, 3, 31, 32, 33, 64, 70])


@settings(max_examples=40)
@given(
    pad=st.sampled_from([0, 1]),
    n=sizes,
    channels=widths,
    outputs=widths,
    rows=sizes,
    columns=sizes,
    layout=st.sampled_from(LAYOUTS),
)
def test_outputs_and_gradients_are_those_of_the_plain_convolution(
    pad, n, channels, outputs, rows, columns, layout
):
    torch.manual_seed(n + 10 * rows + 100 * columns)
    sides = 4 * rows + 2 - 2 * pad, 4 * columns + 2 - 2 * pad
    x = torch.randn(n, channels, *sides, dtype=torch.float64).to(memory_format=layout)
    weight = torch.randn(outputs, channels, 3, 3, dtype=torch.float64)
    inputs = x.requires_grad_(), weight.requires_grad_(), torch.randn(outputs).double().requires_grad_()
    padded = F.pad(x, 4 * [pad], mode="reflect") if pad else x
    expected, found = F.conv2d(padded, *inputs[1:]), winograd_conv2d(*inputs, pad)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)
    grad = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad(found, inputs, grad), torch.autograd.grad(expected, inputs, grad), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_single_precision_loses_little_more_than_the_plain_convolution():
    torch.manual_seed(0)
    x, weight = torch.randn(1, 256, 34, 34), 0.02 * torch.randn(256, 256, 3, 3)
    exact = F.conv2d(x.double(), weight.double())
    lost = (winograd_conv2d(x, weight) - exact).abs().max()
    assert float(lost) < 8 * float((F.conv2d(x, weight) - exact).abs().max())


@pytest.mark.parametrize("shape", [(1, 2, 9, 10), (1, 2, 10, 11), (1, 2, 2, 6)])
def test_sides_without_whole_tiles_are_refused(shape):
    with pytest.raises(ValueError, match="4 j"):
        winograd_conv2d(torch.zeros(shape), torch.zeros(2, 2, 3, 3))


@pytest.mark.parametrize(
    ("channels", "side", "autocast", "taken"),
    [(128, 10, False, True), (128, 11, False, False), (64, 10, False, False), (128, 10, True, False)],
    ids=["fits", "no-whole-tiles", "few-channels", "bfloat16"],
)
def test_a_layer_takes_it_only_where_it_pays(channels, side, autocast, taken, monkeypatch):
    used = []
    plain = winograd.winograd_conv2d
    monkeypatch.setattr(winograd, "winograd_conv2d", lambda *given: used.append(1) or plain(*given))
    layer, x = Conv3x3(channels, channels), torch.randn(1, channels, side, side)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        layer(x)
    assert bool(used) is taken
    layer.winograd = False
    layer(x)
    assert len(used) == taken


def test_a_padded_layer_is_the_plain_one_after_reflection(monkeypatch):
    monkeypatch.setattr(winograd, "_WORTHWHILE_CHANNELS", 1)
    layer, x = Conv3x3(3, 5, pad=1).double(), torch.randn(2, 3, 8, 12, dtype=torch.float64)
    found = layer(x)
    layer.winograd = False
    torch.testing.assert_close(found, layer(x), rtol=1e-12, atol=1e-12)
    plain = F.conv2d(F.pad(x, [1, 1, 1, 1], mode="reflect"), layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), plain, rtol=0, atol=0)


def test_threads_share_the_work_and_change_nothing():
    torch.manual_seed(0)
    inputs = [torch.randn(*shape, requires_grad=True) for shape in ((3, 70, 18, 10), (40, 70, 3, 3), (40,))]
    found = []
    threads = torch.get_num_threads()
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            y = winograd_conv2d(*inputs)
            found.append([y, *torch.autograd.grad(y.square().sum(), inputs)])
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-5, atol=1e-3)


def test_a_second_derivative_is_refused():
    x, weight = torch.randn(1, 2, 6, 6, requires_grad=True), torch.randn(2, 2, 3, 3)
    (slope,) = torch.autograd.grad(winograd_conv2d(x, weight).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
