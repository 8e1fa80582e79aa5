"""Train a masked autoregressive flow on one category of MVTec AD, and score what comes out."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor

from hw2lib.anomaly import auroc_per_defect, nll_scores
from hw2lib.data import MVTecCategory, split_validation
from hw2lib.errors import UserError
from hw2lib.flows import MAF, DequantizedPixels, bits_per_dim

from .checkpoint import load_training_state, save_training_state
from .config import MAFConfig
from .interrupt import interruptible
from .memory import keep_freed_memory
from .report import finish_maf_run
from .runs import environment, prepare, read_json, write_csv, write_json

Report = Callable[[dict], None]


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


def build_maf(config: MAFConfig) -> MAF:
    """The flow of a configuration, with weights drawn from its seed."""
    torch.manual_seed(config.seed)
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
        UserError: ``out`` holds another run, nothing to resume, or a run begun with other images; or the
            images are too few to split.
    """
    split = split_validation(len(data.train), config.validation_fraction, config.seed)
    prepare(out, resume)
    if resume and read_json(out / "environment.json")["data"]["checksum"] != data.checksum:
        raise UserError(f"{out}: was begun with other images; resume it with the same --data")
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
    elif fabric.is_global_zero:
        write_json(out / "config.json", config.model_dump())
        facts = {
            "name": data.name,
            "checksum": data.checksum,
            "train": len(data.train),
            "test": len(data.test),
        }
        write_json(out / "environment.json", environment(fabric.device, facts))
    loop = _Loop(config, data, split, state, fabric, out, report)
    finished = loop.run()
    if fabric.is_global_zero:
        save_training_state(out, state)
        if finished:
            finish_maf_run(out, config, data, state, loop.validation)
    fabric.barrier()
    return finished


class _Loop:
    def __init__(
        self,
        config: MAFConfig,
        data: MVTecCategory,
        split: tuple[Tensor, Tensor],
        state: MAFState,
        fabric: Fabric,
        out: Path,
        report: Report,
    ) -> None:
        self.config, self.data, self.state, self.fabric = config, data, state, fabric
        self.out, self.report = out, report
        train, validation = split
        self.train, self.validation = data.train[train].flatten(1), data.train[validation]
        self.pixels = DequantizedPixels()
        self.weights = [p for p in state.flow.parameters()]
        self.averages = [p for p in state.average.parameters()]

    def run(self) -> bool:
        with interruptible() as interrupt:
            while self.state.epoch < self.config.epochs:
                if not self._epoch(interrupt):
                    return False
        return True

    def _epoch(self, interrupt) -> bool:
        config, state = self.config, self.state
        started = time.perf_counter()
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + state.epoch)
        batches = torch.randperm(len(self.train), generator=generator).split(config.batch_size)
        while state.step < len(batches):
            batch = batches[state.step]
            loss = self._step(batch)
            state.loss_sum += loss * len(batch)
            state.step += 1
            self.report(self._event(len(batches), loss))
            if interrupt.requested:
                state.train_seconds += time.perf_counter() - started
                return False
        self._close_epoch(started)
        if state.epoch in config.evaluate_epochs or state.epoch == config.epochs:
            self._evaluate()
        if self.fabric.is_global_zero:
            write_csv(self.out / "losses.csv", state.losses)
            if state.auroc:
                write_csv(self.out / "auroc.csv", state.auroc)
            if config.checkpoint_every and state.epoch % config.checkpoint_every == 0:
                save_training_state(self.out, state)
        return True

    def _step(self, batch: Tensor) -> float:
        """One step of Adam on the mean negative log-likelihood; returns it in nats per image."""
        state, config = self.state, self.config
        seed = (config.seed * 1_000_003 + state.epoch) * 10_007 + state.step + 1
        noise = torch.Generator().manual_seed(seed)
        x = self.pixels.encode(self.train[batch], generator=noise)
        x = x[self.fabric.global_rank :: self.fabric.world_size].to(self.fabric.device)
        state.optimizer.zero_grad(set_to_none=True)
        loss = -state.flow.log_prob(x).mean()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(state.flow, state.optimizer, max_norm=config.clip_norm)
        state.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.weights, 1 - config.average_decay)
        return float(self.fabric.all_reduce(loss.detach()))

    def _close_epoch(self, started: float) -> None:
        state = self.state
        row = {"epoch": state.epoch + 1, "train_nll": state.loss_sum / len(self.train)}
        row["val_nll"] = float(nll_scores(state.flow, self.validation).mean())
        row["val_nll_ema"] = float(nll_scores(state.average, self.validation).mean())
        for name in ("train", "val"):
            row[f"{name}_bpd"] = float(bits_per_dim(row[f"{name}_nll"], self.data.features))
        row["val_bpd_ema"] = float(bits_per_dim(row["val_nll_ema"], self.data.features))
        state.train_seconds += time.perf_counter() - started
        state.losses.append(row | {"seconds": round(state.train_seconds, 3)})
        state.epoch, state.step, state.loss_sum = state.epoch + 1, 0, 0.0

    def _evaluate(self) -> None:
        started = time.perf_counter()
        for weights, flow in (("plain", self.state.flow), ("ema", self.state.average)):
            scores = nll_scores(flow, self.data.test)
            if not math.isfinite(scores.sum()):
                continue  # a blown-up image has no rank; the epoch's row is then absent
            for defect, area in auroc_per_defect(self.data.test_defects, scores).items():
                row = {"epoch": self.state.epoch, "weights": weights, "defect": defect, "auroc": area}
                self.state.auroc.append(row)
        self.state.evaluation_seconds += time.perf_counter() - started

    def _event(self, steps: int, loss: float) -> dict:
        last = self.state.losses[-1] if self.state.losses else {}
        return {
            "epoch": self.state.epoch,
            "epochs": self.config.epochs,
            "step": self.state.step,
            "steps": steps,
            "train_bpd": float(bits_per_dim(loss, self.data.features)),
            "val_bpd": last.get("val_bpd"),
        }
