"""Generated fruit and scenes: reproducible, without duplicates, of two domains that can be told apart."""

import numpy as np
import pytest
import torch
from PIL import Image

from hw2lib.data import synthetic_unpaired, unpaired_from_environment
from hw2lib.data.synthetic.fruit import draw_fruit
from hw2lib.data.synthetic.scenes import draw_scene
from hw2lib.data.synthetic.unpaired import SETS, make_unpaired
from hw2lib.data.unpaired import SPLITS, load_unpaired
from hw2lib.errors import UserError

COUNTS = {"train": 6, "test": 3}
NAMES = pytest.mark.parametrize("name", SETS)


@NAMES
def test_shapes_follow_the_recipe(name):
    data = synthetic_unpaired(name, 16, **COUNTS)
    assert [tuple(data.images[s].shape) for s in SPLITS] == [(6, 3, 18, 18)] * 2 + [(3, 3, 16, 16)] * 2
    assert data.name == f"{name}-synthetic" and data.epoch_length == 6 and data.duplicates == []
    plain = synthetic_unpaired(name, 16, "resize", **COUNTS)
    assert plain.images["trainA"].shape == (6, 3, 16, 16) and plain.images["trainA"].dtype == torch.uint8


@NAMES
def test_everything_follows_from_the_seed(name):
    first, again, other = (synthetic_unpaired(name, 16, seed=seed, **COUNTS) for seed in (0, 0, 1))
    assert first.checksum == again.checksum != other.checksum
    assert all(torch.equal(first.images[s], again.images[s]) for s in SPLITS)
    more = synthetic_unpaired(name, 16, train=8, test=3)
    assert torch.equal(more.images["trainB"][:6], first.images["trainB"])


@NAMES
def test_the_folder_holds_the_same_images(name, tmp_path):
    make_unpaired(name, tmp_path / "out", 16, **COUNTS)
    read, drawn = (
        load_unpaired(tmp_path / "out", 16, "resize"),
        synthetic_unpaired(name, 16, "resize", **COUNTS),
    )
    assert read.files == drawn.files
    assert all(torch.equal(read.images[split], drawn.images[split]) for split in SPLITS)
    assert read.duplicates == []


@NAMES
def test_every_picture_is_another_and_shows_something(name):
    data = synthetic_unpaired(name, 16, "resize", train=12, test=6)
    everything = torch.cat([data.images[split] for split in SPLITS]).flatten(1).double()
    distance = torch.cdist(everything, everything) / everything.shape[1] ** 0.5
    distance.fill_diagonal_(torch.inf)
    assert distance.min() > 5  # root mean square, in levels
    assert everything.std(1).min() > 8


@pytest.mark.parametrize("draw", [draw_fruit, draw_scene])
def test_one_scene_at_any_size(draw):
    """A large picture, averaged, is the small one up to noise and edges, and not another scene."""
    kinds = ("apple", "orange") if draw is draw_fruit else ("summer", "winter")
    for kind in kinds:
        for seed in range(3):
            small, large = (draw(kind, np.random.default_rng(seed), size) for size in (24, 96))
            averaged = large.reshape(24, 4, 24, 4, 3).mean((1, 3))
            other = draw(kind, np.random.default_rng(seed + 3), 24)
            assert np.abs(averaged - small).mean() < 10 < 20 < np.abs(averaged - other).mean()


def test_the_domains_differ_where_they_should():
    """Oranges are redder against green than apples in their middle; winter is brighter than summer below."""
    fruit = synthetic_unpaired("apple2orange", 16, "resize", train=40, test=1).images
    apple, orange = (fruit[s][:, :, 6:11, 5:11].double().mean((0, 2, 3)) for s in ("trainA", "trainB"))
    assert orange[0] > apple[0] + 20 and orange[2] < orange[0] / 2
    scenes = synthetic_unpaired("summer2winter", 16, "resize", train=40, test=1).images
    summer, winter = (scenes[s][:, :, 11:].double().mean((0, 2, 3)) for s in ("trainA", "trainB"))
    assert winter.mean() > summer.mean() + 40 and winter[2] > winter[0] and summer[1] > summer[2] + 20


@pytest.mark.parametrize(
    "values, message",
    [({"size": 8}, "size=8"), ({"train": 0}, "train=0"), ({"test": 0}, "test=0")],
)
def test_impossible_sets_are_refused(values, message, tmp_path):
    with pytest.raises(UserError, match=f"{message}: a synthetic set needs at least"):
        synthetic_unpaired("apple2orange", **values)
    with pytest.raises(UserError, match=message):
        make_unpaired("apple2orange", tmp_path / "out", **values)
    assert not (tmp_path / "out").exists()


def test_unknown_sets_and_full_folders_are_named(tmp_path):
    with pytest.raises(
        UserError, match="pears: no such synthetic set; expected apple2orange or summer2winter"
    ):
        synthetic_unpaired("pears")
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file"):
        with pytest.raises(UserError, match="already there"):
            make_unpaired("apple2orange", out)


def test_real_images_come_first_where_they_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("HW2_DATA", raising=False)
    drawn, generated = unpaired_from_environment("summer2winter", 16, "resize", train=2, test=1)
    assert generated and drawn.name == "summer2winter-synthetic"
    monkeypatch.setenv("HW2_DATA", str(tmp_path))
    with pytest.raises(UserError, match="summer2winter_yosemite: no such folder"):
        unpaired_from_environment("summer2winter", 16)
    for split in SPLITS:
        (tmp_path / "summer2winter_yosemite" / split).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "summer2winter_yosemite" / split / "0.png")
    read, generated = unpaired_from_environment("summer2winter", 16)
    assert not generated and read.name == "summer2winter_yosemite"
