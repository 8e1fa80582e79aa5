"""A convolution by columns of its kernel is the plain one: outputs and all gradients, in either layout."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from hw2lib.cyclegan import NarrowConv, conv2d_by_columns, narrow

LAYOUTS = [torch.contiguous_format, torch.channels_last]
kernels = st.tuples(st.integers(1, 7), st.integers(1, 7))
few = st.integers(1, 4)


@settings(max_examples=40)
@given(
    kernel=kernels,
    n=few,
    channels=few,
    outputs=few,
    rows=st.integers(0, 6),
    columns=st.integers(0, 6),
    biased=st.booleans(),
    layout=st.sampled_from(LAYOUTS),
)
def test_outputs_and_gradients_are_those_of_the_plain_convolution(
    kernel, n, channels, outputs, rows, columns, biased, layout
):
    torch.manual_seed(n + 10 * rows + 100 * columns)
    # From images as large as the kernel on, which leave one output.
    x = torch.randn(n, channels, kernel[0] + rows, kernel[1] + columns, dtype=torch.float64)
    weight = torch.randn(outputs, channels, *kernel, dtype=torch.float64).requires_grad_()
    inputs = [x.contiguous(memory_format=layout).requires_grad_(), weight]
    if biased:
        inputs.append(torch.randn(outputs, dtype=torch.float64).requires_grad_())
    expected, found = F.conv2d(*inputs), conv2d_by_columns(*inputs)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    grad = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad(found, inputs, grad), torch.autograd.grad(expected, inputs, grad), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_second_derivatives_are_right():
    torch.manual_seed(0)
    x, weight = torch.randn(1, 2, 4, 5).double(), torch.randn(2, 2, 3, 2).double()
    assert torch.autograd.gradgradcheck(conv2d_by_columns, (x.requires_grad_(), weight.requires_grad_()))


@pytest.mark.parametrize(
    ("channels", "autocast", "taken"),
    [(64, False, True), (8, False, False), (64, True, False)],
    ids=["many-channels", "few-channels", "bfloat16"],
)
def test_a_layer_takes_it_only_where_it_pays(channels, autocast, taken, monkeypatch):
    used = []
    plain = narrow.conv2d_by_columns
    monkeypatch.setattr(narrow, "conv2d_by_columns", lambda *given: used.append(1) or plain(*given))
    layer, x = NarrowConv(channels, 3, 7), torch.randn(1, channels, 9, 10)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        layer(x)
    assert bool(used) is taken


def test_a_layer_is_the_plain_one(monkeypatch):
    monkeypatch.setattr(narrow, "_WORTHWHILE_CHANNELS", 1)
    layer, x = NarrowConv(4, 3, 7).double(), torch.randn(2, 4, 9, 12, dtype=torch.float64)
    found = layer(x)
    layer.by_columns = False
    plain = F.conv2d(x, layer.weight, layer.bias)
    torch.testing.assert_close(found, plain, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(layer(x), plain, rtol=0, atol=0)
