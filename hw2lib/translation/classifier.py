"""A small network that tells the two domains apart, trained here to judge translations."""

import time
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from hw2lib.data.unpaired import UnpairedImages, augment, to_signed
from hw2lib.minimise import minimise
from hw2lib.seeding import seeded_init

WIDTHS = (16, 32, 64, 64)
PASSES, LEAST_STEPS, BATCH, LEARNING_RATE = 8, 150, 32, 1e-3


class DomainClassifier(nn.Module):
    """Four strided convolutions with batch norm, a mean over the image, and one linear unit.

    Shapes:
        x: images in [−1, 1], (n, 3, height, width), sides at least 32 → (n,), positive for domain B.
    """

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        for inner, outer in zip((3, *WIDTHS), WIDTHS, strict=False):
            convolution = nn.Conv2d(inner, outer, 4, stride=2, padding=1, bias=False)
            self.blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(outer), nn.ReLU()))
        self.head = nn.Linear(WIDTHS[-1], 1)

    def features(self, x: Tensor) -> Tensor:
        """Means over the image of all four blocks' channels, shape (n, 176).

        The last block alone knows little beyond which domain it is; the first ones know colours and
        textures, so that a picture of neither domain is far from both.
        """
        means = []
        for block in self.blocks:
            x = block(x)
            means.append(x.mean((2, 3)))
        return torch.cat(means, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)[:, -WIDTHS[-1] :]).squeeze(1)


@dataclass(frozen=True)
class TrainedClassifier:
    """A trained classifier and how good it is on real test images.

    Attributes:
        network: in evaluation mode.
        test_accuracy: share of all test images that it puts into their domain.
        unseen_accuracy: the same without test images of which training held an identical file.
        steps: of training.
        seconds: that the training took.
    """

    network: DomainClassifier
    test_accuracy: float
    unseen_accuracy: float
    steps: int
    seconds: float

    def in_b(self, images: Tensor) -> Tensor:
        """Which images, uint8 of shape (n, 3, size, size), are classified as domain B; bool of shape (n,)."""
        return self._over(images, self.network) > 0

    def share_in_b(self, images: Tensor) -> float:
        """Share of such images that are classified as domain B."""
        return float(self.in_b(images).double().mean())

    def features(self, images: Tensor) -> Tensor:
        """Features of images, uint8, on the CPU, shape (n, 176)."""
        return self._over(images, self.network.features)

    @torch.no_grad()
    def _over(self, images: Tensor, function) -> Tensor:
        device = next(self.network.parameters()).device
        return torch.cat([function(to_signed(part).to(device)).cpu() for part in images.split(64)])


def train_classifier(
    data: UnpairedImages, seed: int = 0, device: torch.device | str = "cpu"
) -> TrainedClassifier:
    """Train a classifier on trainA against trainB, with the crops and mirroring of the run's recipe.

    Adam on the logistic loss, learning rate 10⁻³ falling to 0 as a cosine; every batch holds as many images
    of A as of B. The number of steps is fixed by the size of the data; no test image decides anything.

    Args:
        data: both domains.
        seed: of the weights and the batches.
        device: where to train.
    """
    started = time.perf_counter()
    with seeded_init(seed):
        network = DomainClassifier().to(device)
    generator = torch.Generator().manual_seed(seed)
    domains = data.images["trainA"], data.images["trainB"]
    steps = max(LEAST_STEPS, PASSES * sum(map(len, domains)) // BATCH)
    targets = torch.cat([torch.zeros(BATCH // 2), torch.ones(BATCH // 2)]).to(device)

    def loss() -> Tensor:
        chosen = [d[torch.randint(len(d), (BATCH // 2,), generator=generator)] for d in domains]
        x = augment(torch.cat(chosen), data.size, generator).to(device)
        return F.binary_cross_entropy_with_logits(network(x), targets)

    cosine = partial(CosineAnnealingLR, T_max=steps)
    minimise(loss, network.parameters(), steps, LEARNING_RATE, schedule=cosine)
    classifier = TrainedClassifier(network.eval().requires_grad_(False), 0.0, 0.0, steps, 0.0)
    everything = {s: torch.ones(len(data.images[s]), dtype=torch.bool) for s in ("testA", "testB")}
    return TrainedClassifier(
        classifier.network,
        _accuracy(classifier, data, everything),
        _accuracy(classifier, data, unseen(data)),
        steps,
        time.perf_counter() - started,
    )


def unseen(data: UnpairedImages) -> dict[str, Tensor]:
    """Per test split, which images have no identical file in trainA or trainB."""
    seen = {
        name for group in data.duplicates if any(name.startswith("train") for name in group) for name in group
    }
    return {
        split: torch.tensor([f"{split}/{name}" not in seen for name in data.files[split]])
        for split in ("testA", "testB")
    }


def _accuracy(classifier: TrainedClassifier, data: UnpairedImages, kept: dict[str, Tensor]) -> float:
    right = total = 0.0
    for split, keep in kept.items():
        count = int(keep.sum())
        share = classifier.share_in_b(data.images[split][keep]) if count else 0.0
        right += count * (share if split == "testB" else 1 - share)
        total += count
    return right / total if total else float("nan")
