"""Scores in place of −log p, each on a case where the right answer is known."""

import math
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image, features

from hw2lib.anomaly import (
    complexity_scores,
    compressed_bits,
    corrupt,
    map_scores,
    nll_scores,
    ratio_scores,
    smooth,
    typicality_scores,
)
from hw2lib.data import synthetic_capsules
from hw2lib.errors import UserError
from hw2lib.flows import MAF
from hw2lib.statistics import auroc

NORMAL, NOISE, FLAT = range(3)


def images(size=24, n=4):
    """Smooth normal images, pure noise, and images of one colour."""
    generator = torch.Generator().manual_seed(0)
    ramp = torch.arange(size).mul(5)[None, None, :].expand(3, size, size)
    jitter = torch.randint(6, (n, 3, size, size), generator=generator)
    noise = torch.randint(256, (n, 3, size, size), generator=generator)
    flat = torch.arange(n).mul(20)[:, None, None, None].expand(n, 3, size, size)
    return [part.to(torch.uint8) for part in (ramp + jitter, noise, flat)]


def test_what_is_too_likely_is_untypical():
    rng = np.random.default_rng(0)
    training, normal, anomalous = rng.normal(100, 3, 50), rng.normal(100, 3, 40), rng.normal(80, 3, 40)
    labels, nll = np.repeat([False, True], 40), np.concatenate([normal, anomalous])
    assert auroc(labels, nll) < 0.01
    assert auroc(labels, typicality_scores(nll, training)) > 0.99
    assert typicality_scores(nll, training) == pytest.approx(np.abs(nll - training.mean()))


@pytest.mark.parametrize("file", ["png", "jpeg2000"])
def test_the_complexity_is_the_length_of_a_lossless_file(file):
    if file == "jpeg2000" and not features.check("jpg_2000"):
        pytest.skip("Pillow was built without JPEG 2000")
    parts = images()
    lengths = [compressed_bits(part, file) for part in parts]
    assert lengths[FLAT].max() < lengths[NORMAL].min() < lengths[NORMAL].max() < lengths[NOISE].min()
    assert (lengths[NOISE] >= 8 * parts[NOISE][0].numel()).all()  # noise cannot be compressed
    assert (lengths[NORMAL] % 8 == 0).all()
    buffer = BytesIO()
    kind = {"png": {"format": "PNG"}, "jpeg2000": {"format": "JPEG2000", "irreversible": False}}[file]
    Image.fromarray(parts[NORMAL][0].permute(1, 2, 0).numpy()).save(buffer, **kind)
    restored = torch.from_numpy(np.asarray(Image.open(buffer)).copy()).permute(2, 0, 1)
    assert torch.equal(restored, parts[NORMAL][0])


def test_complexity_is_taken_from_the_bits_of_the_image():
    part = images()[NORMAL]
    dimensions = part[0].numel()
    # A model that gives each of the 256 values the same probability spends 8 bits on each.
    uniform = np.full(len(part), dimensions * math.log(2.0))
    assert complexity_scores(uniform, part) == pytest.approx(8 * dimensions - compressed_bits(part))
    with pytest.raises(UserError, match="file='gif': expected one of png, jpeg2000"):
        compressed_bits(part, "gif")


def test_a_background_that_both_models_know_cancels():
    rng = np.random.default_rng(1)
    background, defect = rng.normal(0, 50, 80), np.repeat([0.0, 5.0], 40)
    labels = defect > 0
    assert auroc(labels, background + defect) < 0.65
    assert auroc(labels, ratio_scores(background + defect, background)) == 1.0


def test_a_share_of_the_values_is_replaced_by_uniform_ones():
    grey = torch.full((50, 3, 16, 16), 128, dtype=torch.uint8)
    spoiled = corrupt(grey, 0.2, torch.Generator().manual_seed(0))
    changed = spoiled[spoiled != 128].double()
    assert len(changed) / grey.numel() == pytest.approx(0.2 * 255 / 256, abs=0.006)
    assert changed.mean() == pytest.approx(127.5, abs=2) and changed.min() < 3 and changed.max() > 252
    assert spoiled.dtype == torch.uint8 and bool((grey == 128).all())
    assert corrupt(grey, 0.0) is grey
    again = corrupt(grey, 0.2, torch.Generator().manual_seed(0))
    assert torch.equal(spoiled, again)


def test_a_small_defect_drowns_in_the_sum_and_not_in_the_maximum():
    rng = np.random.default_rng(2)
    place = np.linspace(0, 40, 32)[:, None]  # where capsules are costs more than the table
    normal, test = (rng.normal(size=(40, 32, 32)) + place for _ in range(2))
    test += rng.normal(0, 0.2, 40)[:, None, None]
    test[20:, 3:6, 10:13] += 5
    labels = np.arange(40) >= 20
    assert auroc(labels, test.sum((1, 2))) < 0.75
    for top in (1, 10):
        assert auroc(labels, map_scores(test, normal, top, sigma=1.0)) > 0.95
    # Without the mean map taken away, the maximum is always where capsules are.
    assert auroc(labels, smooth(test, 1.0).max((1, 2))) < 0.75


def test_the_highest_cells_are_averaged():
    maps, normal = np.random.default_rng(3).normal(size=(2, 5, 8, 8))
    centred = (maps - normal.mean(0)).reshape(5, -1)
    for top in (1, 7, 64):
        expected = np.sort(centred, 1)[:, 64 - top :].mean(1)
        assert map_scores(maps, normal, top, sigma=0) == pytest.approx(expected)
    for top in (0, 65):
        with pytest.raises(UserError, match=f"top={top}: expected 1 to 64"):
            map_scores(maps, normal, top)


def test_all_scores_take_what_a_flow_gives():
    data, flow = synthetic_capsules(16, train=6, good=2, per_defect=1), MAF(768, (16,), 2)
    nll, training = nll_scores(flow, data.test), nll_scores(flow, data.train)
    for scores in (
        typicality_scores(nll, training),
        complexity_scores(nll, data.test),
        ratio_scores(nll, nll_scores(MAF(768, (16,), 2, conditioner="additive"), data.test)),
    ):
        assert scores.shape == (7,) and np.isfinite(scores).all()
