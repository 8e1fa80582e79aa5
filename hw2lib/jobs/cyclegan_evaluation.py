"""What the translations of a run are worth, measured from the weights that it kept."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from hw2lib.cyclegan import CycleGAN
from hw2lib.data.unpaired import UnpairedImages, to_signed, to_uint8
from hw2lib.runs.checkpoint import kept_epochs, load_weights, snapshot
from hw2lib.runs.folder import write_csv
from hw2lib.translation.classifier import TrainedClassifier, train_classifier
from hw2lib.translation.colour_statistics import COLOURS, colour_classes, colour_transitions, filter_share
from hw2lib.translation.distances import colour_distance, kernel_distance
from hw2lib.translation.similarity import directions, run_generator, structural_similarity
from hw2lib.translation.steganography import reconstruction_curve

TRANSLATIONS = "translations.csv"
STEGANOGRAPHY_IMAGES = 64


def evaluate_snapshots(run: Path, net: CycleGAN, data: UnpairedImages, seed: int = 0) -> dict:
    """Judge the networks of every epoch whose weights the run kept; ``net`` ends with the last ones.

    Writes translations.csv: a row per epoch, direction (A for G(x), x of testA, B for F(y), y of testB) and
    test image, ``image`` being its place in the sorted split, with ``changed``, the mean |G(x) − x| in 8-bit
    levels; ``ssim`` of G(x) with x; ``filter_share`` (:mod:`hw2lib.translation.colour_statistics`);
    ``green``, the share of green pixels in x; ``taken``, 1 where G(x) is classified as the target domain.

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

        ``steganography``: rows of :func:`~hw2lib.translation.steganography.reconstruction_curve` with
        ``epoch`` and ``direction``, on up to 64 evenly spaced test images of each domain.
    """
    device = next(net.parameters()).device
    classifier = train_classifier(data, seed, device)
    epochs, colours, hidden, images = [], [], [], []
    for epoch in kept_epochs(run):
        load_weights(snapshot(run, epoch), net)
        measures: dict[str, float] = {"epoch": epoch}
        for domain, (split, forward, backward) in zip("AB", directions(net), strict=True):
            x = to_signed(data.images[split])
            translated = to_uint8(run_generator(forward, x))
            measures |= _measures(classifier, data, domain, translated)
            place = {"epoch": epoch, "direction": domain}
            colours += [place | row for row in _transitions(data.images[split], translated)]
            images += [place | row for row in _per_image(classifier, domain, data.images[split], translated)]
            rows = reconstruction_curve(
                partial(run_generator, forward),
                partial(run_generator, backward),
                x[_spread(len(x), STEGANOGRAPHY_IMAGES)],
                seed=seed,
            )
            hidden += [place | _short(row) for row in rows]
        epochs.append(_short(measures))
    write_csv(run / TRANSLATIONS, images)
    translation = {
        "classifier": _facts(classifier, seed),
        "reference": references(classifier, data),
        "epochs": epochs,
    }
    return {"translation": translation, "colours": colours, "steganography": hidden}


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
    columns = {
        "changed": (translated.double() - images.double()).abs().mean((1, 2, 3)),
        "ssim": structural_similarity(to_signed(images), to_signed(translated)).double(),
        "filter_share": filter_share(images, translated),
        "green": green,
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
