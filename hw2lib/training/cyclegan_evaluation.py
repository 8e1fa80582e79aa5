"""What the translations of a run are worth, measured from the weights that it kept."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from hw2lib.cyclegan import CycleGAN
from hw2lib.cyclegan.distances import colour_distance, kernel_distance
from hw2lib.cyclegan.steganography import reconstruction_curve
from hw2lib.data.unpaired import UnpairedImages, to_signed, to_uint8

from .checkpoint import load_weights
from .cyclegan_report import directions, kept_epochs, run_generator, snapshot
from .domain_classifier import Judge, train_judge

STEGANOGRAPHY_IMAGES = 64


def evaluate_snapshots(run: Path, net: CycleGAN, data: UnpairedImages, seed: int = 0) -> dict:
    """Judge the networks of every epoch whose weights the run kept; ``net`` ends with the last ones.

    Returns:
        ``translation``: ``classifier`` with its own accuracy on real test images; ``reference``: the
        measures of the untranslated images (``source``) and of real training images of the target domain
        (``real``), which bound what can be expected; ``epochs``: a row per epoch. The measures, with
        suffix A for G(x), x of testA, and B for F(y), y of testB, all after rounding to 8 bits:

        * ``success``: share that the classifier takes for the target domain, which only has to know what
          separates the two: a picture of neither can succeed;
        * ``colour``: :func:`~hw2lib.cyclegan.distances.colour_distance` to the target's test images;
        * ``classifier_kid``: :func:`~hw2lib.cyclegan.distances.kernel_distance` to them, in features of
          that classifier: KID (features of a classifier trained here).

        ``steganography``: rows of :func:`~hw2lib.cyclegan.steganography.reconstruction_curve` with
        ``epoch`` and ``direction``, on up to 64 evenly spaced test images of each domain.
    """
    device = next(net.parameters()).device
    judge = train_judge(data, seed, device)
    epochs, hidden = [], []
    for epoch in kept_epochs(run):
        load_weights(snapshot(run, epoch), net)
        measures = {"epoch": epoch}
        for domain, (split, there, back) in zip("AB", directions(net), strict=True):
            x = to_signed(data.images[split])
            translated = to_uint8(run_generator(there, x))
            measures |= _measures(judge, data, domain, translated)
            rows = reconstruction_curve(
                partial(run_generator, there),
                partial(run_generator, back),
                x[_spread(len(x), STEGANOGRAPHY_IMAGES)],
                seed=seed,
            )
            hidden += [{"epoch": epoch, "direction": domain} | _short(row) for row in rows]
        epochs.append(_short(measures))
    translation = {"classifier": _facts(judge, seed), "reference": references(judge, data), "epochs": epochs}
    return {"translation": translation, "steganography": hidden}


def references(judge: Judge, data: UnpairedImages) -> dict[str, dict[str, float]]:
    """The measures of images that no generator has touched: the source, and real images of the target."""
    found: dict[str, dict[str, float]] = {"source": {}, "real": {}}
    for domain, source, target in (("A", "testA", "trainB"), ("B", "testB", "trainA")):
        real = resize(data.images[target], [data.size, data.size], antialias=True)
        found["source"] |= _short(_measures(judge, data, domain, data.images[source]))
        found["real"] |= _short(_measures(judge, data, domain, real))
    return found


def _measures(judge: Judge, data: UnpairedImages, domain: str, images: Tensor) -> dict[str, float]:
    """How much like the other domain's test images a set of images is."""
    target = data.images["testB" if domain == "A" else "testA"]
    share = judge.share_in_b(images)
    found = {
        f"success_{domain}": share if domain == "A" else 1 - share,
        f"colour_{domain}": colour_distance(images, target),
    }
    if min(len(images), len(target)) > 1:
        distance = kernel_distance(judge.features(images), judge.features(target))
        found[f"classifier_kid_{domain}"] = distance
    return found


def _facts(judge: Judge, seed: int) -> dict[str, float]:
    return {
        "test_accuracy": round(judge.test_accuracy, 4),
        "unseen_accuracy": round(judge.unseen_accuracy, 4),
        "steps": judge.steps,
        "seed": seed,
        "seconds": round(judge.seconds, 1),
    }


def _spread(n: int, most: int) -> Tensor:
    return torch.linspace(0, n - 1, min(n, most)).round().long()


def _short(row: dict) -> dict:
    return {name: float(f"{v:.6g}") if isinstance(v, float) else v for name, v in row.items()}
