"""Train a masked autoregressive flow on one category of MVTec AD, and score what comes out."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from hw2lib.anomaly import auroc_per_defect, nll_scores
from hw2lib.data import MVTecCategory, split_validation
from hw2lib.flows import MAF, DequantizedPixels, bits_per_dim
from hw2lib.seeding import weights_from

from .checkpoint import AVERAGE, MODEL, load_training_state
from .config import MAFConfig
from .loop import EpochLoop, Report
from .memory import keep_freed_memory
from .report import finish_maf_run
from .runs import begin, note_resumption, prepare, write_csv


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

    PROGRESS = ("epoch", "step", "loss_sum", "losses", "auroc", "train_seconds", "evaluation_seconds")

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What a checkpoint holds, by file name."""
        return {MODEL: self.flow, AVERAGE: self.average}


def build_maf(config: MAFConfig) -> MAF:
    """The flow of a configuration, with weights drawn from its seed."""
    with weights_from(config.seed):
        return MAF(3 * config.size**2, config.hidden_features, config.transforms, config.layout)


def train_maf(
    config: MAFConfig,
    data: MVTecCategory,
    out: Path,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    report: Report = lambda event: None,
) -> bool:
    """Maximum-likelihood training; writes the run's folder.

    The objective is the mean of −log p(x) over a batch, x being dequantised pixels in [−1, 1]^D (book:
    eq-maf-objective). Batches and noise are functions of (seed, epoch, step), so that a run which is
    interrupted and resumed equals one that was not, to the bit on one CPU.

    Args:
        config: settings.
        data: images of the configured size.
        out: folder of the run.
        resume: go on from the checkpoint in ``out``.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: number of devices, each of which takes a share of every batch.
        report: called with a dictionary after each step (keys epoch, step, steps, train_bpd, val_bpd).

    Returns:
        True if the run finished, False if Ctrl-C left a checkpoint.

    Raises:
        UserError: ``out`` holds another run, nothing to resume, or a run begun with other images or
            settings; the images are too few to split; or the loss is no longer a number.
    """
    split = split_validation(len(data.train), config.validation_fraction, config.seed)
    prepare(out, resume, data.checksum, config)
    keep_freed_memory()
    fabric = Fabric(accelerator=device, devices=devices)
    fabric.launch()
    flow = build_maf(config)
    average = build_maf(config).requires_grad_(False).to(fabric.device)
    optimizer = torch.optim.Adam(flow.parameters(), lr=config.learning_rate, fused=True)
    flow, optimizer = fabric.setup(flow, optimizer)
    flow.mark_forward_method("log_prob")
    state = MAFState(flow, average, optimizer)
    if resume:
        load_training_state(out, state)
        if fabric.is_global_zero:
            note_resumption(out, state.epoch, state.step, fabric.device)
    elif fabric.is_global_zero:
        begin(out, config, fabric.device, data)
    loop = _Loop(config, data, split, state, fabric, out, report)
    finished = loop.run()
    if finished and fabric.is_global_zero:
        finish_maf_run(out, config, data, state, loop.validation)
    fabric.barrier()
    return finished


def clip_gradients(parameters: list[nn.Parameter], max_norm: float) -> None:
    """As ``torch.nn.utils.clip_grad_norm_``, which also writes gradients anew that are small enough."""
    norm = get_total_norm([p.grad for p in parameters])
    if not norm + 1e-6 <= max_norm:  # NaN is for the scaling to hand on
        clip_grads_with_norm_(parameters, max_norm, norm)


class _Loop(EpochLoop):
    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.pixels = DequantizedPixels()
        self.weights = [p for p in self.state.flow.parameters()]
        self.averages = [p for p in self.state.average.parameters()]

    def step(self, batch: Tensor) -> float:
        """One step of Adam on the mean negative log-likelihood; returns it in nats per image."""
        state, config = self.state, self.config
        x = self.share(self.pixels.encode(self.train[batch], generator=self.noise()))
        state.optimizer.zero_grad(set_to_none=True)
        loss = self.mean(-state.flow.log_prob(x), batch)
        self.fabric.backward(loss)
        clip_gradients(self.weights, config.clip_norm)
        state.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.weights, 1 - config.average_decay)
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
