"""Schematics show the networks: their channels, their skip connections, and what each judges or compares."""

import pytest
import torch

from hw2lib.cyclegan import ImagePool, ResnetGenerator, UnetGenerator
from hw2lib.experiments.receptive_fields import shape_table
from hw2lib.figures import schematics_networks as schematics
from hw2lib.figures.diagram import arrows

RESNET, UNET = ResnetGenerator(blocks=2, features=4), UnetGenerator(downs=4, features=8)


def words(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_generators_have_the_channels_and_skips_of_the_networks():
    shapes = [shape_table(network, 32) for network in (RESNET, UNET)]
    above, below = schematics.generators(*shapes, lang="en").axes
    assert [word for word in words(above) if word.isdigit()] == ["4", "8", "16", "16", "16", "8", "4", "3"]
    channels = [str(layer.shape[0]) for layer in shapes[1]]
    assert [word for word in words(below) if word.isdigit()] == channels
    assert arrows(above) == {"block3", "block4"}  # the boxes of its two residual blocks
    assert arrows(below) == {"down16->up16", "down8->up8", "down4->up4"}


def test_the_skips_drawn_are_those_that_the_network_concatenates():
    """A level that is fed zeros by its skip connection gives another output; the innermost has none."""
    _, below = schematics.generators(shape_table(RESNET, 32), shape_table(UNET, 32), lang="en").axes
    wider = [up[1].in_channels // 2 for up in UNET.ups[:-1]]
    drawn = {int(name.split("->")[0].removeprefix("down")) for name in arrows(below)}
    assert drawn == {32 // 2 ** (level + 1) for level in range(len(wider))}
    with torch.no_grad():
        image = torch.rand(1, 3, 32, 32)
        sides = [down.shape[-1] for down in accumulate(image)]
    assert sides[:-1] == sorted(drawn, reverse=True)


def accumulate(x):
    """What each level of the U-Net's encoder gives."""
    seen = []
    for down in UNET.downs:
        x = down(x)
        seen.append(x)
    return seen


@pytest.mark.parametrize("lang", ["fa", "en"])
def test_both_cycles_have_their_generators_judges_and_losses(lang):
    (ax,) = schematics.two_cycles(lang=lang).axes
    first = {"x->G", "G->G(x)", "G(x)->F", "F->F(G(x))", "G(x)->D_Y", "y->D_Y", "x~F(G(x))"}
    second = {"y->F", "F->F(y)", "F(y)->G", "G->G(F(y))", "F(y)->D_X", "x->D_X", "y~G(F(y))"}
    assert arrows(ax) == first | second
    assert not any("x~G(x)" in name for name in arrows(ax))  # no loss compares an image with its translation


def test_the_vae_has_a_bottleneck_and_the_flow_has_none():
    (ax,) = schematics.vae_beside_flow(3072, 16, lang="fa").axes
    assert words(ax).count("۳٬۰۷۲") == 5 and words(ax).count("۱۶") == 1
    (ax,) = schematics.vae_beside_flow(3072, 16, lang="en").axes
    assert arrows(ax) >= {"encoder->sum", "noise->z", "z->decoder", "f->u", "u->inverse"}


def test_the_pool_does_what_is_drawn():
    """Half of the images go straight on; the others go into the pool, and an older one goes on."""
    (ax,) = schematics.image_pool(3, lang="en").axes
    assert {"coin->D", "coin->pool", "pool->D"} <= arrows(ax) and "pool\n3" in words(ax)
    pool, generator = ImagePool(3), torch.Generator().manual_seed(0)
    ways = set()
    for k in range(60):
        image = torch.full((1, 1, 1, 1), float(k))
        before = [int(kept) for kept in pool.images]
        given = int(pool(image, generator))
        if len(before) == 3:
            kept = k in [int(each) for each in pool.images]
            ways.add(("coin->D", not kept) if given == k else ("pool->D", kept and given in before))
    assert ways == {("coin->D", True), ("pool->D", True)}


def test_measures_read_what_is_drawn_and_the_message_passes_the_perturbation():
    (ax,) = schematics.measures_pipeline(lang="en").axes
    into = {name.split("->")[1]: set() for name in arrows(ax) if "->" in name}
    for name in arrows(ax):
        if "->" in name:
            into[name.split("->")[1]].add(name.split("->")[0])
    assert into["kernel"] == into["colour"] == {"G(x)", "y"}
    assert into["classes"] == {"G(x)", "x"} and into["judge"] == into["grid"] == {"G(x)"}
    (ax,) = schematics.hidden_message(lang="fa").axes
    assert {"message:x->z", "message:z->F(z)", "z->p", "F(z)~F(p(z))"} <= arrows(ax)
