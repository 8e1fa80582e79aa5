r"""How usual the features of a cell are at its place: three densities behind one interface.

Each takes the features of normal images, (n, rows, columns, features), and gives scores, higher where
a cell is less usual. ``fit`` returns the scores of normal images *that the density has not seen*, on
which it is calibrated: a density judges what it has learnt by heart too kindly.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from hw2lib.data import split_validation
from hw2lib.errors import UserError
from hw2lib.flows import MAF
from hw2lib.minimise import minimise
from hw2lib.seeding import seeded_init

from .config import LocalConfig

Report = Callable[[str, int, int], None]
_FOLDS = 5
_ROWS = 4096
_COLUMNS = 4  # cells whose distances are taken at once: they stay in the processor's cache


def silent(what: str, done: int, total: int) -> None:
    """Reports nothing."""


class HeldOut(NamedTuple):
    """Scores of normal images by a density that has not seen them.

    Attributes:
        images: their indices among the normal images, rising, shape (m,).
        scores: (m, rows, columns).
    """

    images: Tensor
    scores: Tensor


class LocalDensity(nn.Module):
    """What every density can do.

    Args:
        config: the settings.
        inside: booleans (rows, columns), the cells that are looked at; all others score 0.
    """

    inside: Tensor

    def __init__(self, config: LocalConfig, inside: Tensor) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("inside", inside, persistent=False)  # kept by the detector

    def fit(self, normal: Tensor, report: Report) -> HeldOut:
        """Learn, and return what the calibration is made from.

        Args:
            normal: features, (n, rows, columns, features).
            report: takes what is being done, how much of it is done, and of how much.
        """
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        """Scores, (n, rows, columns), of features (n, rows, columns, features)."""
        raise NotImplementedError

    def _on_grid(self, scores: Tensor) -> Tensor:
        """Scores of the cells inside, (n, cells), as (n, rows, columns)."""
        grid = scores.new_zeros(len(scores), *self.inside.shape)
        grid[:, self.inside] = scores
        return grid


class Neighbours(LocalDensity):
    r"""Mean distance to the k nearest normal images.

    The distance to a normal image is that to the nearest of its cells at most r cells away in either
    direction, ‖W (φ − φ')‖, where W = diag(λ)^{−w/2} Vᵀ whitens in part: λ and V are the eigenvalues
    and eigenvectors of the features' covariance over all places. With w = 1 the noise of the least
    features counts as much as the signal of the first.

    Held-out scores leave out the image itself, so that all normal images are used for both.

    Source: Roth et al. 2022 (PatchCore), Cohen and Hoshen 2020 (SPADE), position by position.
    """

    whiten: Tensor
    bank: Tensor

    def __init__(self, config: LocalConfig, inside: Tensor) -> None:
        super().__init__(config, inside)
        self.register_buffer("whiten", torch.empty(0))
        self.register_buffer("bank", torch.empty(0, dtype=torch.float16))

    def fit(self, normal: Tensor, report: Report) -> HeldOut:
        if len(normal) <= self.config.neighbours:
            raise UserError(f"{len(normal)} normal images: {self.config.neighbours} neighbours need more")
        variances, vectors = principal_axes(normal[:, self.inside])
        self.whiten = vectors * variances.clamp(min=1e-6 * float(variances[0])) ** (
            -self.config.whitening / 2
        )
        # Half the memory; the rounding is a thousandth of a distance between normal cells.
        self.bank = (normal @ self.whiten).half()
        return HeldOut(torch.arange(len(normal)), self._distances(self.bank.float(), True, report))

    def forward(self, features: Tensor) -> Tensor:
        return self._distances(features @ self.whiten, False, silent)

    def _distances(self, queries: Tensor, leave_out: bool, report: Report) -> Tensor:
        scores = queries.new_zeros(queries.shape[:3])
        rows = torch.nonzero(self.inside.any(1))[:, 0].tolist()
        for done, i in enumerate(rows):
            columns = torch.nonzero(self.inside[i])[:, 0]
            for lo in range(int(columns[0]), int(columns[-1]) + 1, _COLUMNS):
                part = slice(lo, min(lo + _COLUMNS, int(columns[-1]) + 1))
                scores[:, i, part] = self._of_cells(queries[:, i, part], i, lo, leave_out)
            report("distances", done + 1, len(rows))
        return scores * self.inside

    def _of_cells(self, queries: Tensor, row: int, column: int, leave_out: bool) -> Tensor:
        """Scores of cells side by side in one row, (n, cells), from queries (n, cells, axes)."""
        n, cells, _ = queries.shape
        # ‖q − b‖² = ‖q‖² − 2 (q·b − ‖b‖²/2): the bracket is one product with one more axis.
        query = torch.cat([queries, queries.new_ones(n, cells, 1)], 2).transpose(0, 1)
        closest = queries.new_full((cells, n, len(self.bank)), -torch.inf)
        radius = min(self.config.radius, max(self.bank.shape[1:3]))  # no cell is farther
        reach = range(-radius, radius + 1)
        for i in (row + a for a in reach if 0 <= row + a < self.bank.shape[1]):
            for b in reach:
                first, last = max(0, -column - b), min(cells, self.bank.shape[2] - column - b)
                if first < last:
                    near = (
                        self.bank[:, i, column + b + first : column + b + last].to(queries).permute(1, 2, 0)
                    )
                    near = torch.cat([near, -0.5 * near.square().sum(1, keepdim=True)], 1)
                    here = closest[first:last]
                    torch.maximum(here, query[first:last] @ near, out=here)
        if leave_out:
            closest.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
        best = closest.topk(self.config.neighbours, dim=2).values
        squares = queries.square().sum(2).T[..., None] - 2 * best
        return squares.clamp(min=0).sqrt().mean(2).T


class PlaceGaussian(LocalDensity):
    r"""A Gaussian of its own at every cell: ½ (φ − μ)ᵀ Σ⁻¹ (φ − μ) + ½ log det Σ.

    Σ = (1 − λ) C + λ diag(C) as in :class:`~hw2lib.anomaly.detectors.PositionwiseGaussian`. Held-out
    scores are by five densities, each fitted without a fifth of the images.
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, config: LocalConfig, inside: Tensor) -> None:
        super().__init__(config, inside)
        self.register_buffer("mean", torch.empty(0))
        self.register_buffer("factor", torch.empty(0))

    def fit(self, normal: Tensor, report: Report) -> HeldOut:
        folds = min(_FOLDS, len(normal))
        if len(normal) < 4:
            raise UserError(f"{len(normal)} normal images: a held-out covariance needs four")
        fold = torch.arange(len(normal)) % folds
        held = normal.new_empty(normal.shape[:3])
        for k in range(folds):
            self._learn(normal[fold != k])
            held[fold == k] = self(normal[fold == k])
            report("folds", k + 1, folds)
        self._learn(normal)
        return HeldOut(torch.arange(len(normal)), held)

    def _learn(self, normal: Tensor) -> None:
        cells = normal[:, self.inside]
        self.mean = cells.mean(0)
        x = (cells - self.mean).permute(1, 2, 0)
        covariance = x @ x.mT / (len(normal) - 1)
        variances = covariance.diagonal(dim1=-2, dim2=-1)
        floor = 1e-8 + 1e-4 * variances.mean(0)  # a feature that never varies would be singular
        covariance = (1 - self.config.shrinkage) * covariance
        self.factor = torch.linalg.cholesky(
            covariance + torch.diag_embed(self.config.shrinkage * variances + floor)
        )

    def forward(self, features: Tensor) -> Tensor:
        x = (features[:, self.inside] - self.mean).permute(1, 2, 0)
        whitened = torch.linalg.solve_triangular(self.factor, x, upper=False)
        log_det = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return self._on_grid((0.5 * whitened.square().sum(1) + log_det[:, None]).T)


