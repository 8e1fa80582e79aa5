"""Generated capsules: reproducible, alike in memory and in a folder, with masks that cover what is broken."""

import pytest
import torch

from hw2lib.data import capsules_from_environment, load_mvtec, make_capsules, synthetic_capsules
from hw2lib.data.synthetic.capsules import DEFECTS
from hw2lib.errors import UserError

COUNTS = {"train": 5, "good": 2, "per_defect": 1}


@pytest.fixture(scope="module")
def capsules():
    """Enough normal images for a median, at a size at which every defect covers some pixels."""
    return synthetic_capsules(32, train=20, good=4, per_defect=4)


def test_shapes_follow_the_counts(capsules):
    assert capsules.name == "capsule-synthetic" and capsules.size == 32
    assert capsules.train.shape == (20, 3, 32, 32) and capsules.train.dtype == torch.uint8
    assert capsules.test.shape == (4 + 5 * 4, 3, 32, 32) and capsules.test.dtype == torch.uint8
    assert capsules.masks.shape == (24, 32, 32) and capsules.masks.dtype == torch.bool
    assert capsules.test_defects == ["good"] * 4 + [kind for kind in DEFECTS for _ in range(4)]
    assert capsules.test_files[3:5] == ["good/003.png", "crack/000.png"]
    assert capsules.train_files[-1] == "good/019.png"


def test_everything_follows_from_the_seed():
    first, again, other = (synthetic_capsules(16, seed=seed, **COUNTS) for seed in (0, 0, 1))
    assert first.checksum == again.checksum != other.checksum
    for name in ("train", "test", "masks"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))
    more = synthetic_capsules(16, train=7, good=2, per_defect=1)
    assert torch.equal(more.train[:5], first.train) and torch.equal(more.test, first.test)


def test_the_folder_holds_the_same_images(tmp_path):
    (tmp_path / "out").mkdir()  # an empty folder is taken
    make_capsules(tmp_path / "out", 16, seed=1, **COUNTS)
    read, drawn = load_mvtec(tmp_path / "out", 16), synthetic_capsules(16, seed=1, **COUNTS)
    for name in ("train", "test", "masks"):
        assert torch.equal(getattr(read, name), getattr(drawn, name)), name
    for name in ("train_files", "test_files", "test_defects"):
        assert getattr(read, name) == getattr(drawn, name), name
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_every_picture_is_another_and_shows_something(capsules):
    everything = torch.cat([capsules.train, capsules.test]).flatten(1).double()
    distance = torch.cdist(everything, everything) / everything.shape[1] ** 0.5
    distance.fill_diagonal_(torch.inf)
    assert distance.min() > 5  # root mean square, in levels
    assert everything.std(1).min() > 20


def test_masks_lie_where_an_image_differs_most_from_a_normal_one(capsules):
    """Capsules lie a little differently in every image, so that it is the mean over the images that tells."""
    normal = capsules.train.double().median(0).values
    difference = (capsules.test.double() - normal).abs().amax(1)
    for kind in DEFECTS:
        part = [k for k, name in enumerate(capsules.test_defects) if name == kind]
        masks, found = capsules.masks[part], difference[part]
        assert masks.flatten(1).any(1).all() and masks.double().mean() < 0.2, kind
        assert found[masks].mean() > 1.5 * found[~masks].mean(), kind
        # A mask that is turned round or mirrored covers the damage no more.
        for axes in ([1], [2], [1, 2]):
            assert found[masks].mean() > 1.2 * found[masks.flip(axes)].mean(), (kind, axes)


def test_good_images_have_no_mask(capsules, tmp_path):
    assert not capsules.masks[~capsules.anomalous].any()
    make_capsules(tmp_path / "out", 16, **COUNTS)
    assert sorted(path.name for path in (tmp_path / "out" / "ground_truth").iterdir()) == list(DEFECTS)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"size": 15}, "size=15: generated capsules need at least 16"),
        ({"train": 0}, "train=0: generated capsules need at least 1"),
        ({"good": 0}, "good=0"),
        ({"per_defect": 0}, "per_defect=0"),
    ],
)
def test_impossible_sets_are_refused(values, message, tmp_path):
    with pytest.raises(UserError, match=message):
        synthetic_capsules(**values)
    with pytest.raises(UserError, match=message):
        make_capsules(tmp_path / "out", **values)
    assert not list(tmp_path.iterdir())


def test_full_folders_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file"):
        with pytest.raises(UserError, match="already there"):
            make_capsules(out, 16, **COUNTS)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_real_images_come_first_where_they_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("HW2_DATA", raising=False)
    drawn, generated = capsules_from_environment(16)
    assert generated and drawn.checksum == synthetic_capsules(16).checksum
    monkeypatch.setenv("HW2_DATA", str(tmp_path))
    with pytest.raises(UserError, match="mvtec/capsule: no such folder"):
        capsules_from_environment(16)
    make_capsules(tmp_path / "mvtec" / "capsule", 32, **COUNTS)
    read, generated = capsules_from_environment(16)
    assert not generated and read.name == "capsule" and read.train.shape == (5, 3, 16, 16)


@pytest.mark.parametrize("seed", range(6))
def test_every_defect_shows_even_on_few_pixels(seed):
    data = synthetic_capsules(16, train=1, good=1, per_defect=3, seed=seed)
    broken = torch.tensor([defect != "good" for defect in data.test_defects])
    assert torch.equal(data.masks.flatten(1).any(1), broken)
