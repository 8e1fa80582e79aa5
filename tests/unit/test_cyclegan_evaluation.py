"""The classifier of translations and the distances, where the answer is known; runs judged afterwards."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays
from torch import nn
from torchmetrics.image.kid import KernelInceptionDistance

from hw2lib.data import synthetic_unpaired
from hw2lib.errors import UserError
from hw2lib.jobs.cyclegan import recorded_files, run_cyclegan
from hw2lib.jobs.cyclegan_evaluation import _per_image, references
from hw2lib.jobs.evaluate import SECTIONS, evaluate_run, is_evaluated
from hw2lib.jobs.verify import verify
from hw2lib.runs.folder import read_json, record, write_json
from hw2lib.runs.manifest import write_manifest
from hw2lib.runs.reader import read_table
from hw2lib.training.settings import CycleGANConfig
from hw2lib.translation.classifier import DomainClassifier, train_classifier, unseen
from hw2lib.translation.distances import colour_distance, kernel_distance
from hw2lib.translation.similarity import run_generator, structural_similarity
from hw2lib.translation.spectra import grid_excess

TINY = CycleGANConfig(
    size=32, recipe="resize", blocks=0, features=4, epochs=2, max_steps=2, evaluate_epochs=(1, 2)
)


@pytest.fixture(scope="module")
def data():
    return synthetic_unpaired("apple2orange", 32, "resize", train=24, test=12)


@pytest.fixture(scope="module")
def classifier(data):
    return train_classifier(data)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hw2lib.translation.classifier.LEAST_STEPS", 4)
        assert run_cyclegan(TINY, data, out, device="cpu")
    return out


@pytest.fixture
def copy(run, tmp_path, monkeypatch):
    monkeypatch.setattr("hw2lib.translation.classifier.LEAST_STEPS", 4)
    return shutil.copytree(run, tmp_path / "copy")


def test_generators_under_test_keep_nothing_for_a_gradient():
    """Kept for all test images at full size, it would fill 24 GB."""
    generator = nn.Conv2d(3, 3, 1)
    assert not run_generator(generator, torch.zeros(9, 3, 4, 4)).requires_grad
    assert generator(torch.zeros(9, 3, 4, 4)).requires_grad


# Distances

LEVELS = arrays(np.uint8, (2, 3, 4, 4))


@given(LEVELS, LEVELS)
def test_colour_distance_is_that_of_sorted_pixels(a, b):
    """In one dimension, with equally many values, the best transport pairs them in order."""
    paired = [np.abs(np.sort(a[:, c].ravel().astype(float)) - np.sort(b[:, c].ravel())) for c in range(3)]
    found = colour_distance(torch.from_numpy(a), torch.from_numpy(b))
    assert found == pytest.approx(np.mean(paired), abs=1e-9)
    assert found == pytest.approx(colour_distance(torch.from_numpy(b), torch.from_numpy(a)), abs=1e-9)


def test_colour_distance_knows_no_places(data):
    images = data.images["testA"]
    shuffled = images.flatten(2)[:, :, torch.randperm(32 * 32)].view_as(images)
    assert colour_distance(images, shuffled) == 0
    with pytest.raises(ValueError, match="expected uint8"):
        colour_distance(images.float(), images)


class Flat(torch.nn.Module):
    """Features of an image are its first five values."""

    num_features = 5

    def forward(self, images):
        return images.flatten(1)[:, :5].double() / 100


def test_kernel_distance_is_the_one_of_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    a, b = (
        torch.randint(0, high, (30, 3, 2, 2), generator=generator, dtype=torch.uint8) for high in (90, 200)
    )
    metric = KernelInceptionDistance(feature=Flat(), subsets=1, subset_size=30)
    metric.update(a, real=True)
    metric.update(b, real=False)
    # torchmetrics may return single precision: of a difference of kernel means, each at most the largest.
    largest = float((Flat()(b).square().sum(1).max() / 5 + 1) ** 3)
    found = kernel_distance(Flat()(a), Flat()(b))
    assert found == pytest.approx(float(metric.compute()[0]), rel=0, abs=4 * largest * 2**-23)


def test_kernel_distance_is_unbiased():
    """Its mean over many draws from one distribution is 0, which that of the biased estimate is not."""
    generator = torch.Generator().manual_seed(0)
    draws = [
        kernel_distance(torch.randn(8, 4, generator=generator), torch.randn(12, 4, generator=generator))
        for _ in range(800)
    ]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(len(draws))
    assert kernel_distance(torch.zeros(5, 2), torch.ones(9, 2)) == pytest.approx((0 + 1) - 2 + 8)
    with pytest.raises(ValueError, match="1 and 3 rows"):
        kernel_distance(torch.zeros(1, 2), torch.zeros(3, 2))


# The classifier


def test_the_classifier_tells_real_images_apart(classifier, data):
    assert classifier.test_accuracy >= 0.9 and classifier.unseen_accuracy == classifier.test_accuracy
    assert classifier.features(data.images["testA"]).shape == (12, 176)
    shares = {split: classifier.share_in_b(data.images[split]) for split in ("trainA", "trainB")}
    assert shares["trainB"] > 0.9 and shares["trainA"] < 0.1


def test_one_seed_trains_one_classifier_and_leaves_the_global_generator_alone(data, monkeypatch):
    monkeypatch.setattr("hw2lib.translation.classifier.LEAST_STEPS", 3)
    before = torch.random.get_rng_state()
    first, again, other = (train_classifier(data, seed).features(data.images["testB"]) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_neither_domain_is_far_from_both(classifier, data):
    noise = torch.randint(
        0, 256, (12, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    far = kernel_distance(classifier.features(noise), classifier.features(data.images["testB"]))
    real = kernel_distance(
        classifier.features(data.images["trainB"]), classifier.features(data.images["testB"])
    )
    assert far > 10 * abs(real)


def test_copies_of_training_images_are_left_out(data):
    first, second = data.files["testA"][:2]
    doubled = dataclasses.replace(
        data, duplicates=[[f"testA/{first}", "trainB/0000.png"], [f"testA/{second}", "testB/0003.png"]]
    )
    kept = unseen(doubled)
    assert kept["testA"].tolist() == [False] + [True] * 11 and bool(kept["testB"].all())


def test_references_bound_what_can_be_expected(classifier, data):
    found = references(classifier, data)
    for domain in "AB":
        source, real = (
            {k[:-2]: v for k, v in found[w].items() if k.endswith(domain)} for w in ("source", "real")
        )
        assert source["success"] <= 0.1 and real["success"] >= 0.9
        assert source["classifier_kid"] > real["classifier_kid"]
    assert found["source"]["colour_A"] == found["source"]["colour_B"]


# A run


def test_a_run_judges_itself_when_it_ends(run, data):
    metrics = read_json(run / "metrics.json")
    translation, hidden = metrics["translation"], metrics["steganography"]
    assert is_evaluated(run) and [row["epoch"] for row in translation["epochs"]] == [1, 2]
    names = {f"{m}_{d}" for m in ("success", "colour", "classifier_kid") for d in "AB"}
    assert all(set(row) == names | {"epoch"} for row in translation["epochs"])
    assert set(translation["reference"]["source"]) == names and translation["classifier"]["steps"] >= 4
    assert {(row["epoch"], row["direction"]) for row in hidden} == {(e, d) for e in (1, 2) for d in "AB"}
    undisturbed = {
        (row["epoch"], row["direction"]): row["error"]
        for row in hidden
        if (row["kind"], row["level"]) == ("noise", 0)
    }
    for row in metrics["test"]:  # 12 test images: the curve sees them all
        for domain in "AB":
            assert undisturbed[row["epoch"], domain] == pytest.approx(
                127.5 * row[f"cycle_l1_{domain}"], rel=1e-4
            )


def test_what_was_found_per_image_agrees_with_the_means(run):
    metrics, table = read_json(run / "metrics.json"), read_table(run / "translations.csv")
    assert len(table["epoch"]) == 2 * 2 * 12  # epochs, directions, test images
    for row in metrics["translation"]["epochs"]:
        for domain in "AB":
            images = table[(table["epoch"] == row["epoch"]) & (table["direction"] == domain)]
            assert images["image"].tolist() == list(range(12))
            assert images["taken"].mean() == pytest.approx(row[f"success_{domain}"], abs=1e-5)
            assert (images["changed"] > 0).all() and ((0 <= images["green"]) & (images["green"] <= 1)).all()
            assert (images["ssim"] < 1).all() and (images["filter_share"] <= 1).all()
            assert ((0 <= images["green_kept"]) & (images["green_kept"] <= images["green"])).all()
            assert (images[["saturation", "value"]].abs() <= 1).all(axis=None)
            colours = [
                r for r in metrics["colours"] if (r["epoch"], r["direction"]) == (row["epoch"], domain)
            ]
            assert sum(r["share"] for r in colours) == pytest.approx(1, abs=1e-4)
            green = sum(r["share"] for r in colours if r["before"] == "green")
            assert green == pytest.approx(images["green"].mean(), abs=1e-4)


def test_a_record_of_a_run_is_verified(run, monkeypatch, tmp_path):
    record(run, tmp_path / "cyclegan-apple2orange-small" / "seed-0", recorded_files((1, 2)))
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path))
    write_manifest()
    checks = list(verify(["cyclegan-apple2orange-small"]))
    assert any("green kept" in check.what for check in checks)
    # max_steps, which only quick runs have, makes epochs shorter than their images.
    of_steps = {"steps of the losses", "epochs of the losses", "seconds_per_step, in ms"}
    of_size = {"settings of the job", "name of the data"}  # as no record of the paper's size has
    assert {c.what for c in checks if not c.holds} <= of_steps | of_size


def test_a_single_test_image_is_no_reason_to_lose_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr("hw2lib.translation.classifier.LEAST_STEPS", 4)
    single = synthetic_unpaired("apple2orange", 32, "resize", train=24, test=1)
    assert run_cyclegan(TINY, single, tmp_path / "run", device="cpu")
    outputs = read_json(tmp_path / "run" / "metrics.json")["outputs"]
    assert outputs == {"photographs": {"A": {}, "B": {}}, "epochs": [{"epoch": 1}, {"epoch": 2}]}


def test_an_image_that_grows_whiter_has_more_value_and_less_saturation(classifier, data):
    images = data.images["testA"]
    white = (images.double() * 0.5 + 127).to(torch.uint8)
    for row in _per_image(classifier, "A", images, white):
        assert row["value"] > 0.05 and row["saturation"] < -0.05


def test_outputs_are_measured_beside_photographs(run, data):
    outputs = read_json(run / "metrics.json")["outputs"]
    photographs = data.images["testA"].double()
    assert outputs["photographs"]["A"]["grid_2"]["value"] == pytest.approx(grid_excess(photographs, 2))
    assert [row["epoch"] for row in outputs["epochs"]] == [1, 2]
    for row in outputs["epochs"]:
        assert row["spread_A"] > 0 and row["spread_B"] > 0
        for grid in ("grid_2_A", "grid_4_A", "grid_2_B", "grid_4_B"):
            assert row[grid]["low"] <= row[grid]["value"] <= row[grid]["high"]


def test_a_run_that_ended_without_is_judged_after_the_fact(run, copy, data):
    expected = read_json(run / "metrics.json")
    early = {k: v for k, v in expected.items() if k not in SECTIONS}
    early["test"] = [{"epoch": row["epoch"], "cycle_psnr_A": 0.0} for row in expected["test"]]
    write_json(copy / "metrics.json", early)
    (copy / "translations.csv").unlink()
    assert not is_evaluated(copy)
    found = evaluate_run(copy, data, "cpu")
    assert found == read_json(copy / "metrics.json") and is_evaluated(copy)
    assert (copy / "translations.csv").read_bytes() == (run / "translations.csv").read_bytes()
    for metrics in (found, expected):
        del metrics["translation"]["classifier"]["seconds"]
    assert found == expected


def test_what_cannot_be_judged_is_named(copy, data, tmp_path):
    with pytest.raises(UserError, match="holds no finished run"):
        evaluate_run(tmp_path, data)
    with pytest.raises(UserError, match="was trained on other images"):
        evaluate_run(copy, dataclasses.replace(data, checksum="other"))
    (copy / "epoch-01.safetensors").unlink()
    with pytest.raises(UserError, match=r"kept weights of epochs \[2\], not of \[1, 2\]"):
        evaluate_run(copy, data)


def test_similarity_is_that_of_intensities():
    """Greys just below and just above the middle look alike, though their signs differ."""
    grey = torch.full((1, 3, 32, 32), -0.1)
    mean, other, c = 0.45, 0.55, 0.01**2
    luminance = (2 * mean * other + c) / (mean**2 + other**2 + c)
    assert structural_similarity(grey, -grey).item() == pytest.approx(luminance, abs=1e-3)
    noise = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert structural_similarity(noise, noise).tolist() == pytest.approx([1, 1])
    assert structural_similarity(noise, -noise).max() < 0


def test_the_classifier_takes_any_size():
    network = DomainClassifier().eval()
    assert network(torch.zeros(2, 3, 32, 32)).shape == network(torch.zeros(2, 3, 50, 128)).shape == (2,)