class ConditionalFlow(LocalDensity):
    r"""−log p(φ | place) by one MAF for all places.

    The place is the flow's context: sines and cosines of the cell's coordinates in octaves. Features
    are whitened, and directions in which they hardly vary are left out: a density there is all noise.
    It is trained on single cells by maximum likelihood and calibrated on images held out of training.

    Source: Papamakarios et al. 2017, section 3.4 (conditional MAF); Gudovskiy et al. 2022 (CFLOW: a
    flow conditioned on the position, there on a pretrained network's features); Mildenhall et al. 2020
    (the encoding); book: eq-local-likelihood.
    """

    whiten: Tensor
    place: Tensor

    def __init__(self, config: LocalConfig, inside: Tensor) -> None:
        super().__init__(config, inside)
        self.register_buffer("whiten", torch.empty(0))
        self.register_buffer("place", torch.empty(0))
        self.flow: MAF  # made by build, when the number of features that are kept is known

    def fit(self, normal: Tensor, report: Report) -> HeldOut:
        if len(normal) < 4:
            raise UserError(f"{len(normal)} normal images: a flow that is calibrated needs four")
        variances, vectors = principal_axes(normal[:, self.inside])
        kept = variances > 1e-6 * variances[0]
        self.whiten = vectors[:, kept] * variances[kept].rsqrt()
        self.place = place_encoding(self.inside.shape, self.config.frequencies).to(normal)[
            self.inside.flatten()
        ]
        train, held = split_validation(len(normal), self.config.held_out, self.config.seed)
        self._train(normal[train][:, self.inside] @ self.whiten, report)
        return HeldOut(held, self(normal[held]))

    def _train(self, cells: Tensor, report: Report) -> None:
        """Maximum likelihood on whitened cells, (images, places, kept features)."""
        c = self.config
        self.build(cells.shape[-1], self.place.shape[-1]).to(cells)
        generator = torch.Generator().manual_seed(c.seed)
        steps = count(1)

        def loss() -> Tensor:
            image = torch.randint(len(cells), (c.batch_cells,), generator=generator)
            place = torch.randint(cells.shape[1], (c.batch_cells,), generator=generator)
            noise = c.noise * torch.randn(c.batch_cells, cells.shape[-1], generator=generator)
            x = cells[image, place] + noise.to(cells)
            report("training", next(steps), c.steps)
            return -self.flow.log_prob(x, self.place[place]).mean()

        decay, weights = partial(CosineAnnealingLR, T_max=c.steps), self.flow.parameters()
        minimise(loss, weights, c.steps, c.learning_rate, schedule=decay, clip_norm=c.clip_norm)

    def build(self, features: int, context: int) -> MAF:
        """The flow, with weights that follow from the seed."""
        with seeded_init(self.config.seed):
            self.flow = MAF(features, self.config.hidden_features, self.config.transforms, context=context)
        return self.flow

    @torch.no_grad()
    def forward(self, features: Tensor) -> Tensor:
        cells = (features[:, self.inside] @ self.whiten).flatten(0, 1)
        places = torch.arange(len(cells), device=cells.device) % len(self.place)
        parts = [
            -self.flow.log_prob(x, self.place[place])
            for x, place in zip(cells.split(_ROWS), places.split(_ROWS), strict=True)
        ]
        return self._on_grid(torch.cat(parts).reshape(len(features), -1))


DENSITIES = {"neighbours": Neighbours, "gaussian": PlaceGaussian, "maf": ConditionalFlow}


def principal_axes(features: Tensor) -> tuple[Tensor, Tensor]:
    """Principal axes of features, (n, cells, features): variances, falling, and unit vectors as columns."""
    cells = features.flatten(0, 1)
    centred = cells - cells.mean(0)
    covariance = (centred.T @ centred / len(cells)).double()
    variances, vectors = torch.linalg.eigh(covariance)
    return variances.flip(0).clamp(min=0).to(features), vectors.flip(1).to(features)


def place_encoding(grid: Sequence[int], frequencies: int) -> Tensor:
    """sin and cos of 2^k · π/2 · t, k < frequencies, for both coordinates t ∈ [−1, 1] of every cell.

    Returns:
        (rows · columns, 4 · frequencies).
    """
    axes = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in grid), indexing="ij")
    angles = torch.stack([t * 2.0**k * math.pi / 2 for t in axes for k in range(frequencies)], -1)
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(0, 1)
