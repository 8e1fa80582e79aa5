"""Schematics show the model: areas are masses, and the edges of a drawing are those of the masks."""

import numpy as np
import pytest
import sympy as sp
import torch

from hw2lib.figures import diagram
from hw2lib.figures.schematics_flows import (
    coupling_layer,
    dependency_graphs,
    feeding_units,
    made_graph,
    stretched_intervals,
    threshold,
)
from hw2lib.flows import MADE, AffineCoupling, made_masks, visible_inputs
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


def drawn_edges(fig):
    return [diagram.arrows(ax) for ax in fig.axes]


def reached(edges, start):
    """All nodes that a walk along the arrows reaches."""
    found, new = set(), {start}
    while new:
        found |= new
        new = {b for a, b in (edge.split("->") for edge in edges) if a in new} - found
    return found


def longest(edges):
    """The most arrows in a row."""
    ahead = {}
    for a, b in (edge.split("->") for edge in edges):
        ahead.setdefault(a, set()).add(b)

    def steps(at):
        return max((1 + steps(b) for b in ahead.get(at, ())), default=0)

    return max(map(steps, ahead))


def test_a_coupling_layer_reaches_what_its_jacobian_says():
    torch.manual_seed(0)
    layer, x = AffineCoupling(4, (8,)).double(), torch.randn(4, dtype=torch.float64)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    J = torch.autograd.functional.jacobian(lambda row: layer(row[None])[0][0], x)
    blocks = {"A": slice(0, 2), "B": slice(2, 4)}
    forward, _ = drawn_edges(coupling_layer(lang="fa"))
    for a, columns in blocks.items():
        seen = {b for b, rows in blocks.items() if J[rows, columns].any()}
        assert {node[1] for node in reached(forward, f"z{a}") if node[0] == "x"} == seen


@pytest.mark.parametrize("degrees", ["spread", [[2, 2, 4], [1, 3, 3, 4]]])
def test_the_edges_of_a_made_are_those_of_its_masks(degrees):
    made = MADE(6, (3, 3) if degrees == "spread" else (3, 4), degrees=degrees)
    (edges,) = drawn_edges(made_graph(made, output=4, lang="fa"))
    masks = made_masks(made.degrees, 6)
    assert edges == {
        f"{layer}.{d}->{layer + 1}.{k}"
        for layer, mask in enumerate(masks)
        for k, d in mask.nonzero().tolist()
    }
    last, visible = len(masks), visible_inputs(made.degrees, 6)
    for i in range(6):
        assert sum(f"{last}.{i}" in reached(edges, f"0.{j}") for j in range(6)) == visible[i]
        assert feeding_units([m.numpy() for m in masks], i + 1)[0].sum() == visible[i]


def test_dependency_graphs_are_as_deep_as_the_directions():
    made = MADE(4, (3,))
    (one, out) = made_masks(made.degrees, 4)
    seen = out.int() @ one.int() > 0
    parallel, chain, also_parallel, also_chain = drawn_edges(dependency_graphs(seen, lang="fa"))
    assert longest(parallel) == longest(also_parallel) == 1
    assert longest(chain) == longest(also_chain) == 4
    for edges in (parallel, also_parallel):
        assert len(edges) == 4 + int(seen.sum())


def test_a_threshold_divides_the_anomalous_in_two():
    (ax,) = threshold(1.6, 1.0, lang="en").axes
    shares = [float(text.get_text().split(": ")[1]) for text in ax.get_legend().get_texts()]
    assert shares == [pytest.approx(0.73), pytest.approx(0.27), pytest.approx(0.16)]
