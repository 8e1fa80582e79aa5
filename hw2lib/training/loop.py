"""Epochs over images in memory, the same for the flow and the VAE."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor

from hw2lib.data import MVTecCategory
from hw2lib.errors import UserError
from hw2lib.flows import bits_per_dim
from hw2lib.runs.checkpoint import TrainingState, save_training_state
from hw2lib.runs.folder import write_csv

from .interrupt import Interrupt, interruptible

Report = Callable[[dict], None]


class EpochState(TrainingState, Protocol):
    """The state of a training in epochs.

    Attributes:
        loss_sum: of the current epoch's images so far, in nats.
        losses: the rows of losses.csv.
        train_seconds: that the training took so far.
    """

    loss_sum: float
    losses: list[dict]
    train_seconds: float


class EpochSettings(Protocol):
    """What every training in epochs is told."""

    @property
    def seed(self) -> int: ...

    @property
    def epochs(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def checkpoint_every(self) -> int: ...


class EpochLoop:
    """Shuffled batches, progress, checkpoints and Ctrl-C; what a step and an epoch are is left open.

    The order of the images is a function of (seed, epoch), so that a run can go on where it stopped.

    Args:
        config: the settings.
        data: the images.
        split: indices for training and for validation.
        state: of the training.
        fabric: launched.
        out: folder of the run.
        report: called after each step.
    """

    def __init__(
        self,
        config: EpochSettings,
        data: MVTecCategory,
        split: tuple[Tensor, Tensor],
        state: EpochState,
        fabric: Fabric,
        out: Path,
        report: Report,
    ) -> None:
        self.config, self.data, self.state, self.fabric = config, data, state, fabric
        self.out, self.report = out, report
        train, validation = split
        self.train, self.validation = data.train[train].flatten(1), data.train[validation]

    def run(self) -> bool:
        """Train until the last epoch and leave a checkpoint; False if Ctrl-C came first."""
        with interruptible() as interrupt:
            while self.state.epoch < self.config.epochs:
                if not self._epoch(interrupt):
                    break
            if self.fabric.is_global_zero:
                save_training_state(self.out, self.state)
        return self.state.epoch == self.config.epochs

    def step(self, batch: Tensor) -> float:
        """One step of the optimizer on the images of these indices; the mean loss in nats per image."""
        raise NotImplementedError

    def event(self, steps_per_epoch: int, loss: float) -> dict:
        """What is reported after a step."""
        last = self.state.losses[-1] if self.state.losses else {}
        return {
            "epoch": self.state.epoch,
            "epochs": self.config.epochs,
            "step": self.state.step,
            "steps_per_epoch": steps_per_epoch,
            "train_bpd": float(bits_per_dim(loss, self.data.features)),
            "val_bpd": last.get("val_bpd"),
        }

    def validate(self, train_loss: float) -> dict:
        """The row of losses.csv, given the epoch's mean loss."""
        raise NotImplementedError

    def evaluate(self) -> None:
        """Called after each epoch, once it has been counted."""

    def noise(self) -> torch.Generator:
        """What is random in this step, a function of (seed, epoch, step)."""
        seed = (self.config.seed * 1_000_003 + self.state.epoch) * 10_007 + self.state.step + 1
        return torch.Generator().manual_seed(seed)

    def mean(self, losses: Tensor, batch: Tensor) -> Tensor:
        """What becomes the mean over the whole batch when it is averaged over the processes' shares."""
        if self.fabric.world_size == 1:
            return losses.mean()
        return losses.sum() * (self.fabric.world_size / len(batch))

    def finite(self, loss: Any) -> float:
        """The loss as a number; UserError where it is none, since no later step can mend that."""
        value = float(loss)
        if not math.isfinite(value):
            raise UserError(
                f"{self.out}: the loss is {value} in epoch {self.state.epoch + 1}; lower learning_rate"
            )
        return value

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a batch, on its device."""
        return batch[self.fabric.global_rank :: self.fabric.world_size].to(self.fabric.device)

    def _epoch(self, interrupt: Interrupt) -> bool:
        config, state = self.config, self.state
        started = time.perf_counter()
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + state.epoch)
        batches = torch.randperm(len(self.train), generator=generator).split(config.batch_size)
        while state.step < len(batches):
            batch = batches[state.step]
            loss = self.step(batch)
            state.loss_sum += loss * len(batch)
            state.step += 1
            self.report(self.event(len(batches), loss))
            if interrupt.requested:
                state.train_seconds += time.perf_counter() - started
                return False
        row = {"epoch": state.epoch + 1} | self.validate(state.loss_sum / len(self.train))
        state.train_seconds += time.perf_counter() - started
        state.losses.append(row | {"seconds": round(state.train_seconds, 3)})
        state.epoch, state.step, state.loss_sum = state.epoch + 1, 0, 0.0
        self.evaluate()
        if self.fabric.is_global_zero:
            write_csv(self.out / "losses.csv", state.losses)
            if config.checkpoint_every and state.epoch % config.checkpoint_every == 0:
                save_training_state(self.out, state)
        return True
