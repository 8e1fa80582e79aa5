"""The loop that trains a masked autoregressive flow on one category of MVTec AD."""

import math
import time
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from hw2lib.anomaly import corrupt, nll_scores
from hw2lib.flows import MAF, DequantizedPixels, bits_per_dim
from hw2lib.runs.checkpoint import AVERAGE, MODEL
from hw2lib.runs.folder import write_csv
from hw2lib.seeding import seeded_init
from hw2lib.statistics import auroc_per_defect

from .loop import EpochLoop
from .settings import MAFConfig


@dataclass
class MAFState:
    """Everything that a run carries from one step to the next."""

    flow: MAF
    average: MAF
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    losses: list[dict] = field(default_factory=list)
    auroc: list[dict] = field(default_factory=list)
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0

    PROGRESS: ClassVar[tuple[str, ...]] = (
        "epoch",
        "step",
        "loss_sum",
        "losses",
        "auroc",
        "train_seconds",
        "evaluation_seconds",
    )

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What a checkpoint holds, by file name."""
        return {MODEL: self.flow, AVERAGE: self.average}


def build_maf(config: MAFConfig) -> MAF:
    """The flow of a configuration, with weights drawn from its seed."""
    with seeded_init(config.seed):
        return MAF(
            3 * config.size**2,
            config.hidden_features,
            config.transforms,
            config.layout,
            conditioner=config.conditioner,
        )


def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    """As ``torch.nn.utils.clip_grad_norm_``, which also writes gradients anew that are small enough."""
    norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
    if not norm + 1e-6 <= max_norm:  # NaN is for the scaling to hand on
        clip_grads_with_norm_(parameters, max_norm, norm)


class MAFLoop(EpochLoop):
    config: MAFConfig
    state: MAFState

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.pixels = DequantizedPixels()
        self.weights = list(self.state.flow.parameters())
        self.averages: list[Tensor] = list(self.state.average.parameters())

    def step(self, batch: Tensor) -> float:
        """One step of Adam on the mean negative log-likelihood; returns it in nats per image."""
        state, config = self.state, self.config
        noise = self.noise()
        images = corrupt(self.train[batch], config.corrupted, noise)
        x = self.share(self.pixels.encode(images, generator=noise))
        state.optimizer.zero_grad(set_to_none=True)
        loss = self.mean(-state.flow.log_prob(x), batch)
        self.fabric.backward(loss)
        clip_gradients(self.weights, config.clip_norm)
        state.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, [*self.weights], 1 - config.average_decay)
        return self.finite(self.fabric.all_reduce(loss.detach()))

    def validate(self, train_loss: float) -> dict:
        state = self.state
        row = {"train_nll": train_loss}
        row["val_nll"] = float(nll_scores(state.flow, self.validation).mean())
        row["val_nll_ema"] = float(nll_scores(state.average, self.validation).mean())
        for name in ("train", "val"):
            row[f"{name}_bpd"] = float(bits_per_dim(row[f"{name}_nll"], self.data.features))
        return row | {"val_bpd_ema": float(bits_per_dim(row["val_nll_ema"], self.data.features))}

    def evaluate(self) -> None:
        if self.state.epoch not in (*self.config.evaluate_epochs, self.config.epochs):
            return
        started = time.perf_counter()
        for weights, flow in (("plain", self.state.flow), ("ema", self.state.average)):
            scores = nll_scores(flow, self.data.test)
            if not math.isfinite(scores.sum()):
                continue  # a blown-up image has no rank; the epoch's row is then absent
            for defect, area in auroc_per_defect(self.data.test_defects, scores).items():
                row = {"epoch": self.state.epoch, "weights": weights, "defect": defect, "auroc": area}
                self.state.auroc.append(row)
        self.state.evaluation_seconds += time.perf_counter() - started
        if self.fabric.is_global_zero and self.state.auroc:
            write_csv(self.out / "auroc.csv", self.state.auroc)
