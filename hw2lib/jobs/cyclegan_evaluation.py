"""What the translations of a run are worth, measured from the weights that it kept."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from hw2lib.cyclegan import CycleGAN
from hw2lib.data.unpaired import UnpairedImages, to_signed, to_uint8
from hw2lib.runs.checkpoint import kept_epochs, load_weights, snapshot
from hw2lib.runs.folder import write_csv
from hw2lib.translation.classifier import TrainedClassifier, train_classifier
from hw2lib.translation.colour_statistics import (
    COLOURS,
    colour_classes,
    colour_kept,
    colour_transitions,
    filter_share,
    saturation_and_value,
)
from hw2lib.translation.distances import colour_distance, kernel_distance, relative_spread
from hw2lib.translation.similarity import directions, run_generator, structural_similarity
from hw2lib.translation.spectra import PERIODS, grid_interval
from hw2lib.translation.steganography import OCTAVES, PERTURBATIONS, colour_returns, reconstruction_curve
from hw2lib.translation.texture import Skins

TRANSLATIONS = "translations.csv"
FRUITS = "apple2orange"
STEGANOGRAPHY_IMAGES = 64


def evaluate_snapshots(run: Path, net: CycleGAN, data: UnpairedImages, seed: int = 0) -> dict:
    """Judge the networks of every epoch whose weights the run kept; ``net`` ends with the last ones.

    Writes translations.csv: a row per epoch, direction (A for G(x), x of testA, B for F(y), y of testB) and
    test image, ``image`` being its place in the sorted split, with ``changed``, the mean |G(x) − x| in 8-bit
    levels; ``ssim`` of G(x) with x; ``filter_share`` (:mod:`hw2lib.translation.colour_statistics`);
    ``green``, the share of green pixels in x; ``green_kept``, that of pixels green in x and in G(x);
    ``saturation`` and ``value``, by how much their means rise; ``taken``, 1 where G(x) is classified as the
    target domain.

    Returns:
        ``translation``: ``classifier`` with its own accuracy on real test images; ``reference``: the
        measures of the untranslated images (``source``) and of real training images of the target domain
        (``real``), which bound what can be expected; ``epochs``: a row per epoch. The measures, with
        suffix A for G(x), x of testA, and B for F(y), y of testB, all after rounding to 8 bits:

        * ``success``: share classified as the target domain, which only has to know what
          separates the two: a picture of neither can succeed;
        * ``colour``: :func:`~hw2lib.translation.distances.colour_distance` to the target's test images;
        * ``classifier_kid``: :func:`~hw2lib.translation.distances.kernel_distance` to them, in features of
          that classifier: KID (features of a classifier trained here).

        ``colours``: :func:`~hw2lib.translation.colour_statistics.colour_transitions` per epoch and direction,
        as rows of ``before``, ``after``, ``share``, without the empty ones.

        ``outputs``: ``epochs``, a row per epoch with, by direction, ``spread``
        (:func:`~hw2lib.translation.distances.relative_spread`) and ``grid_2`` and ``grid_4``
        (:func:`~hw2lib.translation.spectra.grid_interval`); ``photographs``, the grids of the test images. Of
        apples and oranges, ``skin`` as well, the share of fruit windows whose texture is taken for an
        orange's (:mod:`hw2lib.translation.texture`), and for the photographs under ``skins``.

        ``steganography``: rows of :func:`~hw2lib.translation.steganography.reconstruction_curve` with
        ``epoch`` and ``direction``, on up to 64 evenly spaced test images of each domain.

        ``returns``: rows of :func:`~hw2lib.translation.steganography.colour_returns` for green, likewise, on
        all test images; none where too little of it turns.
    """
    device = next(net.parameters()).device
    classifier = train_classifier(data, seed, device)
    skins = Skins.of(data) if data.name == FRUITS else None
    epochs, colours, hidden, images, outputs, returns = [], [], [], [], [], []
    for epoch in kept_epochs(run):
        load_weights(snapshot(run, epoch), net)
        measures: dict[str, float] = {"epoch": epoch}
        output: dict[str, Any] = {"epoch": epoch}
        for domain, (split, forward, backward) in zip("AB", directions(net), strict=True):
            x = to_signed(data.images[split])
            z = run_generator(forward, x)
            translated = to_uint8(z)
            measures |= _measures(classifier, data, domain, translated)
            place = {"epoch": epoch, "direction": domain}
            colours += [place | row for row in _transitions(data.images[split], translated)]
            images += [place | row for row in _per_image(classifier, domain, data.images[split], translated)]
            output |= {f"{name}_{domain}": grid for name, grid in _grids(translated, seed).items()}
            if len(translated) > 1:
                output[f"spread_{domain}"] = relative_spread(translated, data.images[split])
            if skins is not None:
                output[f"skin_{domain}"] = skins.share_orange(translated, domain)
            there, back = partial(run_generator, forward), partial(run_generator, backward)
            some = x[_spread(len(x), STEGANOGRAPHY_IMAGES)]
            rows = reconstruction_curve(there, back, some, (*PERTURBATIONS, *OCTAVES), seed)
            hidden += [place | _short(row) for row in rows]
            returns += [place | _short(row) for row in colour_returns(x, z, back, seed=seed)]
        epochs.append(_short(measures))
        outputs.append(output)
    write_csv(run / TRANSLATIONS, images)
    translation = {
        "classifier": _facts(classifier, seed),
        "reference": references(classifier, data),
        "epochs": epochs,
    }
    found: dict[str, Any] = {"epochs": outputs}
    found["photographs"] = {domain: _grids(data.images[f"test{domain}"], seed) for domain in "AB"}
    if skins is not None:
        found["skins"] = skins.shares | {"told": skins.told}
    return {
        "translation": translation,
        "colours": colours,
        "outputs": found,
        "steganography": hidden,
        "returns": returns,
    }


def references(classifier: TrainedClassifier, data: UnpairedImages) -> dict[str, dict[str, float]]:
    """The measures of images that no generator has touched: the source, and real images of the target."""
    found: dict[str, dict[str, float]] = {"source": {}, "real": {}}
    for domain, source, target in (("A", "testA", "trainB"), ("B", "testB", "trainA")):
        real = resize(data.images[target], [data.size, data.size], antialias=True)
        found["source"] |= _short(_measures(classifier, data, domain, data.images[source]))
        found["real"] |= _short(_measures(classifier, data, domain, real))
    return found


def _measures(
    classifier: TrainedClassifier, data: UnpairedImages, domain: str, images: Tensor
) -> dict[str, float]:
    """How much like the other domain's test images a set of images is."""
    target = data.images["testB" if domain == "A" else "testA"]
    share = classifier.share_in_b(images)
    found = {
        f"success_{domain}": share if domain == "A" else 1 - share,
        f"colour_{domain}": colour_distance(images, target),
    }
    if min(len(images), len(target)) > 1:
        distance = kernel_distance(classifier.features(images), classifier.features(target))
        found[f"classifier_kid_{domain}"] = distance
    return found


def _grids(images: Tensor, seed: int) -> dict[str, dict[str, float]]:
    """The grid excess by period, with its interval; a single image has none."""
    if len(images) < 2:
        return {}
    return {f"grid_{k}": asdict(grid_interval(images.double(), k, seed)) for k in PERIODS}


def _transitions(images: Tensor, translated: Tensor) -> list[dict[str, float | str]]:
    shares = colour_transitions(images, translated)
    return [
        _short({"before": COLOURS[i], "after": COLOURS[j], "share": float(shares[i, j])})
        for i, j in shares.nonzero().tolist()
    ]


def _per_image(
    classifier: TrainedClassifier, domain: str, images: Tensor, translated: Tensor
) -> list[dict[str, float | int]]:
    green = (colour_classes(images) == COLOURS.index("green")).double().mean((1, 2))
    in_b = classifier.in_b(translated)
    saturation, value = saturation_and_value(translated) - saturation_and_value(images)
    columns = {
        "changed": (translated.double() - images.double()).abs().mean((1, 2, 3)),
        "ssim": structural_similarity(to_signed(images), to_signed(translated)).double(),
        "filter_share": filter_share(images, translated),
        "green": green,
        "green_kept": colour_kept(images, translated),
        "saturation": saturation,
        "value": value,
        "taken": (in_b if domain == "A" else ~in_b).int(),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [{"image": k} | dict(zip(columns, row, strict=True)) for k, row in enumerate(rows)]


def _facts(classifier: TrainedClassifier, seed: int) -> dict[str, float]:
    return {
        "test_accuracy": round(classifier.test_accuracy, 4),
        "unseen_accuracy": round(classifier.unseen_accuracy, 4),
        "steps": classifier.steps,
        "seed": seed,
        "seconds": round(classifier.seconds, 1),
    }


def _spread(n: int, most: int) -> Tensor:
    return torch.linspace(0, n - 1, min(n, most)).round().long()


def _short(row: dict) -> dict:
    return {name: float(f"{v:.6g}") if isinstance(v, float) else v for name, v in row.items()}
